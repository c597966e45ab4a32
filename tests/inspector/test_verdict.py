from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inspector.values import Outcome, Prediction, Quality, Verdict
from inspector.verdict import Policy, combine, decide, not_inspected

SHARP = Quality(focus=10, brightness=128, dark_share=0, saturated_share=0)
BLURRED = Quality(focus=0, brightness=128, dark_share=0, saturated_share=0, faults=("focus 0.0 below 1",))
POLICY = Policy(pass_below=0.2, reject_above=0.8)

probabilities = st.floats(0, 1)
parts = st.lists(st.tuples(probabilities, st.booleans()), min_size=1, max_size=40)


def prediction(probability: float) -> Prediction:
    return Prediction("scratch", (1 - probability, probability), probability, (0.0, 0.0))


def outcome(probability: float, policy: Policy = POLICY) -> Outcome:
    return decide(SHARP, prediction(probability), policy).outcome


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (0.0, Outcome.PASS),
        (math.nextafter(0.2, 0), Outcome.PASS),
        (0.2, Outcome.REVIEW),
        (math.nextafter(0.8, 0), Outcome.REVIEW),
        (0.8, Outcome.REJECT),
        (1.0, Outcome.REJECT),
    ],
)
def test_the_limits_themselves_belong_to_the_stricter_outcome(probability: float, expected: Outcome) -> None:
    assert outcome(probability) is expected


def test_equal_limits_leave_no_review() -> None:
    policy = Policy(pass_below=0.5, reject_above=0.5)
    assert outcome(math.nextafter(0.5, 0), policy) is Outcome.PASS
    assert outcome(0.5, policy) is Outcome.REJECT


def test_limits_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"pass_below 0\.9 must not exceed reject_above 0\.1"):
        Policy(pass_below=0.9, reject_above=0.1)


@pytest.mark.parametrize("limit", [-0.1, 1.1, math.nan, math.inf])
def test_a_limit_that_is_no_probability_is_refused(limit: float) -> None:
    with pytest.raises(ValidationError):
        Policy(pass_below=0, reject_above=limit)


@given(probability=probabilities)
def test_every_outcome_but_pass_has_a_reason(probability: float) -> None:
    verdict = decide(SHARP, prediction(probability), POLICY)
    assert bool(verdict.reasons) is (verdict.outcome is not Outcome.PASS)
    assert (verdict.defect_probability, verdict.label) == (probability, "scratch")


@given(probability=probabilities)
def test_an_unusable_frame_goes_to_review_whatever_the_network_says(probability: float) -> None:
    verdict = decide(BLURRED, prediction(probability), POLICY)
    assert (verdict.outcome, verdict.reasons) == (Outcome.REVIEW, BLURRED.faults)


@pytest.mark.parametrize("quality", [SHARP, BLURRED])
@pytest.mark.parametrize("probability", [math.nan, math.inf, -math.inf])
def test_a_probability_that_is_no_number_is_not_an_inspection(quality: Quality, probability: float) -> None:
    verdict = decide(quality, prediction(probability), POLICY)
    assert verdict == not_inspected("defect probability is not a number")


def test_without_a_prediction_a_part_goes_to_review() -> None:
    assert decide(SHARP, None, POLICY) == Verdict(Outcome.REVIEW, ("no prediction",))
    assert decide(BLURRED, None, POLICY) == Verdict(Outcome.REVIEW, BLURRED.faults)


@given(parts=parts, limits=st.tuples(probabilities, probabilities, probabilities).map(sorted))
def test_a_lower_pass_limit_never_adds_an_escape(parts: list[tuple[float, bool]], limits: list[float]) -> None:
    tight, loose, reject = limits

    def escapes(pass_below: float) -> int:
        policy = Policy(pass_below=pass_below, reject_above=reject)
        return sum(defective and outcome(p, policy) is Outcome.PASS for p, defective in parts)

    assert escapes(tight) <= escapes(loose)


