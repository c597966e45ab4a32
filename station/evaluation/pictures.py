"""A part as it is, with what is known of it, and as the network saw it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Manifest
from inspector.figures import JudgedPart
from inspector.overlay import draw_heat
from inspector.preprocess import read_image
from inspector.truth import has_mask, read_boxes, read_mask
from inspector.values import Finding, Image
from station import pages

_SIDE_PX = 380
_FOUND = (0, 94, 213)
_TRUE = (255, 255, 255)
_STRONGEST = 12
"""Findings drawn, the most probable first."""


def true_picture(part: JudgedPart) -> str:
    """Return the picture with the outline of its true defects, as JPEG in base64."""
    image = read_image(part.sample.path)
    shown, scale = _small(image)
    if not part.is_defect:
        return pages.jpeg(shown)
    if has_mask(part.sample):
        _outline(shown, read_mask(part.sample, image.shape[:2]))
    else:
        for box in read_boxes(part.sample, image.shape[:2]).xyxy:
            _frame(shown, box * scale, _TRUE)
    return pages.jpeg(shown)


def seen_picture(part: JudgedPart, manifest: Manifest) -> str | None:
    """Return the picture with heat and findings; None where the network shows no place."""
    heat, findings = part.prediction.heat, part.prediction.findings
    if heat is None and not findings:
        return None
    image = read_image(part.sample.path)
    shown, scale = _small(image if heat is None else draw_heat(image, heat, part.placement, manifest.input))
    for finding in sorted(findings, key=lambda finding: -finding.probability)[:_STRONGEST]:
        _draw_finding(shown, finding, scale)
    return pages.jpeg(shown)


def _small(image: Image) -> tuple[Image, float]:
    """Return (h, w, 3) with its longer side at 380 px, and the scale; small pictures are enlarged."""
    scale = _SIDE_PX / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return np.asarray(small if small.ndim == 3 else cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), np.uint8), scale


def _outline(shown: Image, mask: NDArray[np.bool_]) -> None:
    size = (shown.shape[1], shown.shape[0])
    small = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    grown = cv2.dilate((small > 0).astype(np.uint8), np.ones((5, 5), np.uint8))
    outlines, _ = cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(shown, outlines, -1, (0, 0, 0), 3)
    cv2.drawContours(shown, outlines, -1, _TRUE, 1)


def _frame(shown: Image, box: NDArray[np.float64], colour: tuple[int, int, int]) -> tuple[int, int]:
    x1, y1, x2, y2 = (round(float(side)) for side in box)
    cv2.rectangle(shown, (x1, y1), (x2, y2), (0, 0, 0), 3)
    cv2.rectangle(shown, (x1, y1), (x2, y2), colour, 1)
    return x1, y1


def _draw_finding(shown: Image, finding: Finding, scale: float) -> None:
    corners = np.array((finding.x, finding.y, finding.x + finding.width, finding.y + finding.height)) * scale
    x, y = _frame(shown, corners, _FOUND)
    place = (max(x, 1), y - 4 if y > 12 else y + 12)
    text = f"{finding.label} {finding.probability:.2f}"
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(shown, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, colour, width, cv2.LINE_AA)
