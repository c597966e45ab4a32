"""Evidence of change: bets that pay no more than they should, and limits that hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from inspector.martingale import (
    LEAST_REFERENCE,
    SLOPES,
    Detector,
    ReferenceFault,
    greatest_mean,
    normal_scores,
    payments,
    require_reference,
)

LIMIT = 1e6


def reference(n: int = 500, seed: int = 0) -> list[float]:
    return sorted(np.random.default_rng(seed).normal(size=n).tolist())


def parts_to_alarm(detector: Detector, values: np.ndarray) -> int | None:
    return next((place + 1 for place, value in enumerate(values.tolist()) if detector.update(value)), None)


def test_normal_scores_are_those_of_scipy() -> None:
    n = 137
    assert np.allclose(normal_scores(n), norm.ppf((np.arange(n + 1) + 0.5) / (n + 1)), atol=1e-12)


@pytest.mark.parametrize("n", [60, 200, 1000])
def test_a_bet_pays_one_at_most_but_for_rare_references(n: int) -> None:
    """Simulated Dirichlet weights are an oracle of the bound: it is exceeded no more often than it says."""
    draws = np.random.default_rng(n).dirichlet(np.ones(n + 1), 4000)
    for slope in SLOPES:
        paid = np.exp(slope * np.array(normal_scores(n)))
        assert np.mean(draws @ paid > greatest_mean(paid, risk=0.01)) <= 0.01
        assert greatest_mean(paid, risk=0.01) < 1.15 * np.quantile(draws @ paid, 0.9999)


def test_a_smaller_risk_gives_a_greater_bound() -> None:
    paid = np.exp(np.array(normal_scores(100)))
    assert paid.mean() < greatest_mean(paid, 0.1) < greatest_mean(paid, 1e-4) < paid.max()


def slow_greatest_mean(values: np.ndarray, risk: float) -> float:
    """The bound by bisection alone, on b and on t: an oracle, some 900 passes through the values."""

    def exponent(excess: np.ndarray) -> float:
        low, high = 0.0, 1.0 / float(excess.max())
        for _ in range(30):
            middle = (low + high) / 2
            rising = float(np.sum(excess / (1 - middle * excess))) < 0
            low, high = (middle, high) if rising else (low, middle)
        return float(np.sum(np.log1p(-low * excess)))

    low, high = float(values.mean()), float(values.max())
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if exponent(values - middle) < -math.log(risk) else (low, middle)
    return high


@pytest.mark.parametrize("n", [60, 250, 2000])
def test_the_bound_is_that_of_bisection_to_the_last_digit(n: int) -> None:
    for slope in SLOPES:
        paid = np.exp(slope * np.array(normal_scores(n)))
        assert greatest_mean(paid) == slow_greatest_mean(paid, 1e-4)


def test_falls_pay_as_rises_do_on_the_other_side() -> None:
    rises, falls = payments(80)
    assert len(rises) == len(falls) == 81
    assert falls[3] == rises[77]
    assert rises[80][0] > 1 > rises[0][0]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0] * (LEAST_REFERENCE - 1), f"too few reference parts: {LEAST_REFERENCE - 1}, expected at least 60"),
        ([1.0] * LEAST_REFERENCE, "constant reference: all 60 parts have 1"),
        ([*range(80), math.nan], "reference holds a value that is no finite number"),
        ([*range(80), math.inf], "reference holds a value that is no finite number"),
    ],
)
def test_a_reference_that_says_nothing_is_refused(values: list[float], said: str) -> None:
    with pytest.raises(ReferenceFault, match=said):
        require_reference(values)


def test_a_constant_reference_may_be_allowed() -> None:
    assert require_reference([2.0] * 60, may_be_constant=True) == [2.0] * 60


def test_a_value_off_a_constant_reference_is_noticed() -> None:
    detector = Detector([0.0] * 500, LIMIT)
    assert parts_to_alarm(detector, np.zeros(1000)) is None
    assert parts_to_alarm(detector, np.full(20, 0.01)) is not None
    assert detector.rose


@pytest.mark.parametrize(("shift", "within"), [(0.5, 1200), (1.0, 150), (-1.0, 150), (3.0, 15)])
def test_a_shift_is_noticed_with_its_direction_and_its_beginning(shift: float, within: int) -> None:
    rng = np.random.default_rng(5)
    detector = Detector(reference(2000), LIMIT)
    assert parts_to_alarm(detector, rng.normal(size=2000)) is None
    delay = parts_to_alarm(detector, rng.normal(shift, 1, size=5000))
    assert delay is not None
    assert delay <= within
    assert detector.rose == (shift > 0)
    assert abs(detector.since - 2000) <= max(10, 0.5 * delay)
    assert detector.after == pytest.approx(shift, abs=0.8)


def test_false_alarms_keep_their_limit() -> None:
    """At a limit of 2,000 steps at most a tenth of the runs of 200 may alarm, however small the reference."""
    rng = np.random.default_rng(11)
    alarms = sum(
        parts_to_alarm(Detector(sorted(rng.normal(size=60).tolist()), 2000), rng.normal(size=200)) is not None
        for _ in range(300)
    )
    assert alarms <= 30


@given(st.lists(st.floats(-1e6, 1e6), min_size=60, max_size=90, unique=True), st.data())
@settings(max_examples=40, deadline=None)
def test_only_ranks_count(values: list[float], data: st.DataObject) -> None:
    """An increasing function of all figures changes nothing: no assumption about the distribution is made."""
    seen = data.draw(st.lists(st.sampled_from(values), min_size=1, max_size=30))
    plain, cubed = Detector(sorted(values), LIMIT), Detector(sorted(range(len(values))), LIMIT)
    place = {value: rank for rank, value in enumerate(sorted(values))}
    for value in seen:
        assert plain.update(value) == cubed.update(place[value])
    assert plain.stakes == cubed.stakes


def test_a_detector_goes_on_from_what_it_was() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0.2, 1, size=400).tolist()
    whole, first = Detector(reference(), LIMIT), Detector(reference(), LIMIT)
    for value in values[:200]:
        whole.update(value)
        first.update(value)
    second = Detector(reference(), LIMIT, first.stakes, first.steps, first.halfway, first.sum_after)
    for value in values[200:]:
        assert whole.update(value) == second.update(value)
    assert (whole.stakes, whole.steps, whole.since) == (second.stakes, second.steps, second.since)


def test_strength_goes_from_none_to_the_whole() -> None:
    detector = Detector(reference(), LIMIT)
    assert detector.stakes == (0.0,) * 2 * len(SLOPES)
    assert detector.strength == 0.0
    before = 0.0
    while not detector.update(9.0):
        assert before < detector.strength < 1
        before = detector.strength
    assert detector.strength == 1.0


def test_nothing_began_before_the_first_step() -> None:
    detector = Detector(reference(), LIMIT)
    while not detector.update(9.0):
        continue
    assert 0 <= detector.since <= 2
