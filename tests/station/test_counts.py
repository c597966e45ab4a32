"""Parts are counted once, under a kind of reason that is known, whatever the text."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from inspector.quality import QualityLimits
from inspector.values import Outcome, Prediction, Quality, Verdict
from inspector.verdict import Policy, decide, not_inspected
from station.counts import BOUNDS_S, REASONS, Counting, reason_kind
from station.views import merge_views

FIT = Quality(focus=100, brightness=128, dark_share=0, saturated_share=0)
SURE = Prediction(label="dark", class_probabilities=(0.1, 0.9), defect_probability=0.9, scores=(0.0, 1.0))
POLICY = Policy(pass_below=0.2, reject_above=0.8, review_p_value=None)


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        (decide(FIT, replace(SURE, defect_probability=0.1), POLICY), "none"),
        (decide(FIT, SURE, POLICY), "defect"),
        (decide(FIT, replace(SURE, expected="left"), POLICY), "defect"),
        (decide(FIT, replace(SURE, defect_probability=0.5), POLICY), "doubtful"),
        (decide(FIT, replace(SURE, novelty=1.0), POLICY), "novelty"),
        (decide(FIT, replace(SURE, p_value=0.001), POLICY.model_copy(update={"review_p_value": 0.01})), "novelty"),
        (decide(FIT, replace(SURE, defect_probability=math.nan), POLICY), "runtime"),
        (decide(replace(FIT, faults=(f"focus 0.1 below {QualityLimits().min_focus:g}",)), SURE, POLICY), "picture"),
        (decide(replace(FIT, faults=("frozen: 9 identical frames",)), SURE, POLICY), "picture"),
        (Verdict(Outcome.REJECT, ("dent: area 9 mm2, above 4",)), "rule"),
        (Verdict(Outcome.REVIEW, ("safe mode: drift of light since part 7",)), "drift"),
        (not_inspected("deadline of 500 ms passed: no exposure (camera: opening)"), "deadline"),
        (not_inspected("overload: 16 parts wait for camera-1, and more cannot be inspected in time"), "overload"),
        (not_inspected("no exposure within 500 ms of the trigger (camera: well)"), "no_exposure"),
        (not_inspected("no picture: corrupt"), "no_picture"),
        (not_inspected("vision process 7 died (signal 9)"), "vision"),
        (not_inspected("ledger: the disk is full"), "ledger"),
        (not_inspected("trigger missed: 2 before count 9 never came"), "trigger"),
        (not_inspected("station stopped before the verdict"), "stopped"),
        (merge_views(("a", "b"), {"a": "no picture: corrupt", "b": "no picture: corrupt"}).verdict, "no_picture"),
        (not_inspected("something new"), "other"),
    ],
)
def test_a_reason_is_counted_by_its_kind(verdict: Verdict, kind: str) -> None:
    assert reason_kind(verdict) == kind
    assert kind in REASONS


def test_every_part_is_in_one_class_of_latency_and_in_one_of_reasons() -> None:
    counting = Counting()
    for latency_ms in (0.5, 1.0, 1.1, 10_000):
        counting.add(not_inspected("overload: 3"), latency_ms)
    counts = counting.counts()
    assert counts.parts == {(Outcome.NOT_INSPECTED, "overload"): 4}
    assert counts.latencies[0] == 2, "a bound belongs to the class below it"
    assert (counts.latencies[1], counts.latencies[-1], len(counts.latencies)) == (1, 1, len(BOUNDS_S) + 1)
    assert counts.latency_sum_s == pytest.approx(10.0026)


def test_what_was_handed_over_does_not_change_afterwards() -> None:
    counting = Counting()
    before = counting.counts()
    counting.add(Verdict(Outcome.PASS), 1.0)
    assert before.parts == {}
    assert sum(before.latencies) == 0
