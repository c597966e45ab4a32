"""Anomaly detection: a raw score and a map of distances to a calibrated probability and a heat map.

The network was taught good parts only. Its probability is as good as what calibrated it: with defective parts, the
calibration that was chosen; without any, an assumption that orders parts and is no statement (see
`training.scoring.calibrate_scores`). What good parts alone do support is the conformal p-value: limits are set on it
until there are labelled defects.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Manifest
from inspector.calibration import Calibration
from inspector.heads import output
from inspector.preprocess import Placement
from inspector.runtimes import Outputs
from inspector.values import Prediction


class AnomalyHead:
    """Reads `score` (N,) and `map` (N, h, w), both raw distances: larger is stranger.

    The network does not tell kinds of defects apart, so none is named: a part's label is the good class or `defect`.
    """

    def __init__(self, manifest: Manifest, calibration: Calibration) -> None:
        self.good = manifest.good[0] if manifest.good else "good"
        self.kinds = len(manifest.classes)
        self.calibration = calibration
        self.doubtful = _doubtful(calibration)

    def predict(self, outputs: Outputs, placements: Sequence[Placement]) -> list[Prediction]:
        scores = output(outputs, "score", ())
        maps = output(outputs, "map", (None, None))
        defective = self.calibration.part_probability(scores)
        strange = self.calibration.p_value(scores)
        p_values = [None] * len(scores) if strange is None else strange.tolist()
        return [self._prediction(*row) for row in zip(scores, maps, defective, p_values, strict=True)]

    def _prediction(
        self, score: float, distances: NDArray[np.float64], defective: float, p_value: float | None
    ) -> Prediction:
        return Prediction(
            label=self.good if defective < 0.5 else "defect",
            class_probabilities=self._classes(defective),
            defect_probability=float(defective),
            scores=(float(score),),
            p_value=p_value,
            heat=self.heat(distances),
        )

    def heat(self, distances: NDArray[np.float64]) -> NDArray[np.float32]:
        """Distance d as d / (d + d0): 0.5 at the score d0 at which a part is as probably defective as good.

        The probability itself would be 1.0 all over a defect, and no longer tell its worst place.
        """
        above = np.maximum(distances, 0.0)
        return np.asarray(above / (above + self.doubtful), np.float32)

    def _classes(self, defective: float) -> tuple[float, ...]:
        """The probability is shared alike by the kinds, since the network does not tell them apart."""
        return (float(defective) / self.kinds,) * self.kinds


def _doubtful(calibration: Calibration) -> float:
    """Score of probability 0.5; 1 where no positive score has it."""
    platt = calibration.platt
    if platt is None or platt.slope <= 0 or platt.intercept >= 0:
        return 1.0
    return -platt.intercept / platt.slope
