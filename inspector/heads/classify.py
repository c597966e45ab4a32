"""Classification: logits to calibrated class probabilities, with how new the part is and where its class shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Manifest
from inspector.calibration import Calibration, defect_probability
from inspector.heads import novelties, output
from inspector.heads.labels import read_labels
from inspector.preprocess import Placement
from inspector.runtimes import Outputs
from inspector.values import Prediction

Floats = NDArray[np.float64]


class ClassifyHead:
    """Reads `logits` (N, C), classes in the manifest's order; `distance` (N,) and `heat` (N, h, w) if any."""

    def __init__(self, manifest: Manifest, calibration: Calibration) -> None:
        self.classes, self.good_columns = manifest.classes, manifest.good_columns
        self.several, self.good, self.calibration = manifest.several, manifest.good, calibration

    def predict(self, outputs: Outputs, placements: Sequence[Placement]) -> list[Prediction]:
        logits = output(outputs, "logits", (len(self.classes),))
        labels, probabilities, defective = self._read(logits)
        novelty, heat = novelties(outputs, self.calibration, len(logits)), _heat(outputs)
        return [
            Prediction(
                label=labels[i],
                class_probabilities=tuple(probabilities[i].tolist()),
                defect_probability=float(defective[i]),
                scores=tuple(logits[i].tolist()),
                novelty=novelty[i],
                heat=None if heat is None else heat[i],
            )
            for i in range(len(logits))
        ]

    def _read(self, logits: Floats) -> tuple[list[str], Floats, Floats]:
        """Labels, class probabilities (N, C) and defect probabilities (N,)."""
        if self.several:
            return read_labels(logits, self.calibration, self.classes, self.good)
        probabilities = self.calibration.probabilities(logits, self.good_columns)
        defective = np.clip(defect_probability(probabilities, self.good_columns), 0.0, 1.0)
        return [self.classes[i] for i in probabilities.argmax(axis=1)], probabilities, defective


def _heat(outputs: Outputs) -> NDArray[np.float32] | None:
    if "heat" not in outputs:
        return None
    return np.clip(output(outputs, "heat", (None, None)), 0.0, 1.0).astype(np.float32)
