from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.isotonic import IsotonicRegression

from inspector.calibration import Floats, Isotonic, fit_isotonic
from inspector.calibration.isotonic import pool


@st.composite
def labelled(draw: st.DrawFn, most: int = 40) -> tuple[Floats, np.ndarray]:
    """Scores with ties, and truths of both kinds; the scores are not all the same."""
    n = draw(st.integers(2, most))
    scores = np.array(draw(st.lists(st.integers(-6, 6), min_size=n, max_size=n)), np.float64) / 2
    is_defect = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    is_defect[:2] = [True, False]
    if scores.min() == scores.max():
        scores[0] += 1
    return scores, is_defect


@given(labelled())
def test_without_a_prior_it_is_sklearns(parts: tuple[Floats, np.ndarray]) -> None:
    scores, is_defect = parts
    ours = fit_isotonic(scores, is_defect, prior_parts=0)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, is_defect)
    asked = np.linspace(-5, 5, 81)
    assert ours.probability(asked) == pytest.approx(theirs.predict(asked), abs=1e-9)


@given(labelled())
def test_it_never_falls_and_is_never_sure(parts: tuple[Floats, np.ndarray]) -> None:
    said = fit_isotonic(*parts).probability(np.linspace(-100, 100, 201))
    assert (np.diff(said) >= 0).all()
    assert 0 < said[0] <= said[-1] < 1


@given(labelled())
def test_its_mean_over_the_parts_is_their_share_of_defects(parts: tuple[Floats, np.ndarray]) -> None:
    scores, is_defect = parts
    plain = fit_isotonic(scores, is_defect, prior_parts=0)
    assert plain.probability(scores).mean() == pytest.approx(is_defect.mean())


def test_a_block_counts_as_one_part_more_of_the_usual_kind() -> None:
    scores, is_defect = np.array([0.0, 1, 2, 10, 11, 12, 13]), np.array([False] * 3 + [True] * 4)
    fitted = fit_isotonic(scores, is_defect)
    assert fitted.scores == (0, 2, 10, 13)
    assert fitted.probabilities == pytest.approx([(4 / 7) / 4] * 2 + [(4 + 4 / 7) / 5] * 2)
    assert fitted.probability(np.array([6.0]))[0] == pytest.approx(((4 / 7) / 4 + (4 + 4 / 7) / 5) / 2)


def test_blocks_that_the_prior_puts_out_of_order_are_pooled_again() -> None:
    # One good part, then 99 good and 1 defective: the single one would be pulled above the hundred.
    scores = np.array([0.0] + [1.0] * 100 + [2.0] * 100)
    is_defect = np.array([False] + [True] + [False] * 99 + [True] * 100)
    fitted = fit_isotonic(scores, is_defect)
    rate = 101 / 201
    low = (0 + rate) / 2, (1 + rate) / 101
    pooled = (low[0] * 1 + low[1] * 100) / 101
    assert fitted.scores == (0, 1, 2)
    assert fitted.probabilities == pytest.approx((pooled, pooled, (100 + rate) / 101))


def test_beyond_the_knots_the_nearest_one_counts() -> None:
    fitted = Isotonic(scores=(0.0, 1.0), probabilities=(0.2, 0.6))
    assert fitted.probability(np.array([-9.0, 0.5, 9.0])) == pytest.approx([0.2, 0.4, 0.6])


def test_equal_neighbours_are_one_block() -> None:
    assert pool(np.array([1.0, 1.0, 3.0, 2.0, 4.0]), np.array([1.0, 2.0, 1.0, 1.0, 1.0])).tolist() == [0, 0, 1, 1, 2]


def test_a_heavier_part_weighs_more_in_its_block() -> None:
    assert pool(np.array([3.0, 1.0, 2.0]), np.array([1.0, 9.0, 1.0])).tolist() == [0, 0, 1]
    assert pool(np.array([3.0, 1.0, 2.0]), np.array([9.0, 1.0, 1.0])).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("scores", "probabilities", "expected"),
    [
        ((0.0, 1.0), (0.5,), "as many probabilities as scores, 2"),
        ((0.0, 0.0), (0.1, 0.2), "increasing scores"),
        ((0.0, 1.0), (0.3, 0.2), "never fall"),
        ((0.0, 1.0), (-0.1, 0.2), "within 0..1"),
        ((0.0, 1.0), (0.1, 1.2), "within 0..1"),
        ((), (), "at least 1 item"),
    ],
)
def test_knots_that_are_no_probability_are_refused(
    scores: tuple[float, ...], probabilities: tuple[float, ...], expected: str
) -> None:
    with pytest.raises(ValidationError, match=expected):
        Isotonic(scores=scores, probabilities=probabilities)


def test_knots_may_be_sure_and_level() -> None:
    assert Isotonic(scores=(0.0, 1.0, 2.0), probabilities=(0.0, 0.0, 1.0)).probability(np.array([2.0]))[0] == 1
