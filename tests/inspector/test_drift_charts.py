"""One figure, one rate: learning, watching, alarmed, and back from a restart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inspector.charts import SUBGROUPS_LEARNT, fit_chart
from inspector.drift_charts import (
    Change,
    FigureChart,
    FigureState,
    NoNumber,
    RateChart,
    RateState,
    RuleBroken,
    Unfit,
)

LIMIT = 1e7


def normal(n: int, seed: int = 0, mean: float = 0.0) -> list[float]:
    return np.random.default_rng(seed).normal(mean, 1, n).tolist()


def correlated(n: int, memory: float, seed: int = 0) -> list[float]:
    noise = np.random.default_rng(seed).normal(size=n)
    values = [0.0]
    for each in noise[1:].tolist():
        values.append(memory * values[-1] + each)
    return values


def take(chart: FigureChart, value: float, part: int) -> object:
    """Take a value, and end the learning with the last one needed."""
    told: object = chart.note(value, part)
    while told is None and chart.learnt_all:
        told = chart.work_off(part)
    return told


def fed(chart: FigureChart, values: list[float], start: int = 0) -> list[object]:
    taken = (take(chart, value, start + place + 1) for place, value in enumerate(values))
    return [told for told in taken if told is not None]


def watching() -> FigureChart:
    chart = FigureChart(500, LIMIT, may_be_constant=False)
    assert fed(chart, normal(500)) == []
    return chart


def test_a_figure_learns_and_then_watches() -> None:
    chart = FigureChart(500, LIMIT, may_be_constant=False)
    assert fed(chart, normal(499)) == []
    assert chart.learning
    assert chart.strength == 0.0
    take(chart, 0.0, 500)
    assert not chart.learning
    assert chart.usual == chart.level == pytest.approx(np.mean([*normal(499), 0.0]))


def test_a_change_is_told_once_with_levels_and_beginning() -> None:
    chart = watching()
    assert fed(chart, normal(1000, seed=1), 500) == []
    told = fed(chart, normal(400, seed=2, mean=2.0), 1500)
    assert len(told) == 1
    assert isinstance(told[0], Change)
    assert told[0].rose
    assert told[0].before == chart.usual
    assert told[0].now == pytest.approx(2.0, abs=0.5)
    assert 1480 <= told[0].since_part <= 1530
    assert chart.alarmed
    assert chart.strength == 1.0
    assert chart.level == pytest.approx(2.0, abs=0.5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("learnt", [0, 600])
def test_no_number_is_told_once_and_never_raises(value: float, learnt: int) -> None:
    chart = FigureChart(500, LIMIT, may_be_constant=False)
    fed(chart, normal(learnt))
    told = fed(chart, [value, value, 0.0])
    assert len(told) == 1
    assert isinstance(told[0], NoNumber)
    assert chart.alarmed
    assert math.isfinite(chart.level)


def test_a_constant_figure_cannot_teach_and_says_so_once() -> None:
    chart = FigureChart(100, LIMIT, may_be_constant=False)
    told = fed(chart, [7.0] * 250)
    assert told == [Unfit("constant reference: all 100 parts have 7")]
    assert chart.learning
    assert chart.state().unfit
    assert fed(FigureChart(100, LIMIT, False, chart.state()), [7.0] * 250) == []
    assert fed(chart, normal(150)) == []
    assert not chart.learning


def test_a_figure_that_learns_again_from_what_waited_takes_no_more_than_it_needs() -> None:
    chart = FigureChart(100, LIMIT, may_be_constant=False)
    for part in range(303):
        chart.note(7.0, part)
    while chart.behind:
        chart.work_off(303)
    assert chart.learning
    assert chart.state().learnt == (7.0,) * 3


def test_a_constant_figure_that_may_be_is_watched() -> None:
    chart = FigureChart(100, LIMIT, may_be_constant=True)
    assert fed(chart, [0.0] * 200) == []
    told = fed(chart, [0.1] * 30, 200)
    assert isinstance(told[0], Change)
    assert told[0].rose


def test_parts_that_hang_together_are_watched_in_blocks() -> None:
    chart = FigureChart(5000, LIMIT, may_be_constant=False)
    assert fed(chart, correlated(5000, 0.6)) == []
    state = chart.state()
    assert 15 <= state.block <= 30
    assert len(state.reference) == 5000 // state.block
    assert fed(chart, correlated(20_000, 0.6, seed=1), 5000) == []
    assert chart.state().block_count < state.block
    told = fed(chart, [value + 4 for value in correlated(3000, 0.6, seed=2)], 25_000)
    assert isinstance(told[0], Change)
    assert 24_800 <= told[0].since_part <= 25_200


@pytest.mark.parametrize("usual", [0.1, 0.3, 0.7])
def test_parts_that_are_mostly_alike_are_no_change_however_their_blocks_are_rounded(usual: float) -> None:
    """A sum of 21 times 0.3, over 21, is not 0.3: reference and watched blocks must be off by the same."""
    values = np.full(8000, usual)
    for start in np.flatnonzero(np.random.default_rng(0).random(len(values)) < 0.006):
        values[start : start + 4] = usual + 0.2
    chart = FigureChart(2000, 3e7, may_be_constant=True)
    assert fed(chart, values.tolist()) == []
    assert chart.state().block > 10


def test_a_change_seen_in_blocks_is_dated_in_parts() -> None:
    chart = FigureChart(5000, LIMIT, may_be_constant=False)
    fed(chart, correlated(5000, 0.6))
    block = chart.state().block
    part, told = 5000, None
    for value in correlated(20_000, 0.6, seed=4):
        part += 1
        if (told := take(chart, value + 0.8, part)) is not None:
            break
    assert isinstance(told, Change)
    assert (part - told.since_part) % block == 0
    assert part - told.since_part > 10 * block
    assert told.since_part < 5000 + 20 * block


def test_a_line_that_warms_up_while_learning_cannot_teach() -> None:
    chart = FigureChart(1000, LIMIT, may_be_constant=False)
    told = fed(chart, [value + place / 100 for place, value in enumerate(normal(1000))])
    assert isinstance(told[0], Unfit)
    assert "not steady while learning: parts hang together over" in told[0].why
    assert "expected learn_parts of at least" in told[0].why


@pytest.mark.parametrize("stop", [200, 500, 900, 2040])
def test_a_restart_forgets_nothing_of_a_figure(stop: int) -> None:
    values = [*normal(2000), *normal(100, seed=9, mean=3.0)]
    whole, first = FigureChart(500, LIMIT, False), FigureChart(500, LIMIT, False)
    expected = fed(whole, values)
    told = fed(first, values[:stop])
    state = FigureState.model_validate_json(first.state().model_dump_json())
    second = FigureChart(500, LIMIT, False, state)
    assert second.state() == first.state()
    assert [*told, *fed(second, values[stop:], stop)] == expected
    assert second.state() == whole.state()


def test_a_restart_within_a_block_forgets_nothing() -> None:
    values = correlated(4000, 0.5)
    whole, first = FigureChart(2000, LIMIT, False), FigureChart(2000, LIMIT, False)
    fed(whole, values)
    fed(first, values[:3003])
    assert first.state().block > 1
    second = FigureChart(2000, LIMIT, False, FigureState.model_validate_json(first.state().model_dump_json()))
    fed(second, values[3003:], 3003)
    assert second.state() == whole.state()


def subgroups(chart: RateChart, counts: list[int], subgroup: int = 50) -> list[object]:
    said, part = [], 0
    for count in counts:
        for place in range(subgroup):
            part += 1
            if (told := chart.take(place < count, part)) is not None:
                said.append(told)
    return said


EVEN = [4, 6, 5, 5, 4, 6, 5, 5, 4, 6] * 2 + [5, 4, 6, 5, 5]


def test_a_rate_learns_its_subgroups() -> None:
    chart = RateChart(50, 1e-6)
    assert subgroups(chart, EVEN[:-1]) == []
    assert chart.chart is None
    assert subgroups(chart, EVEN[-1:]) == []
    assert chart.chart is None
    assert chart.behind
    while chart.behind:
        chart.work_off()
    assert chart.chart is not None
    assert chart.chart.centre == pytest.approx(sum(EVEN) / (50 * SUBGROUPS_LEARNT))
    assert chart.rate == 5 / 50


@pytest.mark.parametrize("subgroup", [20, 21, 40, 200])
@pytest.mark.parametrize("share", [0, 0.1, 1])
def test_the_charts_of_both_rates_are_fitted_by_the_end_of_the_next_subgroup(subgroup: int, share: float) -> None:
    chart, pieces = RateChart(subgroup, 1e-6), 0
    subgroups(chart, [round(share * subgroup)] * SUBGROUPS_LEARNT, subgroup)
    while chart.behind:
        chart.work_off()
        pieces += 1
    assert 2 * pieces <= subgroup
    assert chart.chart == fit_chart([round(share * subgroup)] * SUBGROUPS_LEARNT, subgroup, 1e-6)


@pytest.mark.parametrize(("count", "rose"), [(40, True)])
def test_a_rate_that_changes_much_is_told_once(count: int, rose: bool) -> None:
    chart = RateChart(50, 1e-6)
    subgroups(chart, EVEN)
    told = subgroups(chart, [count, count])
    assert told == [Change(rose, chart.chart.centre, count / 50, 0)] if chart.chart else None
    assert chart.alarmed


def test_a_rate_that_falls_to_nothing_is_told() -> None:
    chart = RateChart(50, 1e-6)
    subgroups(chart, [45] * SUBGROUPS_LEARNT)
    (told,) = subgroups(chart, [0])
    assert isinstance(told, Change)
    assert not told.rose
    assert told.since_part == 0


def test_a_broken_rule_is_told_when_it_begins() -> None:
    chart = RateChart(50, 1e-12)
    subgroups(chart, EVEN)
    told = subgroups(chart, [10, 10, 10, 5, 5, 5, 5, 5, 10])
    assert [each.rule for each in told if isinstance(each, RuleBroken)] == [
        "one point beyond 3 sigma",
        "one point beyond 3 sigma",
    ]
    assert told[0] == RuleBroken("one point beyond 3 sigma", chart.chart.centre if chart.chart else 0, 0.2)
    assert len(chart.state().recent) == 8


@pytest.mark.parametrize("stop", [777, 1251, 1400])
def test_a_restart_forgets_nothing_of_a_rate(stop: int) -> None:
    events = (np.random.default_rng(0).random(3000) < 0.2).tolist()
    whole, first = RateChart(50, 1e-6), RateChart(50, 1e-6)
    for part, event in enumerate(events):
        whole.take(event, part)
    for part, event in enumerate(events[:stop]):
        first.take(event, part)
    second = RateChart(50, 1e-6, RateState.model_validate_json(first.state().model_dump_json()))
    for part, event in enumerate(events[stop:], stop):
        second.take(event, part)
    assert second.state() == whole.state()
    assert second.chart == whole.chart