@given(parts=parts, limits=st.tuples(probabilities, probabilities, probabilities).map(sorted))
def test_a_higher_reject_limit_never_adds_overkill(parts: list[tuple[float, bool]], limits: list[float]) -> None:
    passing, tight, loose = limits

    def overkill(reject_above: float) -> int:
        policy = Policy(pass_below=passing, reject_above=reject_above)
        return sum(not defective and outcome(p, policy) is Outcome.REJECT for p, defective in parts)

    assert overkill(loose) <= overkill(tight)


verdicts = st.builds(
    Verdict,
    st.sampled_from(Outcome),
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=2).map(tuple),
    st.none() | probabilities,
    st.none() | st.sampled_from(["good", "scratch"]),
)


@given(data=st.data(), views=st.lists(verdicts, min_size=1, max_size=5))
def test_combine_ignores_the_order_of_the_views(data: st.DataObject, views: list[Verdict]) -> None:
    shuffled = data.draw(st.permutations(views))
    assert combine(shuffled) == combine(views)


@given(views=st.lists(verdicts, min_size=1, max_size=5))
def test_combine_is_idempotent(views: list[Verdict]) -> None:
    once = combine(views)
    assert combine([once]) == once
    assert combine([*views, *views]) == once


@given(views=st.lists(verdicts, min_size=1, max_size=5))
def test_a_part_passes_only_when_every_view_does(views: list[Verdict]) -> None:
    passes = combine(views).outcome is Outcome.PASS
    assert passes is all(view.outcome is Outcome.PASS for view in views)


def test_the_most_urgent_view_decides_with_its_own_reasons() -> None:
    order = [Outcome.REJECT, Outcome.NOT_INSPECTED, Outcome.REVIEW, Outcome.PASS]
    views = [Verdict(each, (f"because {each}",)) for each in order]
    for first in range(len(order)):
        combined = combine(views[first:])
        assert (combined.outcome, combined.reasons) == (order[first], (f"because {order[first]}",))


def test_probability_and_label_are_those_of_the_worst_view() -> None:
    views = [
        Verdict(Outcome.PASS, (), 0.1, "good"),
        Verdict(Outcome.REVIEW, ("doubtful",), 0.6, "dent"),
        not_inspected("camera lost"),
    ]
    assert combine(views) == Verdict(Outcome.NOT_INSPECTED, ("camera lost",), 0.6, "dent")


def test_a_part_without_views_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one view"):
        combine([])


def strange(p_value: float | None, probability: float = 0.0, review: float | None = 0.05) -> Verdict:
    found = Prediction("good", (), probability, (0.0,), p_value=p_value)
    return decide(SHARP, found, Policy(pass_below=1, reject_above=1, review_p_value=review))


@pytest.mark.parametrize(
    ("p_value", "expected"),
    [(0.05, Outcome.REVIEW), (0.01, Outcome.REVIEW), (0.0501, Outcome.PASS), (1.0, Outcome.PASS)],
)
def test_a_part_stranger_than_good_ones_goes_to_review_and_the_reason_says_the_p_value(
    p_value: float, expected: Outcome
) -> None:
    verdict = strange(p_value)
    assert verdict.outcome is expected
    if expected is Outcome.REVIEW:
        stated = f"stranger than good parts are: p-value {p_value:.4f} is at most 0.0500; no defect is known"
        assert verdict.reasons == (stated,)


def test_a_strange_part_is_reviewed_and_not_rejected_whatever_its_assumed_probability() -> None:
    assert strange(0.01, probability=1.0).outcome is Outcome.REVIEW


@pytest.mark.parametrize("p_value", [None, math.nan])
def test_a_policy_that_goes_by_p_values_never_passes_a_part_without_one(p_value: float | None) -> None:
    assert strange(p_value).outcome is Outcome.REVIEW


def test_a_p_value_alone_decides_nothing_unless_the_policy_goes_by_it() -> None:
    assert strange(0.001, review=None).outcome is Outcome.PASS


