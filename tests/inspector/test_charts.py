"""p' charts: Laney's limits, run rules, and a limit whose false alarms are counted exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta, binom

from inspector.charts import RULES, broken_rule, fit_chart
from inspector.martingale import ReferenceFault
from inspector.risk import Rate

COUNTS = [4, 6, 3, 5, 7, 2, 5, 4, 6, 8, 3, 5, 4, 6, 5, 4, 7, 3, 5, 6, 4, 5, 2, 6, 5]


def test_centre_and_sigma_are_those_of_laney() -> None:
    """Laney 2002, step by step with numpy."""
    shares = np.array(COUNTS) / 200
    p = shares.mean()
    binomial = math.sqrt(p * (1 - p) / 200)
    sigma_z = np.abs(np.diff((shares - p) / binomial)).mean() / 1.128
    chart = fit_chart(COUNTS, 200, 1e-6)
    assert chart.centre == pytest.approx(p)
    assert chart.sigma == pytest.approx(binomial * sigma_z)
    assert chart.z(10) == pytest.approx((10 / 200 - p) / (binomial * sigma_z))
    assert chart.margin == pytest.approx(2 / math.sqrt(25))


@pytest.mark.parametrize("p", [0.0, 0.005, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("risk", [1e-3, 1e-7])
def test_the_alarm_limit_holds_at_the_worst_rate_that_learning_allows_for(p: float, risk: float) -> None:
    counts = np.random.default_rng(4).binomial(200, p, 25).tolist()
    chart = fit_chart(counts, 200, risk)
    learnt = Rate(sum(counts), 5000)
    assert binom.sf(chart.alarm_above - 1, 200, learnt.upper(0.9999)) <= risk / 2
    assert binom.cdf(chart.alarm_below, 200, learnt.lower(0.9999)) <= risk / 2
    assert not any(chart.alarms(count) for count in counts)
    assert chart.alarms(chart.alarm_above)
    assert not chart.alarms(chart.alarm_above - 1)
    assert not chart.alarms(chart.alarm_below + 1)
    assert chart.alarm_below < 0 or chart.alarms(chart.alarm_below)


def test_the_alarm_limit_is_no_wider_than_it_must_be() -> None:
    even = [5, 5, 5, 5] * 6
    chart = fit_chart(even, 200, 1e-6)
    worst = Rate(sum(even), 200 * len(even)).upper(0.9999)
    assert binom.sf(chart.alarm_above - 2, 200, worst) > 0.5e-6


@pytest.mark.parametrize("subgroup", [20, 200, 1000])
@pytest.mark.parametrize("p", [0.0, 0.004, 0.1, 0.5, 0.93, 1.0])
def test_alarm_limits_are_those_of_clopper_and_pearson_and_the_binomial(subgroup: int, p: float) -> None:
    counts = [round(p * subgroup)] * 25  # Their spread is 1.
    chart = fit_chart(counts, subgroup, 1e-6)
    n, seen = 25 * subgroup, sum(counts)
    highest = beta.ppf(0.9999, seen + 1, n - seen) if seen < n else 1.0
    lowest = beta.ppf(0.0001, seen, n - seen + 1) if seen else 0.0
    above = next(k for k in range(subgroup + 2) if binom.sf(k - 1, subgroup, highest) <= 0.5e-6)
    below = next(k for k in range(subgroup, -2, -1) if binom.cdf(k, subgroup, lowest) <= 0.5e-6)
    assert (chart.alarm_above, chart.alarm_below) == (above, below)


def test_subgroups_that_vary_more_widen_the_alarm_limit() -> None:
    wild = [0, 10] * 12
    assert fit_chart(wild, 200, 1e-6).alarm_above > fit_chart([5] * 24, 200, 1e-6).alarm_above


def test_no_event_at_all_has_no_sigma_and_still_a_limit() -> None:
    chart = fit_chart([0] * 25, 200, 1e-6)
    assert (chart.sigma, chart.z(3), chart.alarm_below) == (0.0, 0.0, -1)
    assert chart.alarms(20)
    assert not chart.alarms(0)


def test_a_rate_of_one_alarms_when_it_falls() -> None:
    chart = fit_chart([200] * 25, 200, 1e-6)
    assert chart.alarms(180)
    assert not chart.alarms(200)


@pytest.mark.parametrize(
    ("counts", "subgroup", "said"),
    [
        ([3], 200, "at least two subgroups of parts, got 1"),
        ([1, 2], 0, "at least two subgroups"),
        ([3, 201], 200, "a subgroup of 200 parts cannot have 3 to 201 events"),
        ([-1, 2], 200, "cannot have -1 to 2 events"),
    ],
)
def test_counts_that_no_subgroup_has_are_refused(counts: list[int], subgroup: int, said: str) -> None:
    with pytest.raises(ReferenceFault, match=said):
        fit_chart(counts, subgroup, 1e-6)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("points", "rule"),
    [
        ([0.1, -0.2, 3.1], "one point beyond 3 sigma"),
        ([2.1, 0.0, 2.1], "2 of 3 points beyond 2 sigma"),
        ([1.1, 1.1, 0.0, 1.1, 1.1], "4 of 5 points beyond 1 sigma"),
        ([0.5] * 8, "8 points on one side"),
        ([2.1, 0.0, 0.0, 2.1], None),
        ([2.1, -2.1], None),
        ([1.1, 1.1, 0.0, 0.0, 1.1, 1.1], None),
        ([0.5] * 7, None),
        ([0.5] * 7 + [-0.5], None),
        ([3.0], None),
        ([2.0, 2.0], None),
        ([1.0] * 5, None),
        ([0.0] * 8, None),
        ([], None),
    ],
)
def test_run_rules_are_the_western_electric_ones(points: list[float], rule: str | None, side: int) -> None:
    assert broken_rule([side * point for point in points]) == rule


def test_a_margin_of_the_centre_counts_for_every_rule() -> None:
    assert broken_rule([3.3], margin=0.4) is None
    assert broken_rule([3.5], margin=0.4) == "one point beyond 3 sigma"
    assert broken_rule([0.3] * 8, margin=0.4) is None


def test_a_greater_point_never_keeps_a_rule_that_a_smaller_one_breaks() -> None:
    rng = np.random.default_rng(8)
    for _ in range(300):
        points = np.abs(rng.normal(0, 1.5, 8))
        if broken_rule(points.tolist()) is not None:
            assert broken_rule((points + 0.5).tolist()) is not None


def test_run_rules_call_about_once_in_ninety_points_of_a_known_process() -> None:
    """Champ and Woodall, Technometrics 29, 1987: average run length 91.75 of all four rules."""
    rng = np.random.default_rng(1)
    lengths = []
    for _ in range(300):
        seen: list[float] = []
        while broken_rule(seen[-8:]) is None:
            seen.append(float(rng.normal()))
        lengths.append(len(seen))
    assert np.mean(lengths) == pytest.approx(91.75, rel=0.15)
    assert len(RULES) == 4
