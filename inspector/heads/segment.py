"""Segmentation: mask, kinds and score of a part to regions with their size in the frame, the largest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Manifest
from inspector.calibration import Calibration, softmax
from inspector.heads import novelties, output
from inspector.preprocess import Placement
from inspector.runtimes import Outputs
from inspector.values import Finding, Prediction

Map = NDArray[np.float32]

MASK_ABOVE, LEAST_PX, MOST = "mask_above", "least_px", "most"
DEFAULTS = {MASK_ABOVE: 0.5, LEAST_PX: 4.0, MOST: 100.0}
"""What `manifest.reading` may set: probability above which a pixel is defective, smallest region in px of the input,
most regions of a picture."""


def mask_above(manifest: Manifest) -> float:
    """Return the probability above which a pixel counts as defective."""
    return manifest.reading.get(MASK_ABOVE, DEFAULTS[MASK_ABOVE])


class SegmentHead:
    """Reads `mask` (N, 1, h, w), probability of any defect; `kinds` (N, K, h', w'), logits; `score` (N,), a logit.

    `distance` (N,), if any, is that of the open-set guard. K are the manifest's classes. The part's probability comes
    from `score`, whatever the mask shows.
    """

    def __init__(self, manifest: Manifest, calibration: Calibration) -> None:
        self.classes, self.good, self.calibration = manifest.classes, manifest.good, calibration
        reading = {**DEFAULTS, **manifest.reading}
        self.mask_above, self.least_px, self.most = reading[MASK_ABOVE], reading[LEAST_PX], int(reading[MOST])
        self.size = (manifest.input.width, manifest.input.height)

    def predict(self, outputs: Outputs, placements: Sequence[Placement]) -> list[Prediction]:
        masks = output(outputs, "mask", (1, None, None))[:, 0].astype(np.float32)
        kinds = output(outputs, "kinds", (len(self.classes), None, None))
        scores = output(outputs, "score", ())
        defective = self.calibration.part_probability(scores)
        novelty = novelties(outputs, self.calibration, len(masks))
        rows = zip(masks, kinds, scores, defective, placements, novelty, strict=True)
        return [self._prediction(*row) for row in rows]

    def _prediction(
        self,
        mask: Map,
        kinds: NDArray[np.float64],
        score: float,
        defective: float,
        place: Placement,
        novelty: float | None,
    ) -> Prediction:
        shares = softmax(kinds.transpose(1, 2, 0))
        probabilities = _mean_kind(shares, mask) * float(defective)
        named = self.good[0] if self.good and defective < 0.5 else self.classes[int(probabilities.argmax())]
        findings = tuple(self._findings(mask, shares, place)) if mask.max() > self.mask_above else ()
        heat = mask.clip(0, 1)
        shares_of_kinds, scores = tuple(probabilities.tolist()), (float(score),)
        return Prediction(named, shares_of_kinds, float(defective), scores, findings, novelty, heat=heat)

    def _findings(self, mask: Map, shares: NDArray[np.float64], place: Placement) -> Iterator[Finding]:
        wide = cv2.resize(mask, self.size, interpolation=cv2.INTER_LINEAR)
        _, regions, stats, _ = cv2.connectedComponentsWithStats((wide > self.mask_above).astype(np.uint8))
        largest_first = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[: self.most] + 1
        for number in largest_first.tolist():
            left, top, width, height, area = (int(value) for value in stats[number])
            x1, y1, x2, y2 = place.boxes_to_frame(np.array([[left, top, left + width, top + height]]))[0].tolist()
            if area < self.least_px or x2 <= x1 or y2 <= y1:
                continue
            region = regions == number
            inside = region[top : top + height, left : left + width].astype(np.uint8)
            yield Finding(
                label=self.classes[int(_mean_kind(shares, region.astype(np.float32)).argmax())],
                probability=float(min(1.0, wide[region].max())),
                x=x1,
                y=y1,
                width=x2 - x1,
                height=y2 - y1,
                area_px=area * place.scale_x * place.scale_y,
                longest_px=longest_side(inside, place.scale_x, place.scale_y),
            )


def longest_side(region: NDArray[np.uint8], scale_x: float, scale_y: float) -> float:
    """Longer side of the smallest turned rectangle around the pixels of `region` (h, w), each scale_x by scale_y large.

    Pixels are squares, not points: one of them alone is one pixel long.
    """
    outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    centres = np.concatenate(outlines)[:, 0].astype(np.float64)
    corners = np.concatenate([centres + np.array([dx, dy]) for dx in (-0.5, 0.5) for dy in (-0.5, 0.5)])
    _, sides, _ = cv2.minAreaRect((corners * np.array([scale_x, scale_y])).astype(np.float32))
    return float(max(sides))


def _mean_kind(shares: NDArray[np.float64], weight: Map) -> NDArray[np.float64]:
    """Mean over the map of the kinds' shares (h', w', K), weighed by `weight` of any size; (K,) that sum to 1."""
    if shares.shape[2] == 1:
        return np.ones(1)
    size = (shares.shape[1], shares.shape[0])
    cells = cv2.resize(weight, size, interpolation=cv2.INTER_AREA) + np.float32(1e-9)
    return np.asarray((shares * cells[:, :, None]).sum((0, 1)) / cells.sum())
