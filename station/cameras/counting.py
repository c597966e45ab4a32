"""The camera's own frame numbers, held against each other: what is missing between two frames, and what came before."""

from __future__ import annotations

from inspector.errors import CameraLost, FrameStale
from inspector.values import Image

MOST_LOST = 10_000
"""A counter that leaps further tells of a device that began anew, not of exposures."""
_FURTHEST_BACK = 1_000
SHORT_IDS = 65_535
"""Largest block number of GigE Vision 1.x; the next one is 1."""


class FrameCounter:
    """Remembers the last frame number of one opening of a camera; the first one seen is where it begins.

    `largest` is the number after which the device begins again at 1; None where it never does.
    """

    def __init__(self, camera: str, largest: int | None = None) -> None:
        self._camera = camera
        self._largest = largest
        self._last: int | None = None

    def step(self, frame_id: int) -> int:
        """Take note of a frame and return how many exposures before it never came.

        Raises:
            FrameStale: this frame, or one after it, was taken note of before.
            CameraLost: no counter of exposures does this.
        """
        if self._last is None:
            self._last = frame_id
            return 0
        ahead = self._ahead(self._last, frame_id)
        if 0 >= ahead > -_FURTHEST_BACK:
            raise FrameStale(self._stale(ahead, frame_id))
        if not 0 < ahead <= MOST_LOST:
            raise CameraLost(f"camera {self._camera!r}: frame counter went from {self._last} to {frame_id}")
        self._last = frame_id
        return ahead - 1

    def why(self, missing: int, frame_id: int) -> str:
        """Return the reason of each part whose exposure never came, before the frame `frame_id`."""
        frames = "a frame" if missing == 1 else f"{missing} frames"
        return f"camera {self._camera!r} lost {frames} before its frame {frame_id}"

    def _ahead(self, last: int, frame_id: int) -> int:
        ahead = frame_id - last
        if self._largest is None:
            return ahead
        half = self._largest // 2
        return (ahead + half) % self._largest - half

    def _stale(self, ahead: int, frame_id: int) -> str:
        how = "twice" if ahead == 0 else f"after frame {self._last}"
        return f"camera {self._camera!r} delivered frame {frame_id} {how}; it is no part"


class PixelRepeats:
    """Counts how often in a row a sensor gave the very same pixels: its noise never repeats, a frozen driver does."""

    def __init__(self) -> None:
        self._last = b""
        self._repeats = 0

    def count(self, image: Image) -> int:
        """Return how many pictures just before this one were equal to it in some sixteen rows."""
        sample = image[:: max(1, image.shape[0] // 16)].tobytes()
        self._repeats = self._repeats + 1 if sample == self._last else 0
        self._last = sample
        return self._repeats
