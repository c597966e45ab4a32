"""What the network saw, drawn over the frame, so that a person can judge whether it looked at the right place."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.preprocess import InputSpec, Placement, decode_image, heat_to_frame
from inspector.values import Finding, Image

SKETCH_PX = 96
"""Longer side of a heat map that is kept for persons: finer than most networks' own."""
STRONGEST = 0.6
"""Opacity where the heat is 1: the surface stays visible below it."""
BOX_BGR = (255, 255, 255)


def draw_heat(image: Image, heat: NDArray[np.floating], place: Placement, spec: InputSpec) -> Image:
    """Return the frame (H, W, 3) BGR with a map (h, w) of 0..1 over the network's input laid on it, cold to hot."""
    spread = np.clip(heat_to_frame(heat, place, spec), 0.0, 1.0)
    colours = cv2.applyColorMap(np.rint(spread * 255).astype(np.uint8), cv2.COLORMAP_INFERNO).astype(np.float32)
    opacity = (STRONGEST * spread)[:, :, None]
    return np.asarray(np.rint(_bgr(image) * (1 - opacity) + colours * opacity), np.uint8)


def heat_sketch(heat: NDArray[np.floating], place: Placement, spec: InputSpec) -> bytes:
    """Return a map (h, w) of 0..1 over the network's input as a grey PNG over the frame, SKETCH_PX at most."""
    share = min(1.0, SKETCH_PX / max(place.frame_width, place.frame_height))
    small = np.asarray(heat, np.float32)
    if max(small.shape) > SKETCH_PX:
        shrink = SKETCH_PX / max(small.shape)
        small = np.asarray(cv2.resize(small, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.float32)
    spread = np.clip(heat_to_frame(small, place.scaled(share), spec), 0.0, 1.0)
    return bytes(cv2.imencode(".png", np.rint(spread * 255).astype(np.uint8))[1])


def sketch_pixels(png: bytes) -> NDArray[np.uint8]:
    """Return a sketch as (h, w, 4) RGBA, to be laid on the frame: cold is clear.

    Raises:
        UnreadableImage: it is no such picture.
    """
    grey = cv2.cvtColor(decode_image(png, "heat map"), cv2.COLOR_BGR2GRAY)
    colours = cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return np.dstack([colours, np.rint(STRONGEST * grey.astype(np.float32)).astype(np.uint8)])


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
