"""Pixels as a device sends them -> grey or BGR, 8 bits deep. Names are those of the Pixel Format Naming Convention."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.errors import ConfigError
from inspector.values import Image


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How a picture lies in memory: channels as sent, significant bits, and OpenCV's way to grey or BGR."""

    channels: int
    bits: int
    to_bgr: int | None


# OpenCV names a Bayer pattern by its first two rows, as the convention does, in its longer names.
_BAYER = {
    "BayerRG": cv2.COLOR_BayerRGGB2BGR,
    "BayerGR": cv2.COLOR_BayerGRBG2BGR,
    "BayerGB": cv2.COLOR_BayerGBRG2BGR,
    "BayerBG": cv2.COLOR_BayerBGGR2BGR,
}
FORMATS: dict[str, PixelFormat] = {
    **{f"Mono{bits}": PixelFormat(1, bits, None) for bits in (8, 10, 12, 14, 16)},
    **{f"{name}{bits}": PixelFormat(1, bits, code) for name, code in _BAYER.items() for bits in (8, 10, 12, 16)},
    "RGB8": PixelFormat(3, 8, cv2.COLOR_RGB2BGR),
    "RGB8Packed": PixelFormat(3, 8, cv2.COLOR_RGB2BGR),
    "BGR8": PixelFormat(3, 8, None),
    "BGR8Packed": PixelFormat(3, 8, None),
    "RGBa8": PixelFormat(4, 8, cv2.COLOR_RGBA2BGR),
    "BGRa8": PixelFormat(4, 8, cv2.COLOR_BGRA2BGR),
    "BGRA8Packed": PixelFormat(4, 8, cv2.COLOR_BGRA2BGR),
    "YUV422_8": PixelFormat(2, 8, cv2.COLOR_YUV2BGR_YUY2),
    "YUV422_8_UYVY": PixelFormat(2, 8, cv2.COLOR_YUV2BGR_UYVY),
}


def pixel_format(name: str, camera: str) -> PixelFormat:
    """Return the layout called `name`; raise ConfigError naming those that are understood."""
    if name not in FORMATS:
        raise ConfigError(
            f"camera {camera!r}: pixel format {name} is not understood; expected one of {', '.join(sorted(FORMATS))}"
        )
    return FORMATS[name]


def to_image(pixels: NDArray[np.uint8], width: int, height: int, layout: PixelFormat, stride: int = 0) -> Image:
    """Return a copy of a buffer's bytes (N,) as a picture; raise ValueError for fewer bytes than the picture has.

    `stride` is the bytes from one row to the next; 0: rows lie close.
    """
    row = width * layout.channels * (1 if layout.bits == 8 else 2)
    stride = stride or row
    if width <= 0 or height <= 0 or stride < row or pixels.size < stride * (height - 1) + row:
        raise ValueError(f"{pixels.size} bytes are no {width}x{height} px")
    rows = np.lib.stride_tricks.as_strided(pixels, (height, row), (stride, 1), writeable=False)
    picture = _in_8_bits(np.ascontiguousarray(rows), layout.bits)
    shape = (height, width) if layout.channels == 1 else (height, width, layout.channels)
    picture = picture.reshape(shape)
    if layout.to_bgr is None:
        return picture.copy()
    return np.asarray(cv2.cvtColor(picture, layout.to_bgr), np.uint8)


def _in_8_bits(rows: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Drop the bits that eight cannot hold: what a network sees has 8."""
    if bits == 8:
        return rows
    return np.asarray(np.clip(rows.view("<u2") >> (bits - 8), 0, 255), np.uint8)
