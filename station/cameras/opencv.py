"""Whatever OpenCV can open: a UVC device, a video file, an RTSP stream."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import cv2
import numpy as np
from pydantic import Field, field_validator

from inspector.errors import CameraEnded, CameraLost, ConfigError, TriggerTimeout
from inspector.values import Frame, Image
from station.cameras.base import CameraSettings
from station.cameras.clock import DeviceClock
from station.cameras.counting import PixelRepeats
from station.cameras.features import Difference, Value, put

_PREFIX = "CAP_PROP_"
_TOLERANCE = 0.02
_V4L2_MANUAL_EXPOSURE = 1.0
_V4L2_EXPOSURE_UNIT_US = 100.0
_VOLATILE = frozenset({"PTS", "DTS_DELAY", "POS_MSEC", "POS_FRAMES", "POS_AVI_RATIO", "FRAME_TYPE", "FRAME_COUNT"})
"""What differs from frame to frame, or means nothing of a stream."""


class OpenCvSettings(CameraSettings):
    """`kind = "opencv"`. What is unset stays as the device has it."""

    source: int | str = Field(description="device number, video file, or rtsp:// address")
    width_px: int | None = Field(default=None, ge=16, le=65535, description="asked for, and read back")
    height_px: int | None = Field(default=None, ge=16, le=65535, description="asked for, and read back")
    fps: float | None = Field(default=None, gt=0, le=10_000, description="asked for, and read back")
    fourcc: str | None = Field(default=None, min_length=4, max_length=4, description="pixel format, such as MJPG, YUYV")
    exposure_us: float | None = Field(
        default=None, ge=100, le=1e7, description="UVC: automatic exposure is switched off; steps of 100"
    )
    gain: float | None = Field(default=None, ge=0, le=65535, description="UVC: in the device's own unit")
    controls: dict[str, float] = Field(
        default_factory=dict, description="others of OpenCV's controls, such as sharpness or wb_temperature"
    )
    on_difference: Literal["refuse", "warn"] = Field(
        default="refuse", description="a setting that the device does not take: no start, or a warning"
    )
    open_timeout_s: float = Field(default=5.0, gt=0, le=120, description="for network streams")

    @field_validator("controls")
    @classmethod
    def _known(cls, controls: dict[str, float]) -> dict[str, float]:
        if unknown := sorted(name for name in controls if not hasattr(cv2, _PREFIX + name.upper())):
            raise ValueError(f"no control of OpenCV is called {', '.join(unknown)}")
        return controls


class OpenCvCamera:
    """Free running: every frame that the device delivers is one exposure. A file ends, a device is lost.

    These sources number no frames, so that one lost before OpenCV has it cannot be noticed. A stream that was not read
    in time hands out its backlog first; how old a frame is shows from the source's own time stamps.
    """

    Settings: ClassVar[type[OpenCvSettings]] = OpenCvSettings

    def __init__(
        self, settings: OpenCvSettings, start: int = 0, open_capture: Callable[..., Any] = cv2.VideoCapture
    ) -> None:
        self._settings = settings
        self._next = start
        self._open_capture = open_capture
        self._capture: Any = None
        self._repeats = PixelRepeats()
        self._clock = DeviceClock()
        self._asked_ns = 0
        self._differences: tuple[Difference, ...] = ()
        self._is_file = isinstance(settings.source, str) and Path(settings.source).is_file()
        self.live = not self._is_file

    def __enter__(self) -> Self:
        self._capture = self._open()
        with contextlib.ExitStack() as stack:
            stack.callback(self._release)
            self._differences = tuple(_set(self._settings, Controls(self._capture)))
            if self._differences and self._settings.on_difference == "refuse":
                told = "; ".join(difference.text() for difference in self._differences)
                raise ConfigError(f"camera {self._settings.name!r}: {told}")
            if self._is_file:
                self._skip(self._next)
            stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._release()

    def features(self) -> Mapping[str, Value]:
        return {**Controls(self._capture).all(), "BACKEND_NAME": self._capture.getBackendName()}

    def differences(self) -> tuple[Difference, ...]:
        return self._differences

    def expose(self) -> None:
        self._asked_ns = time.monotonic_ns()

    def grab(self, timeout_s: float) -> Frame:
        until_s = time.monotonic() + timeout_s
        while True:
            picture, exposed_ns = self._read()
            if self._is_file or exposed_ns >= self._asked_ns:
                return self._frame(picture, exposed_ns)
            if time.monotonic() > until_s:
                raise TriggerTimeout(f"camera {self._settings.name!r}: only frames from before the trigger")

    def _open(self) -> Any:
        source, timeout_ms = self._settings.source, int(self._settings.open_timeout_s * 1000)
        if isinstance(source, str) and "://" in source:
            silent_ms = int(self._settings.grab_timeout_s * 1000)
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, silent_ms]
            capture = self._open_capture(source, cv2.CAP_FFMPEG, limits)
        else:
            capture = self._open_capture(source)
        if not capture.isOpened():
            capture.release()
            raise CameraLost(f"camera {self._settings.name!r}: OpenCV cannot open {source!r}")
        return capture

    def _read(self) -> tuple[Image, int]:
        """Return the next picture and when it was exposed, in time.monotonic_ns()."""
        name, source = self._settings.name, self._settings.source
        if self._capture is None:
            raise CameraLost(f"camera {name!r}: not open")
        try:
            delivered, image = self._capture.read()
            stamp_ns = int(max(0.0, self._capture.get(cv2.CAP_PROP_POS_MSEC)) * 1e6)
        except cv2.error as error:
            raise CameraLost(f"camera {name!r}: {source!r}: {error.err}") from error
        if delivered and image is not None:
            arrived_ns = time.monotonic_ns()
            exposed_ns = arrived_ns if self._is_file else self._clock.exposed_ns(stamp_ns, arrived_ns)
            return np.asarray(image, np.uint8), exposed_ns
        if self._is_file:
            raise CameraEnded(f"camera {name!r}: {source} has ended")
        raise CameraLost(f"camera {name!r}: {source!r} delivers no frame")

    def _frame(self, picture: Image, exposed_ns: int) -> Frame:
        sequence, self._next = self._next, self._next + 1
        repeats = self._repeats.count(picture) if self.live else 0
        captured_at = datetime.now(UTC) - timedelta(microseconds=(time.monotonic_ns() - exposed_ns) / 1e3)
        return Frame(picture, self._settings.name, sequence, captured_at, "", repeats, exposed_ns=exposed_ns)

    def _skip(self, frames: int) -> None:
        for _ in range(frames):
            if not self._capture.grab():
                return

    def _release(self) -> None:
        if self._capture is not None:
            with contextlib.suppress(cv2.error):
                self._capture.release()
        self._capture = None


class Controls:
    """OpenCV's controls of an open source as features: names without their prefix, numbers only."""

    def __init__(self, capture: Any) -> None:
        self._capture = capture

    def names(self) -> Sequence[str]:
        names = (name.removeprefix(_PREFIX) for name in dir(cv2) if name.startswith(_PREFIX))
        return tuple(name for name in names if name not in _VOLATILE and self.read(name) is not None)

    def all(self) -> dict[str, Value]:
        """Return what the source answers; 0 and -1 are what OpenCV says of a control that it does not know."""
        values = {name: self.read(name) for name in self.names()}
        return {name: value for name, value in values.items() if value not in (None, 0.0)}

    def read(self, name: str) -> Value | None:
        value = float(self._capture.get(getattr(cv2, _PREFIX + name)))
        return None if value == -1.0 else value

    def write(self, name: str, value: Value) -> None:
        if not self._capture.set(getattr(cv2, _PREFIX + name), float(value)):
            raise ConfigError("the source refuses")


def _set(settings: OpenCvSettings, controls: Controls) -> Iterator[Difference]:
    """Set what the block wants, in the order that V4L2 needs, and return what the source does not have now."""
    for field, name, value in _wanted(settings):
        difference = put(controls, name, value, _TOLERANCE, field)
        if difference is not None:
            yield difference


def _wanted(settings: OpenCvSettings) -> Iterator[tuple[str, str, float]]:
    if settings.fourcc is not None:
        yield "fourcc", "FOURCC", float(cv2.VideoWriter.fourcc(*settings.fourcc))
    for field, name in (("width_px", "FRAME_WIDTH"), ("height_px", "FRAME_HEIGHT"), ("fps", "FPS")):
        if (value := getattr(settings, field)) is not None:
            yield field, name, float(value)
    if settings.exposure_us is not None:
        yield "exposure_us", "AUTO_EXPOSURE", _V4L2_MANUAL_EXPOSURE
        yield "exposure_us in units of 100", "EXPOSURE", round(settings.exposure_us / _V4L2_EXPOSURE_UNIT_US)
    if settings.gain is not None:
        yield "gain", "GAIN", settings.gain
    for name, value in settings.controls.items():
        yield name, name.upper(), value
