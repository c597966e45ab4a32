from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from inspector.calibration import Floats
from inspector.calibration.reliability import (
    Interval,
    binned_ece,
    bins,
    brier_score,
    log_loss,
    part_losses,
    reliability,
    resamples,
)
from inspector.errors import CalibrationUndefined


def drawn(seed: int, n: int, skew: float = 0.0) -> tuple[Floats, np.ndarray]:
    """Probabilities (n,) and truths drawn from them moved by `skew` in log odds."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 2, n)
    return 1 / (1 + np.exp(-odds)), rng.random(n) < 1 / (1 + np.exp(-odds - skew))


def naive_ece(said: Floats, is_defect: np.ndarray, count: int = 15) -> float:
    """One loop over bins of equal count, for probabilities without ties."""
    pairs = sorted(zip(said.tolist(), is_defect.tolist(), strict=True))
    n, total, start = len(pairs), 0.0, 0
    count = min(count, n)
    for number in range(count):
        size = n // count + (1 if number < n % count else 0)
        some = pairs[start : start + size]
        total += abs(sum(truth for _, truth in some) - sum(share for share, _ in some))
        start += size
    return total / n


@pytest.mark.parametrize("n", [2, 14, 15, 16, 100, 1000])
def test_ece_is_that_of_a_plain_loop(n: int) -> None:
    said, is_defect = drawn(n, n)
    assert binned_ece(said, is_defect) == pytest.approx(naive_ece(said, is_defect))


def test_ece_is_that_of_netcal_where_bins_are_alike() -> None:
    netcal = pytest.importorskip("netcal.metrics", reason="needs the package netcal")
    rng = np.random.default_rng(0)  # 15 values, one to a bin whether cut by width or by count
    said = np.repeat((np.arange(15) + 0.5) / 15, 40)
    is_defect = rng.random(600) < said**1.5
    assert binned_ece(said, is_defect) == pytest.approx(netcal.ECE(15).measure(said, is_defect.astype(int)), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_brier_and_log_loss_are_sklearns(seed: int) -> None:
    said, is_defect = drawn(seed, 200)
    assert brier_score(said, is_defect) == pytest.approx(brier_score_loss(is_defect, said))
    assert log_loss(said, is_defect) == pytest.approx(sklearn_log_loss(is_defect, said))


def test_one_sure_part_that_is_wrong_leaves_the_log_loss_finite() -> None:
    losses = part_losses(np.array([0.0, 1.0, 1.0]), np.array([True, False, True]))
    assert losses == pytest.approx([-math.log(1e-12), -math.log(1e-12), 0.0])


@given(seed=st.integers(0, 1000), n=st.integers(3, 80))
@settings(max_examples=40)
def test_neither_the_order_of_parts_nor_that_of_equals_changes_a_figure(seed: int, n: int) -> None:
    said, is_defect = drawn(seed, n)
    said, order = np.round(said, 1), np.random.default_rng(seed).permutation(n)
    for figure in (binned_ece, brier_score, log_loss):
        assert figure(said, is_defect) == pytest.approx(figure(said[order], is_defect[order]))


def test_all_equal_probabilities_err_by_their_distance_from_the_share() -> None:
    assert binned_ece(np.full(40, 0.3), np.arange(40) < 20) == pytest.approx(0.2)


def test_bins_are_of_equal_count_and_hold_every_part() -> None:
    said, is_defect = drawn(3, 100)
    cut = bins(said, is_defect)
    assert [one.n for one in cut] == [7] * 10 + [6] * 5
    assert sum(one.n_defect for one in cut) == int(is_defect.sum())
    assert [one.said for one in cut] == sorted(one.said for one in cut)
    assert cut[0].said == pytest.approx(np.sort(said)[:7].mean())
    assert len(bins(said[:4], is_defect[:4])) == 4
    assert len(bins(said, is_defect, 3)) == 3


def test_intervals_hold_what_scipy_finds_of_the_brier_score() -> None:
    from scipy.stats import bootstrap

    said, is_defect = drawn(0, 300)
    ours = reliability(said, is_defect, draws=4000).brier
    theirs = bootstrap(((said - is_defect) ** 2,), np.mean, method="basic", n_resamples=4000, rng=1)
    assert ours.value == pytest.approx(np.mean((said - is_defect) ** 2))
    assert ours.low == pytest.approx(theirs.confidence_interval.low, rel=0.02)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, rel=0.02)


def test_parts_of_a_group_are_drawn_together_and_widen_the_interval() -> None:
    said, is_defect = drawn(5, 60)
    said, is_defect = np.repeat(said, 10), np.repeat(is_defect, 10)
    groups = [f"piece {i // 10}" for i in range(600)]
    apart, together = reliability(said, is_defect), reliability(said, is_defect, groups)
    assert (apart.n_groups, together.n_groups, together.n) == (600, 60, 600)
    ratio = (together.brier.high - together.brier.low) / (apart.brier.high - apart.brier.low)
    assert 2 < ratio < 5, "ten equal parts say as much as one: sqrt(10)"


def test_a_draw_takes_whole_groups_as_many_as_there_are() -> None:
    groups = np.array([0, 1, 0, 2, 1, 0])
    for sample in resamples(groups, 50, seed=1):
        counts = np.bincount(sample, minlength=6)
        assert counts[0] == counts[2] == counts[5]
        assert counts[1] == counts[4]
        assert counts[0] + counts[1] + counts[3] == 3
    assert len(resamples(groups, 50, seed=1)) == 50


def test_the_same_seed_gives_the_same_intervals_and_another_others() -> None:
    said, is_defect = drawn(2, 80)
    assert reliability(said, is_defect, seed=4) == reliability(said, is_defect, seed=4)
    assert reliability(said, is_defect, seed=4).ece != reliability(said, is_defect, seed=5).ece


def test_a_shifted_model_is_told_from_a_calibrated_one() -> None:
    right, wrong = (reliability(*drawn(1, 2000, skew)) for skew in (0.0, 1.5))
    assert right.ece.value < 0.04
    assert right.ece.low <= 0.02
    assert wrong.ece.low > 0.1


def test_an_interval_is_mirrored_and_never_below_zero() -> None:
    ece = reliability(np.full(10, 0.5), np.arange(10) < 5, draws=500).ece
    assert ece.value == ece.low == ece.high == 0.0


def test_figures_are_written_for_people_and_for_json() -> None:
    found = reliability(*drawn(0, 60))
    assert [name for name, _ in found.rows()] == [
        "ECE of the defect probability, 60 parts in 60 groups, 15 equal-mass bins",
        "Brier score of the defect probability",
        "log loss of the defect probability",
        "reliability, mean probability: defective parts",
    ]
    assert [text for _, text in found.rows()[:3]] == [one.text() for one in (found.ece, found.brier, found.log_loss)]
    diagram = found.diagram().split("; ")
    assert len(diagram) == len(found.bins) == 15
    assert diagram[-1] == f"{found.bins[-1].said:.3f}: {found.bins[-1].n_defect} of 4"
    assert Interval(0.01234, 0.004, 0.031).text() == "0.0123 (95 %: 0.0040 to 0.0310)"
    fields = found.fields()
    assert fields["ece"] == {"value": found.ece.value, "low": found.ece.low, "high": found.ece.high}
    assert fields["brier"] == found.brier.fields()
    assert fields["log_loss"] == found.log_loss.fields()
    assert (fields["n"], fields["n_defect"], fields["n_groups"], fields["confidence"]) == (60, found.n_defect, 60, 0.95)
    first = found.bins[0]
    assert fields["bins"][0] == {"said": first.said, "n": first.n, "n_defect": first.n_defect}  # type: ignore[index]


@pytest.mark.parametrize(
    ("said", "is_defect", "groups", "expected"),
    [
        ([0.1, 0.2], [False, False], None, "no defective one among 2"),
        ([0.1, 0.2], [True, True], None, "no good one among 2"),
        ([0.1, math.nan], [True, False], None, "1 of 2 parts have NaN or infinity, the first at position 1"),
        ([0.1, 1.5], [True, False], None, "expected 0 to 1, got 1.5 at position 1"),
        ([-0.1, 0.5], [True, False], None, "expected 0 to 1, got -0.1 at position 0"),
        ([0.1], [True, False], None, "truths: expected one for each of 1 scores, got 2"),
        ([0.1, 0.2], [True, False], ["a"], "groups: expected one for each of 2 scores, got 1"),
        ([], [], None, "at least one part"),
    ],
)
def test_what_is_undefined_is_refused(
    said: list[float], is_defect: list[bool], groups: list[str] | None, expected: str
) -> None:
    with pytest.raises(CalibrationUndefined, match=expected):
        reliability(np.array(said), np.array(is_defect, bool), groups)


def test_probabilities_of_0_and_1_are_allowed() -> None:
    assert reliability(np.array([0.0, 1.0]), np.array([False, True])).log_loss.value == 0
