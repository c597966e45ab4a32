"""The cuts that benchmarks measure on."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.held import cuts


@pytest.fixture
def parts() -> tuple[tuple[str, ...], np.ndarray]:
    rng = np.random.default_rng(0)
    groups = tuple(f"piece {number}" for number in rng.integers(0, 25, 200))
    return groups, rng.random(200) < 0.2


def test_no_group_lies_on_both_sides_of_a_cut_and_none_is_lost(parts: tuple[tuple[str, ...], np.ndarray]) -> None:
    groups, is_defect = parts
    found = list(cuts(groups, is_defect, 20, seed=0))
    assert len(found) == 20
    for fit, test in found:
        assert sorted([*fit, *test]) == list(range(200))
        assert not {groups[i] for i in fit} & {groups[i] for i in test}
        assert is_defect[fit].any()
        assert is_defect[test].any()
        assert abs(len(fit) - 100) < 20, "half, to a group"


def test_cuts_differ_and_the_same_seed_gives_the_same(parts: tuple[tuple[str, ...], np.ndarray]) -> None:
    first, again, other = ([cut[0].tolist() for cut in cuts(*parts, 3, seed)] for seed in (0, 0, 1))
    assert first == again != other
    assert first[0] != first[1]


def test_a_cut_that_leaves_a_side_without_a_kind_is_drawn_again() -> None:
    groups, is_defect = tuple("abcd"), np.array([True, True, False, False])
    for fit, _ in cuts(groups, is_defect, 10, seed=0):
        assert is_defect[fit].sum() == 1
