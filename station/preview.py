"""The newest judged picture of a camera in shared memory: the vision process writes, the health process reads.

Two halves take turns and a generation number says which one is newer, so neither waits for the other, and a writer that
is killed half way leaves the picture before. The pictures are small, and none is promised: preview may drop frames.
The reader leaves word when it asked last, so that the writer hurries only while somebody looks.
"""

from __future__ import annotations

import multiprocessing
import struct
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import numpy as np

from inspector.values import Image

LONGEST_PX = 1280
_GENERATION = struct.Struct("<Q")
_ASKED = struct.Struct("<q")
"""time.monotonic_ns() of the last question."""
_HEAD_BYTES = _GENERATION.size + _ASKED.size
_ABOUT = struct.Struct("<HHHq16sdq")
"""Rows, columns, channels, sequence, part, moment of the exposure in Unix seconds, time.monotonic_ns() of writing."""
_HALF_BYTES = _ABOUT.size + LONGEST_PX * LONGEST_PX * 3
_TRIES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """A picture as it is shown: (H, W, 3) or (H, W) uint8, small."""

    image: Image
    sequence: int
    part_id: UUID
    captured_at: datetime
    written_ns: int = 0


class PreviewSlot:
    """Room for the newest picture of one camera. It can be handed to a process that is being started."""

    def __init__(self) -> None:
        size = _HEAD_BYTES + 2 * _HALF_BYTES
        self._shared = multiprocessing.get_context("spawn").RawArray("B", size)

    def write(self, preview: Preview) -> None:
        """Show a picture. One thread of one process at a time calls it."""
        view = memoryview(self._shared).cast("B")
        (generation,) = _GENERATION.unpack_from(view)
        image = preview.image if preview.image.ndim == 3 else preview.image[:, :, None]
        at = _offset(generation + 1)
        about = (*image.shape, preview.sequence, preview.part_id.bytes, preview.captured_at.timestamp())
        _ABOUT.pack_into(view, at, *about, preview.written_ns)
        room = np.frombuffer(view, np.uint8, image.size, at + _ABOUT.size)
        np.copyto(room.reshape(image.shape), image)
        _GENERATION.pack_into(view, 0, generation + 1)

    def read(self) -> Preview | None:
        """Return the newest picture; None where there is none yet, or none stays long enough to be copied."""
        view = memoryview(self._shared).cast("B")
        for _ in range(_TRIES):
            (generation,) = _GENERATION.unpack_from(view)
            if generation == 0:
                return None
            preview = _read_half(view, _offset(generation))
            if _GENERATION.unpack_from(view)[0] == generation:  # the writer was not in this half meanwhile
                return preview
        return None

    def ask(self) -> None:
        """Say that somebody looks."""
        _ASKED.pack_into(memoryview(self._shared).cast("B"), _GENERATION.size, time.monotonic_ns())

    def asked_within(self, seconds: float) -> bool:
        (asked_ns,) = _ASKED.unpack_from(memoryview(self._shared).cast("B"), _GENERATION.size)
        return bool(asked_ns) and time.monotonic_ns() - asked_ns < 1e9 * seconds


def _offset(generation: int) -> int:
    return _HEAD_BYTES + (generation % 2) * _HALF_BYTES


def _read_half(view: memoryview, at: int) -> Preview:
    *shape, sequence, part, captured_s, written_ns = _ABOUT.unpack_from(view, at)
    size = shape[0] * shape[1] * shape[2]
    pixels = np.frombuffer(view, np.uint8, size, at + _ABOUT.size).reshape(shape).copy()
    image = pixels if shape[2] == 3 else pixels[:, :, 0]
    return Preview(image, sequence, UUID(bytes=part), datetime.fromtimestamp(captured_s, UTC), written_ns)


def shrunk(image: Image, longest_px: int = LONGEST_PX) -> Image:
    """Return a picture of `longest_px` at most, shrunk by a whole number: fast, and without moire."""
    step = -(-max(image.shape[:2]) // longest_px)
    if step == 1:
        return image
    import cv2  # 30 MB that a health process at whose pictures nobody looks does not need

    rows, columns = (max(1, side // step) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
