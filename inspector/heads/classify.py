"""Classification: logits to calibrated class probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Manifest
from inspector.calibration import Calibration, defect_probability
from inspector.heads import output
from inspector.preprocess import Placement
from inspector.runtimes import Outputs
from inspector.values import Prediction


class ClassifyHead:
    """Reads `logits` (N, C), classes in the manifest's order."""

    def __init__(self, manifest: Manifest, calibration: Calibration) -> None:
        self.classes, self.good_columns = manifest.classes, manifest.good_columns
        self.calibration = calibration

    def predict(self, outputs: Outputs, placements: Sequence[Placement]) -> list[Prediction]:
        logits = output(outputs, "logits", (len(self.classes),))
        probabilities = self.calibration.probabilities(logits, self.good_columns)
        defective = np.clip(defect_probability(probabilities, self.good_columns), 0.0, 1.0)
        return [self._prediction(*row) for row in zip(logits, probabilities, defective, strict=True)]

    def _prediction(
        self, logits: NDArray[np.float64], probabilities: NDArray[np.float64], defective: np.float64
    ) -> Prediction:
        label = self.classes[int(probabilities.argmax())]
        return Prediction(label, tuple(probabilities.tolist()), float(defective), tuple(logits.tolist()))
