"""From a camera's frame to the network's input: the one function that training and the line both call.

The resize is antialiased at a quarter of the cost of an exact area average. `cv2.resize` is fast for a halving and for
linear sampling, so the picture is halved until less than four source pixels fall on one of the target, sampled
linearly at twice the target's size, where that loses nothing, and halved once more. Every source pixel counts. Measured
on 80 real frames of five data sets brought to 1280x1024, to 224x224, one thread: mean difference from the exact area
average 0.38 grey level; median 0.70 ms against 3.13 ms where the frame is in the cache, 0.98 against 3.26 ms where it
comes from memory (`python -m benchmarks.preprocess`).
"""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.documents import Document, read_bytes
from inspector.errors import UnreadableImage
from inspector.values import Image

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class InputSpec(Document):
    """What the network takes: (height, width, 3) uint8 BGR."""

    height: int = Field(ge=16, le=4096, description="rows of the network's input, px")
    width: int = Field(ge=16, le=4096, description="columns of the network's input, px")
    fit: Literal["stretch", "letterbox"] = Field(
        default="stretch", description="stretch to the input, or keep the aspect ratio and pad evenly"
    )
    pad_value: int = Field(default=114, ge=0, le=255, description="grey level of the padding")


class Roi(Document):
    """Region of interest in frame pixels; what lies outside is never judged."""

    x: int = Field(ge=0, description="left edge, px")
    y: int = Field(ge=0, description="top edge, px")
    width: int = Field(ge=8, description="width, px")
    height: int = Field(ge=8, description="height, px")


def preprocess(
    image: Image, spec: InputSpec, roi: Roi | None = None, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Return the network's input (spec.height, spec.width, 3) uint8 BGR, contiguous.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3) uint8 BGR. A grey picture becomes three equal channels.
        spec: size and fit of the network's input.
        roi: part of the frame to judge, clipped to the frame.
        out: (spec.height, spec.width, 3) uint8, where the input goes, and what is returned. A colour frame that
            shrinks along both axes then allocates no array once this thread has seen one of its size.

    Raises:
        UnreadableImage: another depth or number of channels, or a region of interest outside the frame.
    """
    require_8_bit(image)
    if roi is not None:
        image = _crop(image, roi)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    direct = out if image.ndim == 3 else None
    if spec.fit == "letterbox":
        fitted = _letterbox(image, spec, direct)
    else:
        fitted = resize(image, spec.width, spec.height, direct)
    if fitted.ndim == 2:
        fitted = np.asarray(cv2.cvtColor(fitted, cv2.COLOR_GRAY2BGR, out), dtype=np.uint8)
    return np.ascontiguousarray(fitted)


def resize(image: Image, width: int, height: int, out: Image | None = None) -> Image:
    """Return `image` at width x height px, in `out` if given: antialiased when smaller, linear when larger."""
    rows, columns = image.shape[:2]
    if (columns, rows) == (width, height):
        return image if out is None else _copied(image, out)
    if columns < width or rows < height:
        return _enlarge(image, width, height, out)
    step = 0
    while min(image.shape[1] / width, image.shape[0] / height) >= 4:
        image, step = _halve(image, step), step + 1
    across, down = image.shape[1] / width, image.shape[0] / height
    if min(across, down) >= 2 and max(across, down) <= 4:
        twice = _scratch.buffer("twice", (2 * height, 2 * width, *image.shape[2:]))
        image = np.asarray(cv2.resize(image, (2 * width, 2 * height), twice, interpolation=cv2.INTER_LINEAR))
    return np.asarray(cv2.resize(image, (width, height), out, interpolation=cv2.INTER_AREA), dtype=np.uint8)


class _Scratch(threading.local):
    """This thread's intermediate pictures, kept for the next frame: one for each step."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def buffer(self, step: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        kept = self._kept.get(step)
        if kept is None or kept.shape != shape:
            kept = self._kept[step] = np.empty(shape, np.uint8)
        return kept


_scratch = _Scratch()


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the network's input lies in the frame: frame px = offset + input px * scale, on each axis."""

    frame_width: int
    frame_height: int
    x: float
    y: float
    scale_x: float
    scale_y: float

    def boxes_to_frame(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, 4) of x1, y1, x2, y2 in input px -> frame px, clipped to the frame."""
        frame = np.asarray(boxes, np.float64).reshape(-1, 4) * self._scale + self._offset
        limits = [self.frame_width, self.frame_height] * 2
        return np.asarray(np.clip(frame, 0, limits))

    def boxes_to_input(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, 4) of x1, y1, x2, y2 in frame px -> input px, not clipped."""
        return np.asarray((np.asarray(boxes, np.float64).reshape(-1, 4) - self._offset) / self._scale)

    def scaled(self, share: float) -> Placement:
        """The same in a frame of that share of the size."""
        width, height = (max(1, round(side * share)) for side in (self.frame_width, self.frame_height))
        return Placement(width, height, self.x * share, self.y * share, self.scale_x * share, self.scale_y * share)

    @property
    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.scale_x, self.scale_y] * 2)

    @property
    def _offset(self) -> NDArray[np.float64]:
        return np.array([self.x, self.y] * 2, np.float64)


