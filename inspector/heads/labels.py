"""Classification with several labels per part: a calibrated yes or no for each, and one for the part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.calibration import Calibration, Platt, sigmoid
from inspector.errors import BundleError
from inspector.labels import join_labels

Floats = NDArray[np.float64]
YES = 0.5


def log_odds(logits: Floats, labels: Sequence[Platt]) -> Floats:
    """Return (N, C) calibrated log odds of each label; raise BundleError for another number of labels."""
    if len(labels) != logits.shape[1]:
        raise BundleError(f"calibration.json: labels: expected {logits.shape[1]}, found {len(labels)}")
    slopes, intercepts = (np.array([getattr(one, name) for one in labels]) for name in ("slope", "intercept"))
    return np.asarray(logits * slopes + intercepts)


def read_labels(
    logits: Floats, calibration: Calibration, classes: Sequence[str], good: Sequence[str]
) -> tuple[list[str], Floats, Floats]:
    """Return each part's cell of labels, the labels' probabilities (N, C), and the part's defect probability (N,).

    Without a good label every part has some defect; with one, a part below even odds of any label is good.
    """
    odds = log_odds(logits, calibration.labels)
    probabilities = sigmoid(odds)
    defective = np.ones(len(odds)) if calibration.platt is None else calibration.part_probability(odds.max(axis=1))
    cells = [_cell(row, classes, good) for row in probabilities]
    return cells, probabilities, defective


def _cell(probabilities: Floats, classes: Sequence[str], good: Sequence[str]) -> str:
    given = [name for name, share in zip(classes, probabilities, strict=True) if share >= YES]
    return join_labels(given) or (good[0] if good else classes[int(probabilities.argmax())])
