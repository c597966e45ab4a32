"""What the network saw, drawn over the frame, so that a person can judge whether it looked at the right place."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.preprocess import InputSpec, Placement, heat_to_frame
from inspector.values import Finding, Image

STRONGEST = 0.6
"""Opacity where the heat is 1: the surface stays visible below it."""
BOX_BGR = (255, 255, 255)


def draw_heat(image: Image, heat: NDArray[np.floating], place: Placement, spec: InputSpec) -> Image:
    """Return the frame (H, W, 3) BGR with a map (h, w) of 0..1 over the network's input laid on it, cold to hot."""
    spread = np.clip(heat_to_frame(heat, place, spec), 0.0, 1.0)
    colours = cv2.applyColorMap(np.rint(spread * 255).astype(np.uint8), cv2.COLORMAP_INFERNO).astype(np.float32)
    opacity = (STRONGEST * spread)[:, :, None]
    return np.asarray(np.rint(_bgr(image) * (1 - opacity) + colours * opacity), np.uint8)


def draw_findings(image: Image, findings: Sequence[Finding]) -> Image:
    """Return the frame (H, W, 3) BGR with each finding's box, label and probability."""
    drawn = _bgr(image).copy()
    for finding in findings:
        left, top = round(finding.x), round(finding.y)
        corner = (round(finding.x + finding.width), round(finding.y + finding.height))
        cv2.rectangle(drawn, (left, top), corner, BOX_BGR, 1)
        text = f"{finding.label} {finding.probability:.2f}"
        cv2.putText(drawn, text, (left, max(top - 3, 9)), cv2.FONT_HERSHEY_SIMPLEX, 0.35, BOX_BGR, 1, cv2.LINE_AA)
    return drawn


def _bgr(image: Image) -> Image:
    if image.ndim == 3 and image.shape[2] == 3:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
