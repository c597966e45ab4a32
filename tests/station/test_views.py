"""A part's verdict from its views."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from inspector.values import Outcome, PartResult, Verdict
from station.views import merge_views

CAMERAS = ("top", "side", "back")
JUDGED = st.sampled_from([Outcome.PASS, Outcome.REVIEW, Outcome.REJECT]).map(
    lambda outcome: PartResult(Verdict(outcome, () if outcome is Outcome.PASS else ("why",), 0.5, "good"), ())
)
SAID = st.fixed_dictionaries({}, optional=dict.fromkeys(CAMERAS, JUDGED | st.just("late")))


@given(said=SAID)
def test_part_passes_only_when_every_view_was_judged_and_passes(said: Mapping[str, PartResult | str]) -> None:
    passed = [not isinstance(answer, str) and answer.verdict.outcome is Outcome.PASS for answer in said.values()]
    whole = len(passed) == len(CAMERAS) and all(passed)
    assert (merge_views(CAMERAS, said).verdict.outcome is Outcome.PASS) is whole


@given(said=SAID)
def test_view_that_rejects_rejects_the_part_whatever_is_missing(said: Mapping[str, PartResult | str]) -> None:
    rejects = any(not isinstance(each, str) and each.verdict.outcome is Outcome.REJECT for each in said.values())
    assert (merge_views(CAMERAS, said).verdict.outcome is Outcome.REJECT) is rejects


@given(said=SAID)
def test_every_part_that_does_not_pass_says_which_view_is_why(said: Mapping[str, PartResult | str]) -> None:
    verdict = merge_views(CAMERAS, said).verdict
    assert (verdict.outcome is Outcome.PASS) is (not verdict.reasons)
    assert all(reason.startswith('view "') for reason in verdict.reasons)


def test_missing_view_is_named_with_its_reason() -> None:
    passed = PartResult(Verdict(Outcome.PASS, (), 0.1, "good"), ())
    verdict = merge_views(("top", "side"), {"top": passed, "side": "camera lost"}).verdict
    assert (verdict.outcome, verdict.reasons) == (Outcome.NOT_INSPECTED, ('view "side": camera lost',))


def test_only_view_keeps_its_own_words() -> None:
    assert merge_views(("top",), {"top": "frame no longer held"}).verdict.reasons == ("frame no longer held",)
