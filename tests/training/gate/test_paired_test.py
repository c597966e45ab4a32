"""The paired test against one that adds up every outcome, and against what its source promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import UndefinedFigure
from inspector.gate_settings import groups_needed
from training.gate.paired_test import Paired, at_most, p_value, statistic


def added_up(seen: Paired, margin: float, differing: float) -> float:
    """Probability of all outcomes that speak as much for the candidate, one by one."""
    more, less = (differing + margin) / 2, (differing - margin) / 2
    bound = statistic(np.array([seen.lost]), np.array([seen.gained]), seen.n, margin)[0] + 1e-9
    total = 0.0
    for lost in range(seen.n + 1):
        for gained in range(seen.n - lost + 1):
            if statistic(np.array([lost]), np.array([gained]), seen.n, margin)[0] <= bound:
                ways = math.comb(seen.n, lost) * math.comb(seen.n - lost, gained)
                total += ways * more**lost * less**gained * (1 - differing) ** (seen.n - lost - gained)
    return total


@given(st.integers(1, 9), st.data(), st.sampled_from([0.02, 0.1, 0.3]))
@settings(max_examples=8, deadline=None)
def test_the_p_value_is_the_greatest_over_all_shares_of_differing_pairs(
    n: int, choose: st.DataObject, margin: float
) -> None:
    lost = choose.draw(st.integers(0, n))
    seen = Paired(n, lost, choose.draw(st.integers(0, n - lost)))
    independent = max(added_up(seen, margin, share) for share in np.linspace(margin, 1, 30))
    assert p_value(seen, margin) >= independent - 1e-6
    assert p_value(seen, margin) <= independent + 0.03


def test_an_inferior_candidate_passes_with_at_most_alpha() -> None:
    n, alpha, margin = 16, 0.05, 0.2
    passing = [
        (lost, gained)
        for lost in range(n + 1)
        for gained in range(n - lost + 1)
        if p_value(Paired(n, lost, gained), margin) <= alpha
    ]
    for differing in np.linspace(margin, 1, 20):
        more, less = (differing + margin) / 2, (differing - margin) / 2
        chance = sum(
            math.comb(n, lost)
            * math.comb(n - lost, gained)
            * more**lost
            * less**gained
            * (1 - differing) ** (n - lost - gained)
            for lost, gained in passing
        )
        assert chance <= alpha + 1e-9


def test_pairs_that_never_differ_show_a_margin_from_the_number_that_is_told() -> None:
    needed = groups_needed(0.05, 0.05)
    assert needed == 59
    assert p_value(Paired(needed, 0, 0), 0.05) <= 0.05
    assert p_value(Paired(needed - 1, 0, 0), 0.05) > 0.05
    assert p_value(Paired(40, 0, 0), 0.05) == pytest.approx(0.95**40, rel=1e-6)


def test_more_lost_never_speaks_for_a_candidate_and_more_gained_always_does() -> None:
    by_lost = [p_value(Paired(60, lost, 3), 0.1) for lost in range(6)]
    by_gained = [p_value(Paired(60, 3, gained), 0.1) for gained in range(6)]
    assert by_lost == sorted(by_lost)
    assert by_gained == sorted(by_gained, reverse=True)


def test_the_bound_is_the_margin_at_which_the_test_turns() -> None:
    seen = Paired(120, 2, 3)
    bound = at_most(seen, 0.05)
    assert p_value(seen, bound) <= 0.05 < p_value(seen, bound - 0.002)


def test_a_thousand_pairs_are_no_trouble() -> None:
    assert p_value(Paired(3000, 20, 20), 0.01) < 0.05 < p_value(Paired(3000, 40, 20), 0.01)


@pytest.mark.parametrize("counts", [(0, 0, 0), (5, -1, 0), (5, 3, 3)], ids=str)
def test_impossible_counts_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(UndefinedFigure, match="paired test"):
        Paired(*counts)


@pytest.mark.parametrize("margin", [0.0, 1.0, math.nan])
def test_a_margin_that_is_no_share_is_refused(margin: float) -> None:
    with pytest.raises(UndefinedFigure, match="margin"):
        p_value(Paired(5, 0, 0), margin)
