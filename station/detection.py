"""A part comes into view: told from the background, once per part, on a camera that runs freely."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.preprocess import Roi
from inspector.values import Image
from station.triggers.base import TriggerSettings

_WIDTH_PX = 96
_SLOW = 0.05
"""Of a new frame in the background, while no part is there: light that wanders is followed, a part is not."""
_LEAVES_AT = 0.5
"""A part has gone when so much less is changed than what made it a part: at the edge it does not flicker."""


class PartDetectionSettings(TriggerSettings):
    """`kind = "part-detection"`: the first camera runs freely, and a frame in which a part has come is an exposure."""

    change: float = Field(
        default=25.0, gt=0, le=255, description="grey levels that a pixel differs from the background"
    )
    share: float = Field(default=0.2, gt=0, le=1, description="share of such pixels in `zone` that is a part")
    zone: Roi | None = Field(default=None, description="where a part is to be, in frame pixels; unset: the whole frame")
    frames: int = Field(
        default=2, ge=1, le=100, description="frames in a row that must say so, for coming and for going"
    )
    occupied_s: float = Field(
        default=30.0, gt=0, le=3600, description="what stays for so long is no part: it becomes the background"
    )


class PartDetector:
    """Sees each frame in turn. Only the acquire thread calls it.

    empty -> (frames in a row with a part) -> occupied, told once -> (frames in a row without) -> empty
    """

    def __init__(self, settings: PartDetectionSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._background: NDArray[np.float32] | None = None
        self._occupied = False
        self._row = 0
        self._told_s = -float("inf")
        self._since_s = 0.0

    def comes(self, image: Image) -> bool:
        """Return whether a part has just come into view. The first frame is background."""
        view = self._small(image)
        if self._background is None or self._background.shape != view.shape:
            self._background = view
            return False
        share = float(np.mean(np.abs(view - self._background) >= self._settings.change))
        limit = self._settings.share * (_LEAVES_AT if self._occupied else 1.0)
        if (share >= limit) is self._occupied:
            self._row = 0
            self._rest(view)
            return False
        self._row += 1
        return self._row >= self._settings.frames and self._change_state(view)

    def _rest(self, view: NDArray[np.float32]) -> None:
        """Nothing changes: follow the light, or take what stays for the background."""
        if self._occupied and self._clock() - self._since_s >= self._settings.occupied_s:
            self._background, self._occupied = view, False
        elif not self._occupied and self._background is not None:
            self._background = self._background + _SLOW * (view - self._background)

    def _change_state(self, view: NDArray[np.float32]) -> bool:
        self._row, self._occupied = 0, not self._occupied
        self._since_s = self._clock()
        if not self._occupied or self._since_s - self._told_s < self._settings.debounce_ms / 1e3:
            return False
        self._told_s = self._since_s
        return True

    def _small(self, image: Image) -> NDArray[np.float32]:
        """(h, 96) grey levels of the zone."""
        zone = self._settings.zone
        cut = image if zone is None else image[zone.y : zone.y + zone.height, zone.x : zone.x + zone.width]
        height = max(1, round(cut.shape[0] * _WIDTH_PX / cut.shape[1]))
        small = cv2.resize(cut, (_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
        grey = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        return grey.astype(np.float32)
