"""The learning curve: a power law through errors, and what it advises."""

from __future__ import annotations

import pytest

from inspector.errors import UndefinedFigure
from inspector.risk import Rate
from training.snapshots.curve import Curve, Point, fit_curve


def curve(*wrong: int) -> Curve:
    return fit_curve([Point(10 * 2**number, Rate(count, 1000)) for number, count in enumerate(wrong)])


def test_a_power_law_is_found_again_and_foretells_the_next_point() -> None:
    found = curve(400, 200, 100, 50)
    assert found.power == pytest.approx(1.0, abs=0.02)
    assert found.expected(160) == pytest.approx(0.025, abs=0.002)
    assert found.more_help
    assert found.lines()[-1].endswith("2.5 % with 160; more labels are expected to help")


def test_a_flat_curve_says_that_more_would_hardly_help() -> None:
    for wrong in ((52, 49, 50, 51), (10, 20, 30, 40)):
        assert not curve(*wrong).more_help
    assert "would hardly help" in curve(50, 50, 50, 50).lines()[-1]


def test_a_point_without_an_error_has_its_place() -> None:
    assert 0 < curve(8, 4, 1, 0).expected(160) < 0.002


def test_one_number_of_groups_makes_no_curve() -> None:
    with pytest.raises(UndefinedFigure, match="at least two different numbers of groups"):
        fit_curve([Point(10, Rate(1, 10))])
