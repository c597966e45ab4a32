from __future__ import annotations

import numpy as np
import pytest
import torch

from training.novelty import SHARES, TextureGuard, class_reach, steady_weights


class Plain(TextureGuard):
    """One number per part, given as the mean of a tap's only channel."""

    def measure(self, values: list[float]) -> list[float]:
        return self.forward([torch.tensor(values)[:, None, None, None]]).tolist()


def head(means: list[float], reach: list[float]) -> Plain:
    return Plain(np.array([[1.0, 0.0]]), np.zeros(1), np.array(means)[:, None], np.array(reach))


def test_distance_is_from_the_nearest_class_over_its_own_reach() -> None:
    assert head([0.0, 10.0], [1.0, 5.0]).measure([0.5, 2.0, 14.0]) == pytest.approx([0.5, 2.0, 0.8])


def test_a_wide_class_does_not_swallow_what_lies_nearer_to_a_narrow_one() -> None:
    assert head([0.0, 10.0], [0.1, 100.0]).measure([4.0]) == pytest.approx([40.0])


def test_a_class_reaches_as_far_as_most_of_its_parts() -> None:
    rng = np.random.default_rng(0)
    places = np.concatenate([rng.normal(0, 1, (400, 1)), rng.normal(20, 3, (400, 1))])
    labels = np.repeat([0, 4], 400)
    reach = class_reach(places, labels, np.array([[0.0], [20.0]]))
    assert reach == pytest.approx([1.96 * 1.3, 1.96 * 3], rel=0.15)


def test_a_class_of_one_part_has_some_reach() -> None:
    places = np.concatenate([np.random.default_rng(0).normal(0, 1, (100, 2)), [[9.0, 9.0]]])
    means = np.stack([places[:100].mean(axis=0), places[100]])
    reach = class_reach(places, np.repeat([0, 1], [100, 1]), means)
    assert reach[1] == pytest.approx(reach[0] / 2, rel=0.1)


def test_a_statistic_that_hardly_varies_counts_for_little() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (200, 6)) * np.array([1.0, 1e-3, 5.0, 5.0, 2.0, 2.0])
    weights = steady_weights(features, [1, 1, 1])
    assert weights[1] < weights[0] / 100
    assert weights[2] == pytest.approx(weights[3], rel=0.2)


def test_the_last_tap_counts_half_as_much_as_each_of_the_others() -> None:
    features = np.random.default_rng(0).normal(0, 1, (2000, 12))
    weights = steady_weights(features, [2, 2, 2])
    shares = [np.linalg.norm(one) for one in np.split(weights, 3)]
    assert np.array(shares) / shares[0] == pytest.approx(np.array(SHARES), rel=0.05)


def test_statistics_that_never_vary_count_for_nothing() -> None:
    assert steady_weights(np.ones((10, 6)), [1, 1, 1]).tolist() == [0.0] * 6
