"""Venn-Abers prediction: isotonic regression twice, once with the new part called good and once defective.

One of the two probabilities is perfectly calibrated, whatever the scores' distribution (Vovk, Petej and Fedorova,
"Large-scale probabilistic predictors with and without guarantees of validity", NIPS 2015; the inductive form).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from inspector.calibration.checks import require_labelled, require_varied
from inspector.calibration.isotonic import counted
from inspector.calibration.odds import Floats
from inspector.documents import Document

ROWS = 256
"""Rows of the table of means that are held at once: 20 MB for 10,000 distinct scores."""


class VennAbers(Document):
    """Two step functions of the score, each (M,): what it would be if the part were good, and if it were defective."""

    scores: tuple[float, ...] = Field(min_length=1, description="increasing")
    if_good: tuple[float, ...] = Field(description="p0 from this score on; 0 below the first")
    if_defective: tuple[float, ...] = Field(description="p1 up to this score; 1 above the last")

    @model_validator(mode="after")
    def _never_fall(self) -> Self:
        if (np.diff(self.scores) <= 0).any():
            raise ValueError("expected increasing scores")
        for name, values in (("if_good", self.if_good), ("if_defective", self.if_defective)):
            if len(values) != len(self.scores):
                raise ValueError(f"{name}: expected as many as scores, {len(self.scores)}")
            if (np.diff(values) < 0).any() or values[0] < 0 or values[-1] > 1:
                raise ValueError(f"{name}: expected probabilities within 0..1 that never fall")
        return self

    def interval(self, scores: Floats) -> tuple[Floats, Floats]:
        """Return p0 and p1, each (N,), of scores (N,)."""
        scores = np.asarray(scores, np.float64)
        low = np.array([0.0, *self.if_good])[np.searchsorted(self.scores, scores, "right")]
        high = np.array([*self.if_defective, 1.0])[np.searchsorted(self.scores, scores, "left")]
        return low, high

    def probability(self, scores: Floats) -> Floats:
        """Return (N,) the one probability p1 / (1 - p0 + p1) whose log loss is least at worst; never 0 or 1."""
        low, high = self.interval(scores)
        return np.asarray(high / (1 - low + high))


def fit_venn_abers(scores: Floats, is_defect: NDArray[np.bool_]) -> VennAbers:
    """Fit on scores and truths (N,) of both kinds."""
    scores = np.asarray(scores, np.float64)
    require_labelled(scores, is_defect)
    require_varied(scores)
    at, defects, parts = counted(scores, is_defect)
    low, high = (with_one_more(defects, parts, label) for label in (0.0, 1.0))
    kept = np.ones(len(at), bool)
    kept[1:-1] = (np.diff(low)[:-1] != 0) | (np.diff(high)[1:] != 0)
    return VennAbers(
        scores=tuple(at[kept].tolist()), if_good=tuple(low[kept].tolist()), if_defective=tuple(high[kept].tolist())
    )


def with_one_more(defects: Floats, parts: Floats, label: float, rows: int = ROWS) -> Floats:
    """Return (M,) isotonic regression at each of M scores after one more part of this `label` was added there.

    By the max-min formula (Robertson, Wright and Dykstra, "Order Restricted Statistical Inference", 1988): the largest
    over starts a <= i of the least over ends b >= i of the mean from a to b.
    """
    m = len(parts)
    hits, count = (np.concatenate([[0.0], np.cumsum(one)]) for one in (defects, parts))
    best = np.full(m, -np.inf)
    for start in range(0, m, rows):
        a = np.arange(start, min(start + rows, m))[:, None]
        b = np.arange(m)[None]
        with np.errstate(divide="ignore", invalid="ignore"):
            means = (hits[1:] - hits[a] + label) / (count[1:] - count[a] + 1)
        least = np.minimum.accumulate(np.where(b < a, np.inf, means)[:, ::-1], axis=1)[:, ::-1]
        best = np.maximum(best, np.where(b < a, -np.inf, least).max(axis=0))
    return np.asarray(np.maximum.accumulate(best))
