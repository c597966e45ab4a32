"""The soak tells growth from noise."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.soak import BLOCKS, Sample, figures, slope

AT_S = [2.0 * number for number in range(240)]


def samples(growth_mb_per_min: float, noise_mb: float, files: int = 40, seed: int = 0) -> list[Sample]:
    noise = np.random.default_rng(seed).normal(0, noise_mb, len(AT_S))
    return [
        Sample(at_s, 300 + growth_mb_per_min * at_s / 60 + float(each), files, 20, 4)
        for at_s, each in zip(AT_S, noise, strict=True)
    ]


def test_a_leak_that_stands_out_of_the_noise_fails_and_its_slope_is_found() -> None:
    found = figures(samples(1.0, 0.5))
    assert found["passed"] is False
    assert found["memory_slope_mb_per_min"] == pytest.approx(1.0, abs=0.2)


def test_what_only_fluctuates_passes_nearly_always() -> None:
    passed = [figures(samples(0.0, 5.0, seed=seed))["passed"] for seed in range(100)]
    assert sum(passed) >= 92, "2.5 % of runs without growth look like growth"


def test_memory_that_wanders_passes_nearly_always() -> None:
    def wandering(seed: int) -> list[Sample]:
        steps = np.random.default_rng(seed).normal(0, 1.0, len(AT_S)).cumsum()
        return [Sample(at_s, 300 + float(step), 40, 20, 4) for at_s, step in zip(AT_S, steps, strict=True)]

    passed = [figures(wandering(seed))["passed"] for seed in range(100)]
    assert sum(passed) >= 92, "2.5 % of walks without an aim look like growth"


def test_what_is_flat_or_shrinks_passes() -> None:
    assert figures(samples(0.0, 0.0))["passed"]
    assert figures(samples(-3.0, 0.1))["passed"]


def test_files_that_pile_up_fail_though_memory_is_flat() -> None:
    leaking = [
        Sample(s.at_s, s.memory_mb, s.files + number // 20, s.threads, 4) for number, s in enumerate(samples(0, 1))
    ]
    assert not figures(leaking)["passed"]


def test_the_first_quarter_in_which_caches_fill_does_not_count() -> None:
    filling = [
        Sample(s.at_s, s.memory_mb + min(number, 60), s.files, s.threads, 4) for number, s in enumerate(samples(0, 0.5))
    ]
    assert figures(filling)["passed"]


def test_too_few_samples_give_no_slope() -> None:
    with pytest.raises(ValueError, match="needs 24"):
        slope([1.0] * (2 * BLOCKS - 1), [1.0] * (2 * BLOCKS - 1))
