"""The open-set guard of detectors and segmenters: strange pictures are far, known kinds are near."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inspector.calibration import Calibration, Platt
from training.guard import LEAST_OF_KIND, fit_guard, settled_kinds, with_novelty
from training.texture import statistics


def taps(n: int, seed: int, shift: float = 0.0) -> list[torch.Tensor]:
    """Two scales of 3 and 4 channels, whose mean says the kind: `shift`."""
    rng = torch.Generator().manual_seed(seed)
    sizes = ((3, 8), (4, 4))
    return [shift + torch.randn(n, count, side, side, generator=rng) for count, side in sizes]


def features(*some: list[torch.Tensor]) -> np.ndarray:
    return np.concatenate([statistics(one).numpy() for one in some]).astype(np.float64)


def test_what_is_like_no_kind_is_farther_than_all_that_is() -> None:
    kinds = np.repeat([0, 1], 40)
    guard = fit_guard(features(taps(40, 0), taps(40, 1, 5.0)), kinds, [3, 4])
    near = torch.cat([guard(taps(40, 2)), guard(taps(40, 3, 5.0))])
    between, beyond = guard(taps(40, 4, 2.5)), guard(taps(40, 5, -4.0))
    assert float(near.max()) < float(between.min())
    assert float(near.max()) < float(beyond.min())
    assert float(near.median()) < 1


def test_one_kind_is_enough() -> None:
    guard = fit_guard(features(taps(60, 0)), np.zeros(60, np.int64), [3, 4])
    assert float(guard(taps(40, 1)).max()) < float(guard(taps(40, 2, 3.0)).min())


def test_kinds_of_few_pictures_are_not_told_apart() -> None:
    few = np.array([0] * 20 + [1] * (LEAST_OF_KIND - 1))
    assert not settled_kinds(few).any()
    enough = np.array([0] * 20 + [1] * LEAST_OF_KIND)
    assert (settled_kinds(enough) == enough).all()


def test_a_statistic_that_never_varies_does_not_count() -> None:
    some = features(taps(40, 0))
    some[:, 0] = 7.0
    guard = fit_guard(some, np.zeros(40, np.int64), [3, 4])
    assert torch.isfinite(guard(taps(4, 1))).all()
    assert guard.weight[:, 0].abs().max() == pytest.approx(0)


def test_a_part_in_tiles_is_as_strange_as_its_strangest_tile() -> None:
    plain = Calibration(temperature=1, platt=Platt(slope=1, intercept=0), n=1, n_defect=0)
    held = [{"distance": np.array([1.0, float(n)], np.float32)} for n in range(2, 12)]
    novelty = with_novelty(plain, held).novelty
    assert novelty is not None
    assert (novelty.distances[0], novelty.distances[-1]) == (2.0, 11.0)


def test_a_network_without_a_guard_has_no_novelty() -> None:
    plain = Calibration(temperature=1, platt=Platt(slope=1, intercept=0), n=1, n_defect=0)
    assert with_novelty(plain, [{"score": np.zeros(1, np.float32)}]) is plain
