"""What a camera's picture looks like, apart from the part: colour, grain, where it lies. Pure, 0.3 ms a frame.

`inspector.quality` measures sharpness and exposure. Position is measured against a profile learnt on the line: the mean
edge pattern of its pictures along x and along y. Registration by the peak of the correlation of two profiles is
phase correlation's one-dimensional relative (Kuglin and Hines, 1975), without its whitening, which noise would rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.grain import Grain, measure_grain
from inspector.values import Image

BINS = 256
"""Profiles have this length whatever the frame's size."""
REACH_BINS = 16
"""Positions are looked for so far to both sides, 6 % of the frame."""
PARTS_LEARNT = 64
"""Pictures that the reference profiles are the mean of."""
_LINES = 32
_WINDOWS = np.arange(2 * REACH_BINS, -1, -1)[:, None] + np.arange(BINS - 1)
"""(33, 255) places in a padded profile: the profile moved by -16 to 16 bins."""
Profile = NDArray[np.float64]
"""(255,) edges along one axis, of unit length; all zero where the picture has none."""
Profiles = tuple[tuple[float, ...], tuple[float, ...]]
"""Along x and y, as they are written; empty before the first picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Imaging:
    """Colour as shares of red and blue in the sum of the channels (1/3 of a grey picture), grain, two edge profiles."""

    redness: float
    blueness: float
    grain: Grain
    along_x: Profile
    along_y: Profile
    width_px: int
    height_px: int


def measure(image: Image) -> Imaging:
    """Measure a frame (H, W) or (H, W, 3) uint8 on 32 rows and 32 columns spread over it, its grain on four bands."""
    height, width = image.shape[:2]
    lines = np.ascontiguousarray(image[_spread(height)])
    columns = np.ascontiguousarray(image[_rows(height), _spread(width)])
    blue, green, red = _means(lines)
    total = blue + green + red
    return Imaging(
        redness=red / total if total else 1 / 3,
        blueness=blue / total if total else 1 / 3,
        grain=measure_grain(image),
        along_x=_edges_along(lines, 1),
        along_y=_edges_along(columns, 0),
        width_px=width,
        height_px=height,
    )


class Register:
    """Learns where pictures lie from the first 64, and then tells how far each lies from there."""

    def __init__(self, sums: Profiles = ((), ()), parts: int = 0) -> None:
        """`sums` and `parts` are what a register kept when it was asked for its state."""
        self.parts = parts
        self._sums = tuple(np.array(total or [0.0] * (BINS - 1)) for total in sums)
        self._shifts = tuple(_shifted(total) for total in self._sums)

    def place(self, imaging: Imaging) -> tuple[float, float] | None:
        """Return by how many pixels the picture lies right of and below the others; None while that is learnt."""
        profiles = (imaging.along_x, imaging.along_y)
        if self.parts >= PARTS_LEARNT:
            x, y = (_shift_bins(*pair) for pair in zip(self._shifts, profiles, strict=True))
            return x * imaging.width_px / BINS, y * imaging.height_px / BINS
        self.parts += 1
        self._sums = tuple(total + profile for total, profile in zip(self._sums, profiles, strict=True))
        if self.parts == PARTS_LEARNT:
            self._shifts = tuple(_shifted(total) for total in self._sums)
        return None

    def state(self) -> Profiles:
        along_x, along_y = (tuple(total.tolist()) for total in self._sums)
        return along_x, along_y


def _shifted(reference: Profile) -> Profile:
    """(33, 255) the reference, moved by -16 to 16 bins."""
    padded = np.zeros(len(reference) + 2 * REACH_BINS)
    padded[REACH_BINS:-REACH_BINS] = reference
    shifted: Profile = padded[_WINDOWS]
    return shifted


def _shift_bins(shifted: Profile, profile: Profile) -> float:
    """Return the shift of the greatest correlation; 0 where either has no edges.

    The peak is placed between bins by the parabola through it and its neighbours.
    """
    likeness: list[float] = (shifted @ profile).tolist()
    at = max(likeness)
    peak = likeness.index(at)
    if at <= 0:
        return 0.0
    if not 0 < peak < 2 * REACH_BINS:
        return float(peak - REACH_BINS)
    before, after = likeness[peak - 1], likeness[peak + 1]
    bend = before - 2 * at + after  # Below 0: the peak is the first of its height.
    return peak - REACH_BINS + (before - after) / (2 * bend)


def _spread(length: int) -> slice:
    pitch = max(1, length // _LINES)
    return slice(pitch // 2, pitch * _LINES, pitch)


def _rows(height: int) -> slice:
    """So many rows as there are bins, or up to twice: each row of a column is fetched from memory by itself."""
    pitch = max(1, height // BINS)
    return slice(pitch // 2, None, pitch)


def _means(lines: Image) -> tuple[float, float, float]:
    blue, green, red, _ = cv2.mean(lines)
    return (blue, green, red) if lines.ndim == 3 and lines.shape[2] == 3 else (blue, blue, blue)


def _edges_along(lines: Image, axis: int) -> Profile:
    """Edges of the mean over the other axis and the channels, in 256 bins and of unit length."""
    turned = lines if axis == 1 else np.ascontiguousarray(lines.swapaxes(0, 1))
    mean = np.asarray(cv2.reduce(turned, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)).reshape(turned.shape[1], -1).mean(axis=1)
    bins = np.asarray(cv2.resize(mean.reshape(1, -1), (BINS, 1), interpolation=cv2.INTER_AREA), np.float64).ravel()
    edges = np.diff(bins)
    length = math.sqrt(float(edges @ edges))
    return np.asarray(edges / length) if length > 1e-9 else edges * 0.0
