"""The gate's decision on simulated scores: worse is refused, equal passes, and what cannot be compared is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from inspector.bundle import Parity
from inspector.gate_settings import GateSettings
from inspector.values import Outcome
from training.gate import decision
from training.gate.evidence import GateReport, Said, Side, Subject

PARITY = Parity(n=1, float_max_difference=0, float_flips=0, int8_max_difference=0, int8_flips=0)
COUNTS = {"good": 300, "scratch": 200, "stain": 200}
SUBJECT = Subject(
    candidate="c" * 64,
    serving="s" * 64,
    precision="cpu-int8",
    dataset="made",
    dataset_hash="0" * 64,
    split="test",
    settings=GateSettings(),
    runtime="onnxruntime",
    made_at=datetime(2026, 1, 2, tzinfo=UTC),
)
SOUND = {"good": 0.02, "scratch": 0.02, "stain": 0.02}
"""How often a bundle goes wrong on parts of a label."""


def side(name: str, wrong: Mapping[str, float], seed: int, seconds: float = 0.01) -> Side:
    """A bundle of calibrated scores: it says 0.02 or 0.98, and is wrong as often as it should be."""
    rng = np.random.default_rng(seed)
    said = []
    for label, count in COUNTS.items():
        for number in range(count):
            is_defect = label != "good"
            high = is_defect != (rng.random() < wrong[label])
            outcome = Outcome.REJECT if high else Outcome.PASS
            part = f"{label}-{number}.png"
            said.append(Said(part, part, label, is_defect, outcome, 0.98 if high else 0.02, seconds))
    return Side(name * 64, tuple(said), tuple(COUNTS), ("good",), PARITY, False, "not certified")


SERVING = side("s", SOUND, 0)


def decide(candidate: Side, serving: Side) -> GateReport:
    """Few draws for the calibration's interval: they take most of the time."""
    return decision.decide(candidate, serving, SUBJECT, draws=40)


def changed(one: Side, number: int, **fields: object) -> Side:
    said = list(one.said)
    said[number] = replace(said[number], **fields)  # type: ignore[arg-type]
    return replace(one, said=tuple(said))


def refusal(candidate: Side, serving: Side = SERVING) -> GateReport:
    report = decide(candidate, serving)
    assert report.outcome == "refused"
    return report


def test_an_equal_candidate_passes_in_eighteen_of_twenty_tries() -> None:
    reports = [decide(side("c", SOUND, 100 + seed), side("s", SOUND, 200 + seed)) for seed in range(20)]
    assert sum(report.outcome == "candidate" for report in reports) >= 18


def test_a_candidate_that_lost_one_class_is_refused_in_twenty_of_twenty_tries() -> None:
    for seed in range(20):
        report = refusal(side("c", {**SOUND, "stain": 0.5}, 100 + seed), side("s", SOUND, 200 + seed))
        assert any(reason.startswith("not shown: stain passed") for reason in report.reasons)


@pytest.mark.parametrize(
    ("wrong", "test"),
    [({"good": 0.3}, "good rejected"), ({"scratch": 0.2, "stain": 0.2}, "any defect passed")],
    ids=str,
)
def test_what_got_worse_is_named(wrong: Mapping[str, float], test: str) -> None:
    report = refusal(side("c", {**SOUND, **wrong}, 1))
    assert next(one for one in report.tests if one.name == test).shown is False
    assert any(test in reason for reason in report.reasons)


def test_review_of_good_parts_is_no_way_around_the_gate() -> None:
    said = tuple(one if one.is_defect else replace(one, outcome=Outcome.REVIEW) for one in SERVING.said)
    report = refusal(replace(SERVING, bundle_id="c" * 64, said=said))
    assert [reason.partition(":")[2].strip()[:14] for reason in report.reasons] == ["good to review"]


def test_a_class_that_the_serving_bundle_never_caught_is_gained() -> None:
    blind = side("s", {**SOUND, "stain": 1.0}, 3)
    report = decide(side("c", SOUND, 4), blind)
    stain = next(one for one in report.tests if one.name == "stain passed")
    assert stain.gained > 180
    assert stain.shown


def test_too_few_parts_are_refused_with_the_number_that_would_do() -> None:
    few = [number for number, one in enumerate(SERVING.said) if one.label != "stain" or number % 20 == 0]
    serving = replace(SERVING, said=tuple(SERVING.said[number] for number in few))
    report = refusal(replace(serving, bundle_id="c" * 64), serving)
    assert [reason for reason in report.reasons if "stain" in reason] == [
        "not shown: stain passed: 0 lost, 0 gained of 10 groups; at most 26.0 % more, margin 10 %; "
        "at least 29 groups are needed"
    ]


def test_a_group_counts_once_by_its_worst_part() -> None:
    def grouped(one: Side) -> Side:
        return replace(one, said=tuple(replace(part, group=part.label) for part in one.said))

    report = refusal(grouped(side("c", SOUND, 1)), grouped(SERVING))
    assert [test.n for test in report.tests] == [2, 1, 1, 2, 1, 1]