def test_all_that_is_unlike_what_is_known_is_said() -> None:
    found = Prediction("good", (), 0.0, (0.0,), novelty=0.99, p_value=0.01)
    verdict = decide(SHARP, found, Policy(pass_below=1, reject_above=1, review_p_value=0.05))
    assert [reason.split(":")[0] for reason in verdict.reasons] == [
        "unlike all that is known",
        "stranger than good parts are",
    ]


@given(p_value=st.floats(0, 1), tight=st.floats(0.001, 0.999), loose=st.floats(0.001, 0.999))
def test_a_higher_rate_of_false_alarms_never_passes_more(p_value: float, tight: float, loose: float) -> None:
    tight, loose = sorted((tight, loose))
    if strange(p_value, review=tight).outcome is Outcome.REVIEW:
        assert strange(p_value, review=loose).outcome is Outcome.REVIEW


def test_a_view_without_a_prediction_goes_to_review_with_its_faults() -> None:
    assert decide(BLURRED, None, POLICY) == Verdict(Outcome.REVIEW, BLURRED.faults)
    assert decide(SHARP, None, POLICY) == Verdict(Outcome.REVIEW, ("no prediction",))


def test_a_probability_that_is_no_number_is_not_inspected() -> None:
    assert decide(SHARP, prediction(math.nan), POLICY).outcome is Outcome.NOT_INSPECTED


def test_a_mismatch_names_the_variant_that_was_expected() -> None:
    wrong = Prediction("left", (0.1, 0.9), 0.9, (0.0, 0.0), expected="right")
    assert decide(SHARP, wrong, POLICY).reasons[0].startswith("like variant left, expected right: ")


@given(probability=probabilities, limits=st.tuples(probabilities, probabilities))
def test_a_tighter_pass_limit_never_raises_escapes(probability: float, limits: tuple[float, float]) -> None:
    tight, loose = (Policy(pass_below=limit, reject_above=1) for limit in sorted(limits))
    if outcome(probability, tight) is Outcome.PASS:
        assert outcome(probability, loose) is Outcome.PASS


@pytest.mark.parametrize(
    ("quality", "novelty", "reasons"),
    [
        (BLURRED, None, ("focus 0.0 below 1",)),
        (SHARP, 0.95, ("unlike all that is known: novelty 0.9500 reaches 0.9500",)),
    ],
)
def test_a_doubtful_part_keeps_probability_and_class_for_who_reviews_it(
    quality: Quality, novelty: float | None, reasons: tuple[str, ...]
) -> None:
    """At the limit of novelty itself, too."""
    said = Prediction("scratch", (0.7, 0.3), 0.3, (0.0, 0.0), novelty=novelty)
    policy = Policy(pass_below=0.2, reject_above=0.8, review_novelty=0.95)
    assert decide(quality, said, policy) == Verdict(Outcome.REVIEW, reasons, 0.3, "scratch")


def test_each_verdict_is_told_whole() -> None:
    between = "defect probability 0.3000 between 0.2000 and 0.8000"
    assert decide(SHARP, prediction(0.3), POLICY) == Verdict(Outcome.REVIEW, (between,), 0.3, "scratch")
    reaches = "defect probability 0.9000 reaches reject limit 0.8000"
    assert decide(SHARP, prediction(0.9), POLICY) == Verdict(Outcome.REJECT, (reaches,), 0.9, "scratch")
    assert decide(SHARP, prediction(0.1), POLICY) == Verdict(Outcome.PASS, (), 0.1, "scratch")
    by_p_value = Policy(pass_below=1, reject_above=1, review_p_value=0.05)
    without = decide(SHARP, prediction(0.3), by_p_value)
    assert without.reasons == ("the policy goes by a p-value, and the network has none",)


def test_of_views_as_defective_the_one_with_a_name_is_told() -> None:
    nameless, named = (Verdict(Outcome.REJECT, ("why",), 0.9, label) for label in (None, "S"))
    assert combine([nameless, named]).label == combine([named, nameless]).label == "S"
