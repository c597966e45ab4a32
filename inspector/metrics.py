"""Figures of merit in plain numpy; each refuses an empty set instead of guessing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.integer]


def accuracy(labels: Labels, predicted: Labels) -> float:
    """Share of parts whose predicted class is the labelled one. Both (N,)."""
    _require(len(labels), "accuracy")
    return float(np.mean(labels == predicted))


def confusion(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): row = labelled, column = predicted."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def macro_f1(counts: NDArray[np.int64]) -> float:
    """Mean F1 over the classes that occur, labelled or predicted, in a confusion matrix (C, C)."""
    hits, labelled, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    present = (labelled + predicted) > 0
    _require(int(present.sum()), "macro F1")
    return float(np.mean(2 * hits[present] / (labelled + predicted)[present]))


def auroc(scores: Floats, is_defect: NDArray[np.bool_]) -> float:
    """Probability that a defective part scores above a good one, ties counting half (Hanley and McNeil 1982)."""
    n_defect, n_good = int(is_defect.sum()), int((~is_defect).sum())
    if n_defect == 0 or n_good == 0:
        raise ValueError("AUROC needs good and defective parts")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = (last - (counts - 1) / 2)[place]
    return float((rank[is_defect].sum() - n_defect * (n_defect + 1) / 2) / (n_defect * n_good))


def average_precision(scores: Floats, is_defect: NDArray[np.bool_]) -> float:
    """Mean over defective parts of the precision at their score, without interpolation; equal scores count together.

    As scikit-learn's `average_precision_score`: sum of precision times the step in recall at each distinct score.
    """
    if not is_defect.any():
        raise ValueError("average precision needs a defective part")
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(is_defect[order])[last]
    return float(np.sum(np.diff(hits, prepend=0) * hits / (last + 1)) / hits[-1])


def ece(confidence: Floats, correct: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error over equal-mass bins: mean |share correct - mean confidence|, weighted by count."""
    _require(len(confidence), "ECE")
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, min(bins, len(order))) if part.size]
    gaps = [part.size * abs(float(correct[part].mean()) - float(confidence[part].mean())) for part in parts]
    return float(sum(gaps) / len(order))


def brier(probabilities: Floats, labels: Labels) -> float:
    """Mean squared distance (Brier 1950) between class probabilities (N, C) and the labelled class; 0 to 2."""
    _require(len(labels), "Brier score")
    truth = np.eye(probabilities.shape[1])[labels]
    return float(np.mean(np.sum((probabilities - truth) ** 2, axis=1)))


def _require(n: int, what: str) -> None:
    if n == 0:
        raise ValueError(f"{what} needs at least one part")
