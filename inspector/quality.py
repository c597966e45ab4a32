"""Is the picture fit to be judged? Focus, exposure, saturation, size, frozen frames: pure and under a millisecond."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.documents import Document
from inspector.values import Frame, Image, Quality

_BANDS = 8
_BAND_ROWS = 8
_SIZE, _FROZEN = "size", "frozen:"
"""How faults begin that figures do not show."""


class QualityLimits(Document):
    """Limits on a frame; one that breaks them goes to REVIEW, whatever the network would say."""

    width_px: int | None = Field(default=None, ge=16, le=65535, description="expected frame width; unset: any")
    height_px: int | None = Field(default=None, ge=16, le=65535, description="expected frame height; unset: any")
    min_focus: float = Field(
        default=1.0, ge=0, le=1e5, description="least variance of the Laplacian, grey levels squared; 0 switches it off"
    )
    min_brightness: float = Field(default=8.0, ge=0, le=255, description="least mean grey level")
    max_brightness: float = Field(default=253.0, ge=0, le=255, description="greatest mean grey level")
    max_dark_share: float = Field(default=0.98, ge=0, le=1, description="greatest share of pixels at 4 or below")
    max_saturated_share: float = Field(default=0.99, ge=0, le=1, description="greatest share of pixels at 251 or above")
    max_repeats: int = Field(
        default=2, ge=0, le=1000, description="identical frames in a row before a live camera counts as frozen"
    )


def assess(frame: Frame, limits: QualityLimits) -> Quality:
    """Measure a frame and name every limit that it breaks. The frame's image is (H, W) or (H, W, 3) uint8.

    Figures are taken on eight bands of eight rows spread over the frame, 6 % of a 1024-row picture: a fault of focus or
    exposure is nowhere local, and reading every pixel would cost as much as the network.
    """
    bands = _bands(frame.image)
    counts = np.asarray(cv2.calcHist([bands], [0], None, [256], [0, 256]), np.float64).ravel()
    focus = _focus(bands)
    brightness = float(counts @ np.arange(256) / bands.size)
    dark_share = float(counts[:5].sum() / bands.size)
    saturated_share = float(counts[251:].sum() / bands.size)
    measured = Quality(focus, brightness, dark_share, saturated_share)
    faults = (
        *_size_faults(frame.image, limits),
        *_figure_faults(measured, limits),
        *([f"{_FROZEN} {frame.repeats + 1} identical frames"] if frame.repeats > limits.max_repeats else []),
    )
    return replace(measured, faults=faults)


def limited(quality: Quality, limits: QualityLimits) -> Quality:
    """Hold figures that were measured before against other limits.

    Faults of size and of frozen frames stay as they are: what they rest on is not in the figures.
    """
    kept = (fault for fault in quality.faults if fault.startswith((_SIZE, _FROZEN)))
    return replace(quality, faults=(*kept, *_figure_faults(quality, limits)))


def _bands(image: Image) -> NDArray[np.uint8]:
    """Return the bands' grey levels, (bands * 8, W); a low picture is one band."""
    rows = image.shape[0]
    if rows < 2 * _BANDS * _BAND_ROWS:
        return _grey(image)
    pitch = rows // _BANDS
    tops = range(pitch // 2 - _BAND_ROWS // 2, rows - _BAND_ROWS, pitch)
    return _grey(np.concatenate([image[top : top + _BAND_ROWS] for top in tops]))


def _grey(image: Image) -> NDArray[np.uint8]:
    if image.ndim == 2:
        return np.ascontiguousarray(image)
    if image.shape[2] == 1:
        return np.ascontiguousarray(image[:, :, 0])
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def _focus(bands: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000), without the rows where two bands meet."""
    laplacian = np.asarray(cv2.Laplacian(bands, cv2.CV_16S))
    if bands.shape[0] % _BAND_ROWS == 0 and bands.shape[0] > _BAND_ROWS:
        laplacian = laplacian.reshape(-1, _BAND_ROWS, bands.shape[1])[:, 1:-1].reshape(-1, bands.shape[1])
    _, deviation = cv2.meanStdDev(laplacian)
    return float(deviation[0, 0] ** 2)


def _size_faults(image: Image, limits: QualityLimits) -> tuple[str, ...]:
    rows, columns = image.shape[:2]
    width, height = limits.width_px or columns, limits.height_px or rows
    if (columns, rows) == (width, height):
        return ()
    return (f"{_SIZE} {columns}x{rows}, expected {width}x{height}",)


def _figure_faults(quality: Quality, limits: QualityLimits) -> tuple[str, ...]:
    focus, brightness = quality.focus, quality.brightness
    dark, saturated = quality.dark_share, quality.saturated_share
    checks = (
        (brightness < limits.min_brightness, f"brightness {brightness:.1f} below {limits.min_brightness:g}"),
        (brightness > limits.max_brightness, f"brightness {brightness:.1f} above {limits.max_brightness:g}"),
        (dark > limits.max_dark_share, f"dark share {dark:.3f} above {limits.max_dark_share:g}"),
        (
            saturated > limits.max_saturated_share,
            f"saturated share {saturated:.3f} above {limits.max_saturated_share:g}",
        ),
        (focus < limits.min_focus, f"focus {focus:.1f} below {limits.min_focus:g}"),
    )
    return tuple(text for broken, text in checks if broken)
