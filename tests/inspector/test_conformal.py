from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inspector.calibration import Conformal, fit_conformal
from inspector.errors import CalibrationUndefined

lists = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30)


@given(held=lists, asked=lists)
def test_it_is_the_share_of_held_parts_and_itself_that_score_as_high(held: list[float], asked: list[float]) -> None:
    found = fit_conformal(np.array(held)).p_value(np.array(asked))
    expected = [(1 + sum(one >= score for one in held)) / (len(held) + 1) for score in asked]
    assert found == pytest.approx(expected)


@given(held=lists, asked=lists.map(sorted))
def test_a_stranger_part_never_has_a_greater_p_value(held: list[float], asked: list[float]) -> None:
    assert (np.diff(fit_conformal(np.array(held)).p_value(np.array(asked))) <= 0).all()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("n", [9, 19, 99])
def test_good_parts_alarm_at_most_as_often_as_stated(n: int, tied: bool) -> None:
    """Exact for every n: without ties and where (n + 1) a is whole, the rate is a itself."""
    rng, runs = np.random.default_rng(n), 20_000
    scores = rng.exponential(1, (runs, n + 1))
    scores = np.round(scores, 0 if tied else 12)
    p = (1 + (scores[:, :n] >= scores[:, n:]).sum(1)) / (n + 1)
    some = [fit_conformal(row[:n]).p_value(row[n:])[0] for row in scores[:200]]
    assert some == pytest.approx(p[:200])
    for rate in (0.1, 0.2, 0.5):
        error = 4 * np.sqrt(rate * (1 - rate) / runs)
        assert np.mean(p <= rate) <= rate + error
        if not tied:
            assert np.mean(p <= rate) >= rate - error


def test_so_many_parts_can_give_no_smaller_one() -> None:
    conformal = fit_conformal(np.arange(19.0))
    assert conformal.least == pytest.approx(0.05)
    assert conformal.p_value(np.array([1e9, -1e9])) == pytest.approx([0.05, 1])


@pytest.mark.parametrize(("scores", "expected"), [([], "got none"), ([1.0, np.nan], "1 of 2 parts"), ([np.inf], "NaN")])
def test_no_good_parts_and_no_numbers_are_refused(scores: list[float], expected: str) -> None:
    with pytest.raises(CalibrationUndefined, match=expected):
        fit_conformal(np.array(scores))


def test_scores_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="sorted"):
        Conformal(scores=(1.0, 0.0))
    assert Conformal(scores=(1.0, 1.0)).least == pytest.approx(1 / 3)
