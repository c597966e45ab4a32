from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import RecipeError
from inspector.recipe import load_recipe
from inspector.rules import Rule, apply_rules
from inspector.values import Finding, Outcome, Quality, Verdict

SHARP = Quality(focus=100.0, brightness=120.0, dark_share=0.0, saturated_share=0.0)
BLURRED = Quality(focus=1.0, brightness=120.0, dark_share=0.0, saturated_share=0.0, faults=("blurred",))
PASSED = Verdict(Outcome.PASS, (), 0.1, "good")


def finding(label: str = "scratch", longest: float | None = 50.0, probability: float = 0.9) -> Finding:
    return Finding(label, probability, 0, 0, 30, 40, area_px=None if longest is None else 200.0, longest_px=longest)


def rule(measure: str = "longest_mm", above: float = 2.0, **fields: Any) -> Rule:
    return Rule.model_validate({"measure": measure, "above": above, **fields})


def judged(*rules: Rule, findings: tuple[Finding, ...] = (finding(),), verdict: Verdict = PASSED) -> Verdict:
    return apply_rules(verdict, SHARP, findings, rules, mm_per_px=0.05)


def test_a_scratch_longer_than_2_mm_is_rejected_and_one_of_2_mm_is_not() -> None:
    rejected = judged(rule(label="scratch"))
    assert rejected.outcome is Outcome.REJECT
    assert rejected.reasons == ("scratch: longest 2.5 mm, above 2",)
    assert judged(rule(label="scratch"), findings=(finding(longest=40.0),)) == PASSED


@pytest.mark.parametrize(
    ("measure", "below", "above"),
    [
        ("longest_px", 50, 49.9),
        ("longest_mm", 2.5, 2.49),
        ("area_px", 200, 199),
        ("area_mm2", 0.501, 0.49),
        ("total_area_px", 400, 399),
        ("total_area_mm2", 1.001, 0.99),
        ("count", 2, 1),
    ],
)
def test_each_measure_is_in_its_unit(measure: str, below: float, above: float) -> None:
    two = (finding(), finding("pit"))
    assert judged(rule(measure, below), findings=two).outcome is Outcome.PASS
    assert judged(rule(measure, above), findings=two).outcome is Outcome.REJECT


def test_other_kinds_and_improbable_findings_do_not_count() -> None:
    assert judged(rule(label="pit")) == PASSED
    assert judged(rule(least_probability=0.95)) == PASSED


def test_a_box_without_a_mask_counts_with_its_diagonal() -> None:
    assert judged(rule("longest_px", 49.9), findings=(finding(longest=None),)).outcome is Outcome.REJECT
    assert judged(rule("area_px", 1199), findings=(finding(longest=None),)).outcome is Outcome.REJECT
    assert judged(rule("longest_px", 50.1), findings=(finding(longest=None),)).outcome is Outcome.PASS


def test_the_strictest_rule_wins_and_says_why() -> None:
    both = judged(rule("count", 0, then="REVIEW"), rule("area_px", 100))
    assert (both.outcome, len(both.reasons)) == (Outcome.REJECT, 1)
    assert both.reasons[0].startswith("finding: area 200 px")


def test_a_rejected_part_keeps_its_reason_and_gets_the_rules() -> None:
    rejected = Verdict(Outcome.REJECT, ("probability",), 0.99, "scratch")
    assert judged(rule(), verdict=rejected).reasons == ("probability", "finding: longest 2.5 mm, above 2")


def test_a_picture_unfit_to_be_judged_is_never_rejected_by_a_rule() -> None:
    review = Verdict(Outcome.REVIEW, ("blurred",), 0.1, "good")
    assert apply_rules(review, BLURRED, (finding(),), (rule(),), 0.05) == review


@given(
    st.lists(st.floats(0, 200), max_size=4),
    st.lists(st.tuples(st.sampled_from(["longest_px", "area_px", "count"]), st.floats(0, 200)), max_size=4),
    st.sampled_from([Outcome.PASS, Outcome.REVIEW, Outcome.REJECT]),
)
def test_rules_never_make_a_verdict_milder(
    lengths: list[float], demands: list[tuple[str, float]], outcome: Outcome
) -> None:
    order = (Outcome.PASS, Outcome.REVIEW, Outcome.REJECT)
    rules = [rule(measure, above) for measure, above in demands]
    after = apply_rules(Verdict(outcome), SHARP, [finding(longest=length) for length in lengths], rules, None)
    assert order.index(after.outcome) >= order.index(outcome)


def test_millimetres_without_a_scale_are_refused_when_the_recipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lid.toml"
    path.write_text('[[rules]]\nlabel = "scratch"\nmeasure = "longest_mm"\nabove = 2.0\n')
    with pytest.raises(RecipeError, match="mm_per_px"):
        load_recipe(path)
    path.write_text('mm_per_px = 0.05\n[[rules]]\nlabel = "scratch"\nmeasure = "longest_mm"\nabove = 2.0\n')
    assert load_recipe(path).rules == (rule(label="scratch"),)


def test_an_unknown_measure_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lid.toml"
    path.write_text('[[rules]]\nmeasure = "volume"\nabove = 2.0\n')
    with pytest.raises(RecipeError, match=r"rules.*measure"):
        load_recipe(path)
