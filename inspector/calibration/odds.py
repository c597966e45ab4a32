"""Log odds and probabilities, and the part's score from the logits of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.floating]
Floats = NDArray[np.float64]


def softmax(logits: Floats) -> Floats:
    """Return softmax over the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def sigmoid(values: Floats) -> Floats:
    """Return 1 / (1 + exp(-values)) without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -values)))


def logsumexp(values: Floats) -> Floats:
    """Return (N,) log of the sum of exponentials of each row (N, C), without overflow."""
    top = values.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(values - top).sum(axis=1)) + top[:, 0])


def defect_probability(probabilities: Floats, good_columns: Sequence[int]) -> Floats:
    """Return (N,) probability of any defect from class probabilities (N, C); 1 where no class is good."""
    is_good = column_mask(probabilities.shape[1], good_columns)
    if not is_good.any():
        return np.ones(len(probabilities))
    return np.asarray(probabilities[:, ~is_good].sum(axis=1))


def defect_score(logits: Logits, good_columns: Sequence[int]) -> Floats:
    """Return (N,) log odds of any defect against good: logsumexp(defects) - logsumexp(good)."""
    values = np.asarray(logits, np.float64)
    is_good = column_mask(values.shape[1], good_columns)
    if not is_good.any() or is_good.all():
        raise ValueError("a defect score needs at least one good and one defect class")
    return np.asarray(logsumexp(values[:, ~is_good]) - logsumexp(values[:, is_good]))


def column_mask(columns: int, chosen: Sequence[int]) -> NDArray[np.bool_]:
    """Return (columns,) that is true at the chosen ones; it is shared, and cannot be written to."""
    return _column_mask(columns, tuple(chosen))


@lru_cache(maxsize=64)
def _column_mask(columns: int, chosen: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(columns, dtype=bool)
    mask[list(chosen)] = True
    mask.flags.writeable = False
    return mask


def share(values: Floats) -> Floats:
    """Divide each row by its sum; an all-zero row (underflow) is shared evenly."""
    total = values.sum(axis=1, keepdims=True)
    return np.where(total > 0, values / np.where(total > 0, total, 1), 1 / values.shape[1])
