"""Isotonic regression: the best probability that never falls as the score grows, and takes no other shape for granted.

Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates" (KDD 2002).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from inspector.calibration.checks import require_labelled, require_varied
from inspector.calibration.odds import Floats
from inspector.documents import Document

PRIOR_PARTS = 1.0
"""Each block counts as many more parts, of the share of defects of the whole set: no block is ever sure."""


class Isotonic(Document):
    """Probability at knots, linear between them and flat beyond."""

    scores: tuple[float, ...] = Field(min_length=1, description="of the knots, increasing")
    probabilities: tuple[float, ...] = Field(min_length=1, description="at the knots, never falling, within 0..1")

    @model_validator(mode="after")
    def _never_falls(self) -> Self:
        if len(self.scores) != len(self.probabilities):
            raise ValueError(f"expected as many probabilities as scores, {len(self.scores)}")
        if (np.diff(self.scores) <= 0).any():
            raise ValueError("expected increasing scores")
        if (np.diff(self.probabilities) < 0).any() or self.probabilities[0] < 0 or self.probabilities[-1] > 1:
            raise ValueError("expected probabilities within 0..1 that never fall")
        return self

    def probability(self, scores: Floats) -> Floats:
        """Return (N,) defect probability of scores (N,); a score beyond the knots gets the nearest one's."""
        return np.asarray(np.interp(np.asarray(scores, np.float64), self.scores, self.probabilities))


def fit_isotonic(scores: Floats, is_defect: NDArray[np.bool_], prior_parts: float = PRIOR_PARTS) -> Isotonic:
    """Fit on scores and truths (N,) of both kinds.

    The share of a block of n parts, k of them defective, is (k + m r) / (n + m), with r the share of the whole set and
    m `prior_parts`; blocks that this puts out of order are pooled again. `prior_parts` of 0 is plain isotonic
    regression.
    """
    scores = np.asarray(scores, np.float64)
    require_labelled(scores, is_defect)
    require_varied(scores)
    at, defects, parts = counted(scores, is_defect)
    first = pool(defects / parts, parts)
    n, k = _sums(first, parts), _sums(first, defects)
    smooth = (k + prior_parts * is_defect.mean()) / (n + prior_parts)
    again = pool(smooth, n)
    means = np.maximum.accumulate(_sums(again, n * smooth) / _sums(again, n))
    return _knots(at, means[again][first], again[first])


def counted(scores: Floats, is_defect: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return the distinct scores in order, and at each the number of defective parts and of all; each (M,)."""
    at, place = np.unique(scores, return_inverse=True)
    return at, _sums(place, is_defect), _sums(place, np.ones(len(scores)))


def _sums(places: NDArray[np.integer], values: NDArray[np.generic]) -> Floats:
    """(K,) sums of the values (N,) at each place."""
    return np.bincount(places, values).astype(np.float64)


def pool(values: Floats, weights: Floats) -> NDArray[np.int64]:
    """Return (M,) block number of each value: the pool-adjacent-violators algorithm (Ayer et al. 1955).

    The weighted means of the blocks increase, and are the isotonic regression of `values`.
    """
    means: list[float] = []
    mass: list[float] = []
    sizes: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        size = 1
        while means and means[-1] >= value:
            before = mass.pop()
            value = (means.pop() * before + value * weight) / (before + weight)
            weight, size = weight + before, size + sizes.pop()
        means.append(value)
        mass.append(weight)
        sizes.append(size)
    return np.repeat(np.arange(len(sizes)), sizes)


def _knots(at: Floats, values: Floats, blocks: NDArray[np.int64]) -> Isotonic:
    """Both ends of each block: what lies between is on the line."""
    changes = np.diff(blocks) != 0
    ends = np.append(True, changes) | np.append(changes, True)
    return Isotonic(scores=tuple(at[ends].tolist()), probabilities=tuple(values[ends].tolist()))
