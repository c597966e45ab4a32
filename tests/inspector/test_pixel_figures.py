from __future__ import annotations

import numpy as np
import pytest

from inspector.figures.pixels import aupro, dice


def scene(size: int = 60) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((size, size), bool)
    mask[5:25, 5:25] = True
    mask[40:42, 40:42] = True
    return np.where(mask, 1.0, 0.0).astype(np.float32), mask


def by_definition(values: np.ndarray, mask: np.ndarray, regions: list[np.ndarray], limit: float) -> float:
    """Every distinct threshold, one at a time."""
    points = [(0.0, 0.0)]
    for threshold in np.unique(values)[::-1]:
        found = values >= threshold
        points.append((found[~mask].mean(), np.mean([found[region].mean() for region in regions])))
    x, y = np.array(points).T
    fine = np.linspace(0, limit, 200001)
    return float(np.trapezoid(np.interp(fine, x, y), fine) / limit)


def test_a_perfect_map_has_an_aupro_of_1() -> None:
    assert aupro([scene()]) == pytest.approx(1.0)


def test_a_small_region_weighs_as_much_as_a_large_one() -> None:
    values, mask = scene()
    values[40:42, 40:42] = 0.0
    values[0, 0] = 0.5
    found = aupro([(values, mask)])
    assert found is not None
    assert 0.5 < found < 0.7


def test_aupro_is_what_its_definition_says_on_a_noisy_map() -> None:
    rng = np.random.default_rng(3)
    values, mask = scene()
    noisy = (values * 0.8 + rng.random(values.shape)).astype(np.float32)
    regions = [np.zeros_like(mask), np.zeros_like(mask)]
    regions[0][5:25, 5:25] = regions[1][40:42, 40:42] = True
    assert aupro([(noisy, mask)]) == pytest.approx(by_definition(noisy, mask, regions, 0.3), abs=2e-3)


def test_ties_count_as_a_straight_line_whichever_side_they_fall() -> None:
    values, mask = scene()
    constant = np.zeros_like(values)
    assert aupro([(constant, mask)]) == pytest.approx(0.15)


def test_aupro_without_a_defect_is_undefined() -> None:
    values, mask = scene()
    assert aupro([(values, np.zeros_like(mask))]) is None


def test_dice_of_halves_that_half_overlap() -> None:
    found, truth = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    found[:, :2] = truth[:, 1:3] = True
    assert dice(found, truth) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="Dice needs"):
        dice(np.zeros((2, 2), bool), np.zeros((2, 2), bool))
