from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.cheapest import Costs, cheapest, cost_per_thousand, least_cost, least_review
from inspector.errors import CertificateError
from inspector.held import BEYOND, Parts
from inspector.limits import ANY, Reach

steps = st.integers(0, 8).map(lambda step: step / 8)
several = st.lists(st.tuples(steps, st.booleans(), st.booleans()), min_size=2, max_size=30)
costs = st.builds(
    Costs,
    escape=st.integers(0, 100),
    overkill=st.integers(0, 20),
    review=st.integers(0, 20),
    defect_share=st.floats(0.01, 0.9),
)
reaches = st.builds(Reach, st.floats(0, 1), st.floats(0, 1))


def made(scores: list[float], is_defect: list[bool], groups: list[str] | None = None) -> Parts:
    values = np.array(scores, np.float64)
    kinds = tuple(("crack",) if bad else () for bad in is_defect)
    names = tuple(groups or [str(i) for i in range(len(scores))])
    return Parts(values, values, np.array(is_defect, bool), kinds, names)


def stopped(parts: Parts, flags: list[bool]) -> Parts:
    passing = np.where(flags, BEYOND, parts.pass_scores)
    return Parts(passing, parts.reject_scores, parts.is_defect, parts.kinds, parts.groups)


@given(rows=several, cost=costs, reach=reaches)
@settings(max_examples=300)
def test_no_certified_pair_is_cheaper(rows: list[tuple[float, bool, bool]], cost: Costs, reach: Reach) -> None:
    parts = made([0.5, *(row[0] for row in rows)], [True, *(row[1] for row in rows[:-1]), False])
    parts = stopped(parts, [False, *(row[2] for row in rows)])
    found = least_cost(parts, reach, cost)
    assert found.pass_below <= reach.pass_below
    assert reach.reject_above <= found.reject_above <= 1
    assert found.pass_below <= found.reject_above
    grid = np.unique([0.0, 1.0, *np.linspace(0, 1, 17), reach.pass_below, reach.reject_above])
    pairs = [(a, b) for a in grid for b in grid if a <= b and a <= reach.pass_below and b >= reach.reject_above]
    least = min(cost_per_thousand(parts, Reach(float(a), float(b)), cost) for a, b in pairs)
    assert cost_per_thousand(parts, found, cost) <= least + 1e-6


def test_the_expected_cost_is_that_of_counting() -> None:
    parts = made([0.1, 0.5, 0.9, 0.05, 0.2, 0.95, 0.5], [True] * 3 + [False] * 4)
    cost = Costs(escape=100, overkill=10, review=1, defect_share=0.1)
    expected = 0.1 * (100 * 1 + 1 * 1) / 3 + 0.9 * (10 * 1 + 1 * 1) / 4
    assert cost_per_thousand(parts, Reach(0.3, 0.7), cost) == pytest.approx(1000 * expected)


def test_of_equal_costs_the_pair_that_decides_least_is_taken() -> None:
    parts = made([0.9, 0.1], [True, False])
    free = Costs(escape=0, overkill=0, review=0, defect_share=0.5)
    assert least_cost(parts, Reach(0.9, 0.2), free) == Reach(0.0, 1.0)


@given(reach=reaches)
def test_least_review_stays_within_what_is_certified(reach: Reach) -> None:
    found = least_review(reach)
    assert found.pass_below <= found.reject_above
    assert found.pass_below <= reach.pass_below
    assert found.reject_above >= reach.reject_above


def test_where_the_certified_ranges_overlap_the_middle_leaves_nothing_to_review() -> None:
    assert least_review(Reach(0.8, 0.2)) == Reach(0.5, 0.5)
    assert least_review(Reach(0.2, 0.8)) == Reach(0.2, 0.8)
    assert least_review(Reach(0.4, 0.4)) == Reach(0.4, 0.4)


def test_limits_that_pass_no_good_part_are_refused() -> None:
    parts = made([0.1, 0.9, 0.5, 0.6], [True, True, False, False])
    with pytest.raises(CertificateError, match=r"of 2 good parts none lies below 0\.3"):
        cheapest(parts, Reach(0.3, 0.7), None)


def test_a_reject_limit_above_one_is_no_limit() -> None:
    parts = made([0.9, 0.1], [True, False])
    with pytest.raises(CertificateError, match="even a reject limit of 1"):
        cheapest(parts, Reach(0.5, math.nextafter(1, 2)), None)
    assert cheapest(parts, Reach(0.5, 1.0), None) == Reach(0.5, 1.0)


def test_cost_mode_moves_the_limits_inside_what_is_certified() -> None:
    parts = made([0.9, 0.5, 0.4, 0.1], [True, True, False, False])
    reach = Reach(0.55, 0.35)
    assert cheapest(parts, reach, None) == Reach(0.45, 0.45)
    dear_escapes = Costs(escape=1000, overkill=10, review=1, defect_share=0.5)
    found = cheapest(parts, reach, dear_escapes)
    assert 0.4 < found.pass_below <= 0.5
    assert 0.4 < found.reject_above <= 0.5


def test_a_group_speaks_by_its_worst_part() -> None:
    parts = made([0.9, 0.3, 0.7, 0.1, 0.6], [True, True, True, False, False], ["a", "a", "b", "a", "a"])
    assert parts.held((), "group").defective[ANY].tolist() == [0.3, 0.7]
    assert parts.held((), "group").good.tolist() == [0.6]
    assert sorted(parts.held((), "part").defective[ANY]) == [0.3, 0.7, 0.9]
    assert sorted(parts.held((), "part").good) == [0.1, 0.6]
    assert len(parts) == 5


def test_kinds_are_held_apart_and_good_parts_have_none() -> None:
    scores = np.array([0.9, 0.8, 0.1])
    is_defect = np.array([True, True, False])
    parts = Parts(scores, scores, is_defect, (("crack",), ("crack", "dent"), ("dent",)), ("a", "b", "c"))
    found = parts.held(("crack", "dent"), "group")
    assert found.defective["crack"].tolist() == [0.9, 0.8]
    assert found.defective["dent"].tolist() == [0.8]


@given(rows=several, order=st.randoms(use_true_random=False))
def test_what_is_held_ignores_the_order_of_parts(rows: list[tuple[float, bool, bool]], order: random.Random) -> None:
    groups = [str(number // 3) for number in range(len(rows))]
    places = list(range(len(rows)))
    order.shuffle(places)
    straight = made([row[0] for row in rows], [row[1] for row in rows], groups)
    shuffled = made([rows[i][0] for i in places], [rows[i][1] for i in places], [groups[i] for i in places])
    for one, other in ((straight, shuffled),):
        mine, theirs = one.held((), "group"), other.held((), "group")
        assert mine.defective[ANY].tolist() == theirs.defective[ANY].tolist()
        assert mine.good.tolist() == theirs.good.tolist()


def test_mismatched_lengths_are_refused() -> None:
    with pytest.raises(CertificateError, match="2 and 2 scores, 1 truths, 2 kinds, 2 groups; expected as many of each"):
        Parts(np.zeros(2), np.zeros(2), np.zeros(1, bool), ((), ()), ("a", "b"))
