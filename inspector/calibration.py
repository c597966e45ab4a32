"""Probabilities that mean what they say: temperature and Platt scaling, fitted on the quantised model's outputs.

Class probabilities are softmax(logits / T) (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017). Where
there are good and defective parts, the defect probability is Platt's sigmoid of the defect score (Platt 1999, with his
smoothed targets against overconfidence on few parts), and the class probabilities are rescaled to agree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.documents import Document
from inspector.novelty import Novelty

Logits = NDArray[np.floating]
Floats = NDArray[np.float64]

_LOG_T_LIMIT = 4.0


class Platt(Document):
    """defect probability = 1 / (1 + exp(-(slope * score + intercept)))."""

    slope: float = Field(ge=0, description="a greater score is never less probable to be defective")
    intercept: float = Field(description="log odds at score 0")


class Calibration(Document):
    """How one precision's logits become probabilities."""

    temperature: float = Field(gt=0, description="divides the logits before softmax")
    platt: Platt | None = Field(
        default=None, description="defect score to defect probability; unset without good parts"
    )
    n: int = Field(ge=1, description="parts it was fitted on, none of them used in training")
    n_defect: int = Field(ge=0, description="defective ones among them")
    labels: tuple[Platt, ...] = Field(
        default=(), description="classify with several labels per part: logit to probability of each"
    )
    novelty: Novelty | None = Field(
        default=None, description="classify: distance from the training set to share of parts less unlike it"
    )
    references: dict[str, tuple[tuple[float, ...], ...]] = Field(
        default_factory=dict, description="embed: embeddings of the training set's variants, of unit length"
    )

    def probabilities(self, logits: Logits, good_columns: Sequence[int]) -> Floats:
        """Return class probabilities (N, C) of raw logits (N, C)."""
        classes = softmax(np.asarray(logits, np.float64) / self.temperature)
        if self.platt is None or not good_columns or len(good_columns) == classes.shape[1]:
            return classes
        defective = sigmoid(self.platt.slope * defect_score(logits, good_columns) + self.platt.intercept)
        is_good = _column_mask(classes.shape[1], good_columns)
        rescaled = np.empty_like(classes)
        rescaled[:, is_good] = _share(classes[:, is_good]) * (1 - defective)[:, None]
        rescaled[:, ~is_good] = _share(classes[:, ~is_good]) * defective[:, None]
        return rescaled

    def part_probability(self, scores: Floats) -> Floats:
        """Return (N,) defect probability of a part's raw scores (N,), for tasks that give one score for a part."""
        if self.platt is None:
            raise ValueError("a part's score becomes a probability by Platt scaling only, and none was fitted")
        return sigmoid(self.platt.slope * np.asarray(scores, np.float64) + self.platt.intercept)


def defect_probability(probabilities: Floats, good_columns: Sequence[int]) -> Floats:
    """Return (N,) probability of any defect from class probabilities (N, C); 1 where no class is good."""
    is_good = _column_mask(probabilities.shape[1], good_columns)
    if not is_good.any():
        return np.ones(len(probabilities))
    return np.asarray(probabilities[:, ~is_good].sum(axis=1))


def defect_score(logits: Logits, good_columns: Sequence[int]) -> Floats:
    """Return (N,) log odds of any defect against good: logsumexp(defects) - logsumexp(good)."""
    values = np.asarray(logits, np.float64)
    is_good = _column_mask(values.shape[1], good_columns)
    if not is_good.any() or is_good.all():
        raise ValueError("a defect score needs at least one good and one defect class")
    return np.asarray(_logsumexp(values[:, ~is_good]) - _logsumexp(values[:, is_good]))


def fit_temperature(logits: Logits, labels: NDArray[np.integer]) -> float:
    """Return the temperature of least log loss. Logits (N, C), labels (N,) class numbers.

    The loss is convex in 1/T; golden-section search over log T in [-4, 4] keeps a perfectly separated set finite.
    """
    values = np.asarray(logits, np.float64)
    if len(values) == 0 or len(values) != len(labels):
        raise ValueError(
            f"temperature needs as many labels as logits and at least one, got {len(labels)}, {len(values)}"
        )
    rows = np.arange(len(labels))

    def loss(log_t: float) -> float:
        scaled = values / np.exp(log_t)
        return float(np.mean(_logsumexp(scaled) - scaled[rows, labels]))

    return float(np.exp(_golden_section(loss, -_LOG_T_LIMIT, _LOG_T_LIMIT)))


def fit_platt(scores: Floats, is_defect: NDArray[np.bool_]) -> Platt:
    """Fit slope and intercept by Newton's method on Platt's smoothed targets. Both arrays (N,).

    Follows Lin, Lin and Weng, "A note on Platt's probabilistic outputs" (Machine Learning 68, 2007), with the scores
    standardised first. A slope that would come out negative (scores that say nothing) is set to 0.
    """
    n_defect, n_good = int(np.sum(is_defect)), int(np.sum(~is_defect))
    if n_defect == 0 or n_good == 0:
        raise ValueError("Platt scaling needs good and defective parts")
    targets = np.where(is_defect, (n_defect + 1) / (n_defect + 2), 1 / (n_good + 2))
    scores = np.asarray(scores, np.float64)
    centre, spread = float(scores.mean()), float(scores.std()) or 1.0
    slope, intercept = _newton((scores - centre) / spread, targets)
    if slope < 0:
        rate = float(targets.mean())
        return Platt(slope=0.0, intercept=float(np.log(rate / (1 - rate))))
    return Platt(slope=slope / spread, intercept=intercept - slope * centre / spread)


def softmax(logits: Floats) -> Floats:
    """Return softmax over the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def sigmoid(values: Floats) -> Floats:
    """Return 1 / (1 + exp(-values)) without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -values)))


def _newton(x: Floats, targets: Floats) -> tuple[float, float]:
    design = np.stack([x, np.ones_like(x)], axis=1)
    weights = np.zeros(2)
    for _ in range(100):
        p = sigmoid(design @ weights)
        gradient = design.T @ (p - targets)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
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


def _golden_section(loss: Callable[[float], float], low: float, high: float) -> float:
    ratio = (np.sqrt(5.0) - 1) / 2
    a, b = low, high
    c, d = b - ratio * (b - a), a + ratio * (b - a)
    at_c, at_d = loss(c), loss(d)
    while b - a > 1e-7:
        if at_c < at_d:
            b, d, at_d = d, c, at_c
            c = b - ratio * (b - a)
            at_c = loss(c)
        else:
            a, c, at_c = c, d, at_d
            d = a + ratio * (b - a)
            at_d = loss(d)
    return float((a + b) / 2)


def _logsumexp(values: Floats) -> Floats:
    top = values.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(values - top).sum(axis=1)) + top[:, 0])


def _column_mask(columns: int, chosen: Sequence[int]) -> NDArray[np.bool_]:
    mask = np.zeros(columns, dtype=bool)
    mask[list(chosen)] = True
    return mask


def _share(values: Floats) -> Floats:
    """Divide each row by its sum; an all-zero row (underflow) is shared evenly."""
    total = values.sum(axis=1, keepdims=True)
    return np.where(total > 0, values / np.where(total > 0, total, 1), 1 / values.shape[1])
