"""What a figure learns: values in two orders, how far they hang together, blocks, and the reference they make."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from inspector.drift_learning import Learnt, block_length, correlation_time, make_reference
from inspector.martingale import ReferenceFault, normal_scores
from inspector.piecework import all_pieces, next_piece

VALUES = st.lists(st.sampled_from([-1.0, -0.0, 0.0, 0.5, 2.0, 2.5]) | st.floats(-1e6, 1e6), min_size=2, max_size=80)


def correlation(values: np.ndarray) -> float:
    return all_pieces(correlation_time(Learnt(values.tolist())))


def autoregressive(n: int, memory: float, seed: int = 2) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=n)
    values = np.zeros(n)
    for place in range(1, n):
        values[place] = memory * values[place - 1] + noise[place]
    return values


@given(VALUES)
def test_values_are_kept_as_they_came_and_by_size(values: list[float]) -> None:
    learnt = Learnt(values)
    assert learnt.values.tolist() == values
    assert learnt.ordered.tolist() == sorted(values)
    assert len(learnt) == len(values)


@given(VALUES)
def test_scores_are_those_of_ranks_and_equal_values_share_the_mean_of_theirs(values: list[float]) -> None:
    scores = all_pieces(Learnt(values).scores())
    first, last = (rankdata(values, method) for method in ("min", "max"))
    each = norm.ppf((np.arange(len(values)) + 0.5) / len(values))
    expected = [each[int(low) - 1 : int(high)].mean() for low, high in zip(first, last, strict=True)]
    assert scores == pytest.approx(np.array(expected), abs=1e-9)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_correlation_time_is_that_of_an_autoregressive_process(memory: float) -> None:
    """(1 + a) / (1 - a) of x[t] = a x[t - 1] + noise (Sokal 1997)."""
    assert correlation(autoregressive(20_000, memory)) == pytest.approx((1 + memory) / (1 - memory), rel=0.15)


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_the_sum_of_autocorrelations_ends_at_five_times_itself(memory: float) -> None:
    """Term by term, with the whole sum at each lag: an oracle."""
    values = autoregressive(1200, memory)
    scores = np.array(normal_scores(1199))[rankdata(values).astype(int) - 1]
    terms = [2 * float(np.sum(scores[lag:] * scores[:-lag]) / np.sum(scores**2)) for lag in range(1, 600)]
    sums = 1 + np.cumsum(terms)
    last = next(lag for lag in range(1, 600) if lag >= 5 * sums[lag - 1])
    assert correlation(values) == pytest.approx(max(1.0, sums[last - 1]), abs=1e-9)


def test_a_trend_hangs_together_over_very_many_parts() -> None:
    assert correlation(np.arange(500.0)) > 50


def test_alternating_values_count_as_independent_ones() -> None:
    assert correlation(np.arange(200.0) % 2) == 1.0


def test_equal_values_do_not_hang_together_by_their_order() -> None:
    rare = (np.random.default_rng(6).random(2000) < 0.05).astype(float)
    assert correlation(rare) < 1.4
    assert correlation(np.full(100, 3.0)) == 1.0


def test_a_block_is_five_correlation_times_of_parts_that_hang_together() -> None:
    assert block_length(1.59, 100) == 1
    assert block_length(1.6, 480) == 8
    assert block_length(2.01, 660) == 11


def test_too_few_blocks_are_refused_with_how_many_parts_it_takes() -> None:
    said = (
        "not steady while learning: parts hang together over 2 parts, and 479 are too few for that; expected "
        "learn_parts of at least 480, or a line that has warmed up"
    )
    with pytest.raises(ReferenceFault) as fault:
        block_length(1.6, 479)
    assert str(fault.value) == said


def test_blocks_are_whole_ones() -> None:
    assert Learnt([1.0, 3.0, 5.0, 7.0, 100.0]).block_means(2) == [2.0, 6.0]
    assert Learnt([1.0, 3.0]).block_means(1) == [1.0, 3.0]


def test_a_block_is_added_up_as_a_watched_one_is() -> None:
    """Else parts that are always alike, their sum rounded another way, would all lie above what is usual, or below."""
    for value in (0.1, 0.3, 0.7, 1 / 3):
        watched = 0.0
        for _ in range(9):
            watched += value
        assert Learnt([value] * 18).block_means(9) == [watched / 9] * 2


def test_independent_values_are_a_reference_one_by_one() -> None:
    values = np.random.default_rng(1).normal(5, 1, 500)
    reference = all_pieces(make_reference(Learnt(values.tolist()), may_be_constant=False))
    assert reference.block == 1
    assert reference.ordered == sorted(values.tolist())
    assert reference.usual == pytest.approx(values.mean(), abs=1e-12)


def test_values_that_hang_together_are_a_reference_in_blocks() -> None:
    values = autoregressive(3000, 0.6)
    learnt = Learnt(values.tolist())
    reference = all_pieces(make_reference(learnt, may_be_constant=False))
    assert 15 <= reference.block <= 30
    assert reference.ordered == sorted(learnt.block_means(reference.block))
    assert reference.usual == pytest.approx(values.mean(), abs=1e-12)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0] * 59, "too few reference parts: 59, expected at least 60"),
        ([7.0] * 100, "constant reference: all 100 parts have 7"),
        ([0.0, 1.0] * 50 + [0.0] * 300 + [1.0] * 300, "not steady while learning"),
    ],
)
def test_values_that_cannot_teach_are_refused(values: list[float], said: str) -> None:
    with pytest.raises(ReferenceFault, match=said):
        all_pieces(make_reference(Learnt(values), may_be_constant=False))


def test_a_constant_that_may_be_one_is_a_reference() -> None:
    reference = all_pieces(make_reference(Learnt([0.0] * 100), may_be_constant=True))
    assert (reference.block, reference.ordered, reference.usual) == (1, [0.0] * 100, 0.0)


def pieces_of(values: np.ndarray) -> int:
    work, count = make_reference(Learnt(values.tolist()), may_be_constant=False), 1
    while next_piece(work) is None:
        count += 1
    return count


def test_the_more_values_hang_together_the_more_pieces_the_end_has() -> None:
    """Three for their order, one for each eight lags of the autocorrelation, and three for the list or the blocks."""
    independent, together = pieces_of(np.random.default_rng(0).normal(size=2000)), pieces_of(autoregressive(4000, 0.8))
    assert 7 <= independent <= 8
    assert 11 <= together <= 14
