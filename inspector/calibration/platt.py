"""Platt scaling: a sigmoid of the score, with his smoothed targets against overconfidence on few parts (Platt 1999)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.calibration.checks import require_labelled
from inspector.calibration.odds import Floats, sigmoid
from inspector.documents import Document

MOST_STEPS = 100
RIDGE = 1e-9
"""Keeps Newton's matrix invertible where scores are all the same."""


class Platt(Document):
    """defect probability = 1 / (1 + exp(-(slope * score + intercept)))."""

    slope: float = Field(ge=0, description="a greater score is never less probable to be defective")
    intercept: float = Field(description="log odds at score 0")

    def probability(self, scores: Floats) -> Floats:
        """Return (N,) defect probability of scores (N,)."""
        return sigmoid(self.slope * np.asarray(scores, np.float64) + self.intercept)


def fit_platt(scores: Floats, is_defect: NDArray[np.bool_]) -> Platt:
    """Fit slope and intercept by Newton's method on Platt's smoothed targets. Both arrays (N,).

    Follows Lin, Lin and Weng, "A note on Platt's probabilistic outputs" (Machine Learning 68, 2007), with the scores
    standardised first. A slope that would come out negative (scores that say nothing) is set to 0.
    """
    scores = np.asarray(scores, np.float64)
    require_labelled(scores, is_defect)
    targets = smoothed_targets(is_defect)
    centre, spread = float(scores.mean()), float(scores.std()) or 1.0
    slope, intercept = _newton((scores - centre) / spread, targets)
    if slope < 0:
        rate = float(targets.mean())
        return Platt(slope=0.0, intercept=float(np.log(rate / (1 - rate))))
    return Platt(slope=slope / spread, intercept=intercept - slope * centre / spread)


def smoothed_targets(is_defect: NDArray[np.bool_]) -> Floats:
    """Return (N,) targets: (defective + 1) / (defective + 2), and 1 / (good + 2), instead of 1 and 0."""
    n_defect, n_good = int(np.sum(is_defect)), int(np.sum(~is_defect))
    return np.where(is_defect, (n_defect + 1) / (n_defect + 2), 1 / (n_good + 2))


def _newton(x: Floats, targets: Floats) -> tuple[float, float]:
    design = np.stack([x, np.ones_like(x)], axis=1)
    weights = np.zeros(2)
    for _ in range(MOST_STEPS):
        p = sigmoid(design @ weights)
        gradient = design.T @ (p - targets)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + RIDGE * np.eye(2)
        step = _backtrack(design, targets, weights, np.asarray(np.linalg.solve(hessian, gradient), np.float64))
        weights = weights - step
        if np.abs(step).max() < 1e-10:
            break
    return float(weights[0]), float(weights[1])


def _backtrack(design: Floats, targets: Floats, weights: Floats, step: Floats) -> Floats:
    def loss(w: Floats) -> float:
        z = design @ w
        return float(np.sum(np.logaddexp(0.0, z) - targets * z))

    start = loss(weights)
    while loss(weights - step) > start and np.abs(step).max() > 1e-12:
        step = step / 2
    return step
