from __future__ import annotations

import numpy as np
import pytest

from inspector.dataset import Sample
from training.embed.matching import choose_references, fit_match
from training.embed.metric import learn_metric


def cloud(rng: np.random.Generator, centres: np.ndarray, each: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Parts whose first feature varies widely within every variant, and says nothing."""
    noise = rng.normal(size=(len(centres) * each, centres.shape[1])) * np.array([20.0, 1.0, 1.0])
    return np.repeat(centres, each, axis=0) + noise, np.repeat(np.arange(len(centres)), each)


def test_the_scatter_within_variants_becomes_a_sphere() -> None:
    features, labels = cloud(np.random.default_rng(0), np.array([[0, 0, 0], [0, 6, 0], [0, 0, 6.0]]))
    weight, bias = learn_metric(features, labels, np.ones(3), 3, 1e-6)
    mapped = features @ weight.T + bias
    inner = np.concatenate([mapped[labels == k] - mapped[labels == k].mean(axis=0) for k in range(3)])
    assert np.cov(inner.T, bias=True) == pytest.approx(np.eye(3), abs=1e-3)


def test_what_varies_within_variants_counts_little_for_unseen_ones_too() -> None:
    rng = np.random.default_rng(1)
    features, labels = cloud(rng, np.array([[0, 0, 0], [0, 6, 0.0]]))
    weight, _ = learn_metric(features, labels, np.ones(3), 3, 0.01)
    along_noise, across = np.linalg.norm(weight @ [20, 0, 0]), np.linalg.norm(weight @ [0, 0, 20])
    assert across > 10 * along_noise


def test_a_feature_that_never_varies_does_no_harm() -> None:
    features, labels = cloud(np.random.default_rng(2), np.array([[0, 0, 0], [0, 6, 0.0]]))
    features[:, 2] = 7.0
    weight, bias = learn_metric(features, labels, np.ones(3), 3, 0.1)
    assert weight.shape == (2, 3)
    assert np.isfinite(weight).all()
    assert np.isfinite(bias).all()


def test_a_metric_of_one_variant_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two variants"):
        learn_metric(np.ones((4, 3)), np.zeros(4, np.int64), np.ones(3), 2, 0.1)


def sample(name: str, label: str, group: str) -> Sample:
    from pathlib import Path

    return Sample(name, Path(name), "train", label, group, None, None, {})


def test_references_are_of_different_groups_and_leave_parts_to_judge() -> None:
    samples = [sample(str(i), "a" if i < 6 else "b", f"g{i // 2}") for i in range(10)]
    chosen = choose_references(samples, 8)
    assert chosen == {"a": (0, 2, 4), "b": (6, 8)}


def test_match_probability_is_at_even_odds_whatever_the_shares_of_the_pairs() -> None:
    """Embeddings that say nothing must give one half, although most pairs are of different variants."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(60, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    platt = fit_match(rows, [sample(str(i), f"v{i % 6}", f"g{i}") for i in range(60)], 1, 0)
    assert 1 / (1 + np.exp(-platt.intercept)) == pytest.approx(0.5, abs=0.1)