@pytest.mark.parametrize("probability", [math.nan, None], ids=str)
def test_a_part_that_the_candidate_does_not_judge_refuses_it(probability: float | None) -> None:
    candidate = changed(side("c", SOUND, 1), 3, probability=probability, outcome=Outcome.NOT_INSPECTED)
    assert any("did not judge 1 of 700 parts, as good-3.png" in reason for reason in refusal(candidate).reasons)


def test_sides_of_other_parts_or_labels_are_not_compared() -> None:
    candidate = side("c", SOUND, 1)
    for other in (changed(candidate, 0, part="else.png"), replace(candidate, said=candidate.said[1:])):
        report = refusal(other)
        assert report.tests == ()
        assert "the two sides are not of the same parts with the same labels" in report.reasons


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"bundle_id": "s" * 64}, "is the serving bundle"),
        ({"good": ("fine",)}, "good means fine to the candidate and good to the serving bundle"),
        ({"classes": ("good", "stain")}, "does not know scratch"),
        ({"self_test": "7.png: PASS at 0.1"}, "golden self-test: 7.png"),
    ],
    ids=str,
)
def test_a_candidate_that_is_unfit_is_refused_by_name(fields: dict[str, object], reason: str) -> None:
    candidate = replace(side("c", SOUND, 1), **fields)  # type: ignore[arg-type]
    assert any(reason in found for found in refusal(candidate).reasons)


def test_a_certified_bundle_gives_way_to_a_certified_one_only() -> None:
    serving, candidate = replace(SERVING, certified=True), side("c", SOUND, 1)
    assert any("the serving bundle is certified" in reason for reason in refusal(candidate, serving).reasons)
    assert decide(replace(candidate, certified=True), serving).outcome == "candidate"


def test_a_slow_candidate_is_refused() -> None:
    assert any("latency: 2.00 times" in reason for reason in refusal(side("c", SOUND, 1, seconds=0.02)).reasons)


def test_a_candidate_whose_probabilities_lie_is_refused() -> None:
    candidate = side("c", SOUND, 1)
    said = tuple(replace(one, probability=0.5 + 0.1 * (one.probability or 0)) for one in candidate.said)
    assert any("calibration: ECE" in reason for reason in refusal(replace(candidate, said=said)).reasons)


def test_parts_of_one_kind_prove_nothing() -> None:
    def only_good(one: Side) -> Side:
        return replace(one, said=tuple(part for part in one.said if not part.is_defect))

    reasons = refusal(only_good(side("c", SOUND, 1)), only_good(SERVING)).reasons
    assert any("any defect passed: no such part" in reason for reason in reasons)
    assert any("calibration: undefined" in reason for reason in reasons)


def test_flips_are_listed_those_for_the_worse_first() -> None:
    report = decide(side("c", SOUND, 1), SERVING)
    assert [flip.worse for flip in report.flips] == sorted((flip.worse for flip in report.flips), reverse=True)
    assert {(flip.serving, flip.candidate) for flip in report.flips} == {("PASS", "REJECT"), ("REJECT", "PASS")}


def test_a_report_is_read_back_as_it_was_written() -> None:
    report = refusal(side("c", {**SOUND, "stain": 0.5}, 1))
    assert GateReport.model_validate_json(report.model_dump_json()) == report


def test_a_candidate_that_is_worse_on_what_the_line_mostly_makes_is_refused() -> None:
    heavy = [replace(one, weight=50.0 if one.part in ("good-0.png", "good-1.png") else 1.0) for one in SERVING.said]
    serving = replace(SERVING, said=tuple(heavy))
    candidate = replace(serving, bundle_id="c" * 64)
    assert decide(candidate, serving).outcome == "candidate"
    for number in (0, 1):
        candidate = changed(candidate, number, outcome=Outcome.REJECT)
        serving = changed(serving, number, outcome=Outcome.PASS)
    reasons = refusal(candidate, serving).reasons
    assert [reason.partition(";")[0] for reason in reasons] == [
        "not shown: good rejected: 2 lost, 0 gained of 300 groups"
    ]
    assert "weighed as the line makes them, +25.1 %" in reasons[0]


def test_parts_that_weigh_the_same_have_no_weighed_share() -> None:
    assert {test.weighed for test in decide(side("c", SOUND, 1), SERVING).tests} == {None}


def test_review_of_defective_parts_is_no_way_around_the_gate_either() -> None:
    said = [
        replace(one, outcome=Outcome.REVIEW) if one.label == "stain" and one.outcome is Outcome.REJECT else one
        for one in SERVING.said
    ]
    report = refusal(replace(SERVING, bundle_id="c" * 64, said=tuple(said)))
    assert [reason.partition(":")[2].partition(":")[0] for reason in report.reasons] == [" defective to review"]