def placement(shape: tuple[int, ...], spec: InputSpec, roi: Roi | None = None) -> Placement:
    """Return where `preprocess` puts a frame of `shape` (H, W, ...)."""
    rows, columns = shape[:2]
    left, top, width, height = _region(shape, roi)
    if spec.fit == "stretch":
        return Placement(columns, rows, left, top, width / spec.width, height / spec.height)
    inner_left, inner_top, inner_width, inner_height = _letterbox_inside(width, height, spec)
    scale_x, scale_y = width / inner_width, height / inner_height
    return Placement(columns, rows, left - inner_left * scale_x, top - inner_top * scale_y, scale_x, scale_y)


def heat_to_frame(heat: NDArray[np.floating], place: Placement, spec: InputSpec) -> NDArray[np.float32]:
    """Spread a map (h, w) over the network's input on the frame: (H, W) float32, 0 where the network does not look."""
    across, down = spec.width / heat.shape[1] * place.scale_x, spec.height / heat.shape[0] * place.scale_y
    # A cell's centre lies half a cell inside its edge, a pixel's half a pixel.
    move = [[across, 0, place.x + across / 2 - 0.5], [0, down, place.y + down / 2 - 0.5]]
    size = (place.frame_width, place.frame_height)
    spread = cv2.warpAffine(
        np.asarray(heat, np.float32), np.array(move), size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    x1, y1, x2, y2 = np.rint(place.boxes_to_frame(np.array([[0, 0, spec.width, spec.height]]))[0]).astype(int)
    seen = np.zeros((place.frame_height, place.frame_width), np.float32)
    seen[y1:y2, x1:x2] = spread[y1:y2, x1:x2]
    return seen


def read_image(path: Path) -> Image:
    """Return the picture in `path` as (H, W, 3) uint8 BGR, turned as its EXIF says.

    Raises:
        UnreadableImage: missing, truncated, not an image, or not 8 bits deep (16-bit pictures are refused, since a
            silent conversion would depend on their range).
    """
    encoded = read_bytes(path, UnreadableImage)
    return decode_image(encoded, str(path))


def decode_image(encoded: bytes, name: str) -> Image:
    """Return the picture in `encoded`; `name` is for the message. See `read_image`."""
    if not encoded or not _is_whole(encoded):
        raise UnreadableImage(
            f"{name}: truncated or altered image ({len(encoded)} bytes); expected a whole JPEG, PNG, BMP or TIFF"
        )
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is None:
        raise UnreadableImage(f"{name}: not an image that can be decoded; expected JPEG, PNG, BMP or TIFF")
    if image.dtype != np.uint8:
        raise UnreadableImage(f"{name}: depth is {image.dtype}; expected 8 bits per channel")
    return np.asarray(image, dtype=np.uint8)


def _is_whole(encoded: bytes) -> bool:
    """Tell whether a JPEG has its end marker and a PNG all its chunks.

    OpenCV fills what a JPEG lacks with grey and says nothing, and libpng writes lines of its own to stderr.
    """
    if encoded.startswith(b"\xff\xd8"):
        return b"\xff\xd9" in encoded[-1024:]
    if encoded.startswith(_PNG_SIGNATURE):
        return _has_whole_chunks(encoded)
    return True


def _has_whole_chunks(png: bytes) -> bool:
    """Walk length, type, content and CRC of each chunk (PNG specification, 5.3) up to IEND."""
    start = len(_PNG_SIGNATURE)
    while start + 12 <= len(png):
        end = start + 12 + int.from_bytes(png[start : start + 4], "big")
        if zlib.crc32(png[start + 4 : end - 4]) != int.from_bytes(png[end - 4 : end], "big"):
            return False
        if png[start + 4 : start + 8] == b"IEND":
            return True
        start = end
    return False


def require_8_bit(image: Image) -> None:
    """Raise UnreadableImage unless `image` is (H, W), (H, W, 1) or (H, W, 3) uint8."""
    if image.dtype != np.uint8:
        raise UnreadableImage(f"frame: depth is {image.dtype}; expected uint8")
    if image.size == 0 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        raise UnreadableImage(f"frame: shape is {image.shape}; expected (H, W) or (H, W, 3)")


def _crop(image: Image, roi: Roi) -> Image:
    left, top, width, height = _region(image.shape, roi)
    return image[top : top + height, left : left + width]


def _region(shape: tuple[int, ...], roi: Roi | None) -> tuple[int, int, int, int]:
    """Left, top, width and height of what is judged; raise UnreadableImage when nothing is left of it."""
    rows, columns = shape[:2]
    if roi is None:
        return 0, 0, columns, rows
    width, height = min(roi.width, columns - roi.x), min(roi.height, rows - roi.y)
    if width <= 0 or height <= 0:
        raise UnreadableImage(
            f"frame: region of interest {roi.width}x{roi.height} at ({roi.x}, {roi.y}) lies outside the "
            f"{columns}x{rows} frame"
        )
    return roi.x, roi.y, width, height


def _letterbox_inside(columns: int, rows: int, spec: InputSpec) -> tuple[int, int, int, int]:
    """Left, top, width and height of a picture of columns x rows within the input."""
    scale = min(spec.width / columns, spec.height / rows)
    width, height = max(1, round(columns * scale)), max(1, round(rows * scale))
    return (spec.width - width) // 2, (spec.height - height) // 2, width, height


def _letterbox(image: Image, spec: InputSpec, out: Image | None) -> Image:
    left, top, width, height = _letterbox_inside(image.shape[1], image.shape[0], spec)
    canvas = np.empty((spec.height, spec.width, *image.shape[2:]), np.uint8) if out is None else out
    canvas[:] = spec.pad_value
    resize(image, width, height, canvas[top : top + height, left : left + width])
    return canvas


def _enlarge(image: Image, width: int, height: int, out: Image | None) -> Image:
    """Average along the axis that shrinks, if one does, then enlarge linearly; in one step OpenCV would alias."""
    rows, columns = image.shape[:2]
    least = (min(columns, width), min(rows, height))
    if least != (columns, rows):
        image = np.asarray(cv2.resize(image, least, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.asarray(cv2.resize(image, (width, height), out, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _halve(image: Image, step: int) -> Image:
    """Average blocks of 2 x 2 px; an odd last row or column is dropped (at most 1/8 of a target pixel)."""
    rows, columns = image.shape[0] // 2, image.shape[1] // 2
    even = image[: rows * 2, : columns * 2]
    half = _scratch.buffer(f"half {step}", (rows, columns, *image.shape[2:]))
    return np.asarray(cv2.resize(even, (columns, rows), half, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _copied(image: Image, out: Image) -> Image:
    out[:] = image
    return out
