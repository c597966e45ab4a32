"""Detection: the cells' boxes and scores to findings in frame pixels, doubles suppressed, strongest first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.boxes import suppress, vote
from inspector.bundle import Manifest
from inspector.calibration import Calibration
from inspector.heads import novelties, output
from inspector.preprocess import Placement
from inspector.runtimes import Outputs
from inspector.values import Finding, Prediction

SCORE_ABOVE, DOUBLE_ABOVE, VOTE_ABOVE, MOST = "score_above", "double_above", "vote_above", "most"
DEFAULTS = {SCORE_ABOVE: 0.05, DOUBLE_ABOVE: 0.4, VOTE_ABOVE: 0.5, MOST: 100.0}
"""What `manifest.reading` may set: least score of a finding, IoU from which two are doubles, IoU from which a double
has a say in the box of the one that stays, most findings of a picture."""
CANDIDATES = 500
LEAST_SCORE = 1e-6


class DetectHead:
    """Reads `boxes` (N, A, 4), x1, y1, x2, y2 in px of the input, and `scores` (N, A, C) 0..1; `distance` (N,) if any.

    The part's raw score is the log odds of its strongest cell: no threshold is between it and the network.
    """

    def __init__(self, manifest: Manifest, calibration: Calibration) -> None:
        self.classes, self.good, self.calibration = manifest.classes, manifest.good, calibration
        reading = {**DEFAULTS, **manifest.reading}
        self.score_above, self.most = reading[SCORE_ABOVE], int(reading[MOST])
        self.double_above, self.vote_above = reading[DOUBLE_ABOVE], reading[VOTE_ABOVE]

    def predict(self, outputs: Outputs, placements: Sequence[Placement]) -> list[Prediction]:
        boxes = output(outputs, "boxes", (None, 4))
        scores = output(outputs, "scores", (None, len(self.classes)))
        novelty = novelties(outputs, self.calibration, len(boxes))
        return [self._prediction(*row) for row in zip(boxes, scores, placements, novelty, strict=True)]

    def _prediction(
        self, boxes: NDArray[np.float64], scores: NDArray[np.float64], place: Placement, novelty: float | None
    ) -> Prediction:
        strongest = scores.max(axis=0)
        top = min(max(float(strongest.max()), LEAST_SCORE), 1 - LEAST_SCORE)
        raw = float(np.log(top / (1 - top)))
        defective = self._defect_probability(raw, top)
        named = self.good[0] if self.good and defective < 0.5 else self.classes[int(strongest.argmax())]
        findings = self._findings(boxes, scores, place)
        return Prediction(named, tuple(strongest.tolist()), defective, (raw,), findings, novelty)

    def _defect_probability(self, raw: float, top: float) -> float:
        """Without good parts there is no calibration, and the strongest score is all that is known."""
        if self.calibration.platt is None:
            return top
        return float(self.calibration.part_probability(np.array([raw]))[0])

    def _findings(
        self, boxes: NDArray[np.float64], scores: NDArray[np.float64], place: Placement
    ) -> tuple[Finding, ...]:
        cells, kinds = np.nonzero(scores > self.score_above)
        found = scores[cells, kinds]
        best = np.argsort(-found, kind="stable")[:CANDIDATES]
        corners, kinds, found = boxes[cells[best]], kinds[best], found[best]
        kept = suppress(corners, found, kinds, self.double_above)[: self.most]
        corners = place.boxes_to_frame(vote(corners, found, kinds, kept, self.vote_above))
        rows = zip(kinds[kept].tolist(), found[kept].tolist(), corners.tolist(), strict=True)
        return tuple(
            Finding(self.classes[kind], score, x1, y1, x2 - x1, y2 - y1) for kind, score, (x1, y1, x2, y2) in rows
        )
