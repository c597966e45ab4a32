"""Whatever OpenCV can open: a UVC device, a video file, an RTSP stream."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Self

import cv2
import numpy as np
from pydantic import Field

from inspector.errors import CameraEnded, CameraLost
from inspector.values import Frame
from station.cameras.base import CameraSettings

_CONTROLS = {"width_px": cv2.CAP_PROP_FRAME_WIDTH, "height_px": cv2.CAP_PROP_FRAME_HEIGHT, "fps": cv2.CAP_PROP_FPS}


class OpenCvSettings(CameraSettings):
    """`kind = "opencv"`."""

    source: int | str = Field(description="device number, video file, or rtsp:// address")
    width_px: int | None = Field(default=None, ge=16, le=65535, description="asked for, and read back")
    height_px: int | None = Field(default=None, ge=16, le=65535, description="asked for, and read back")
    fps: float | None = Field(default=None, gt=0, le=10_000, description="asked for, and read back")
    open_timeout_s: float = Field(default=5.0, gt=0, le=120, description="for network streams")


class OpenCvCamera:
    """Free running: every frame that the device delivers is one exposure. A file ends, a device is lost."""

    Settings: ClassVar[type[OpenCvSettings]] = OpenCvSettings

    def __init__(self, settings: OpenCvSettings, start: int = 0) -> None:
        self._settings = settings
        self._next = start
        self._capture: cv2.VideoCapture | None = None
        self._last: bytes = b""
        self._repeats = 0
        self._is_file = isinstance(settings.source, str) and Path(settings.source).is_file()
        self.live = not self._is_file

    def __enter__(self) -> Self:
        timeout_ms = int(self._settings.open_timeout_s * 1000)
        source = self._settings.source
        if isinstance(source, str) and "://" in source:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]
            self._capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
        else:
            self._capture = cv2.VideoCapture(source)
        if not self._capture.isOpened():
            self._capture.release()
            raise CameraLost(f"camera {self._settings.name!r}: OpenCV cannot open {source!r}")
        self._configure(self._capture)
        if self._is_file:
            self._skip(self._capture)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._capture is not None:
            with contextlib.suppress(cv2.error):
                self._capture.release()
        self._capture = None

    def grab(self, timeout_s: float) -> Frame:
        if self._capture is None:
            raise CameraLost(f"camera {self._settings.name!r}: not open")
        delivered, image = self._capture.read()
        if not delivered or image is None:
            if self._is_file:
                raise CameraEnded(f"camera {self._settings.name!r}: {self._settings.source} has ended")
            raise CameraLost(f"camera {self._settings.name!r}: {self._settings.source!r} delivers no frame")
        sequence, self._next = self._next, self._next + 1
        picture = np.asarray(image, dtype=np.uint8)
        return Frame(picture, self._settings.name, sequence, datetime.now(UTC), "", self._count_repeats(picture))

    def _configure(self, capture: cv2.VideoCapture) -> None:
        for field, control in _CONTROLS.items():
            wanted = getattr(self._settings, field)
            if wanted is None:
                continue
            capture.set(control, wanted)
            actual = capture.get(control)
            if abs(actual - wanted) > 0.5:
                name = self._settings.name
                raise CameraLost(f"camera {name!r}: {field} {wanted:g} was asked for, the device gives {actual:g}")

    def _skip(self, capture: cv2.VideoCapture) -> None:
        for _ in range(self._next):
            if not capture.grab():
                return

    def _count_repeats(self, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
        """A sensor's noise never repeats: the same sparse rows twice mean a frozen driver."""
        if not self.live:
            return 0
        sample = image[:: max(1, image.shape[0] // 16)].tobytes()
        self._repeats = self._repeats + 1 if sample == self._last else 0
        self._last = sample
        return self._repeats
