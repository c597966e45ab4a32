"""The one seam to cameras: open, grab, close."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol, Self, runtime_checkable

from pydantic import Field

from inspector.documents import Document
from inspector.errors import TriggerTimeout
from inspector.values import Frame
from station.cameras.features import Difference, Value


class CameraSettings(Document):
    """What every camera's block may say; each kind adds its own fields."""

    kind: str = Field(description="folder, synthetic, opencv, pylon, gige, genicam, or an installed plug-in")
    name: str = Field(default="camera-1", min_length=1, max_length=64, description="name in records and messages")
    group: str = Field(
        default="vision", min_length=1, max_length=64, description="cameras of one group share a vision process"
    )
    grab_timeout_s: float = Field(default=2.0, gt=0, le=3600, description="no exposure for so long is a fault")


class Camera(Protocol):
    """A source of frames. Open with `with`; only the acquire thread of the vision process calls `grab`.

    A factory is called as `factory(settings, start=n)`: the first frame has sequence number `n`. A source that can be
    replayed (folder, synthetic, file) then begins at its n-th image, so that a run that was killed goes on where the
    ledger ends; a live device only numbers its frames from there.
    """

    live: bool
    """True where two exposures can never have the very same pixels (a sensor), False for files and renderings."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def grab(self, timeout_s: float) -> Frame:
        """Wait for one exposure and return it.

        Raises:
            TriggerTimeout: none came in `timeout_s`; call again.
            FrameLost: an exposure was made but its picture cannot be had (corrupt file, truncated transfer, a gap in
                the camera's own frame counter: raised once for each frame missing, before the next one is returned).
            FrameStale: a frame came that came before, or whose successor did; it is no part, call again.
            CameraLost: the device is gone; close and open again.
            CameraEnded: a finite source has no more.
        """
        ...


@runtime_checkable
class OnDemand(Protocol):
    """A camera that can be told when a part is there. Its frame counter then accounts for no parts: triggers do."""

    def expose(self) -> None:
        """A part is there now: no frame exposed before is its picture. Called once per trigger, before `grab`."""
        ...


@runtime_checkable
class Described(Protocol):
    """A camera that can tell how it is set. Both are called by the acquire thread after each opening."""

    def features(self) -> Mapping[str, Value]:
        """Return every feature of the device with its value now."""
        ...

    def differences(self) -> tuple[Difference, ...]:
        """Return which of the block's settings the device has not taken."""
        ...


class Pace:
    """Lets a source of files or renderings expose at a steady rate; 0 Hz means as fast as frames are wanted."""

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1 / rate_hz if rate_hz else 0.0
        self._due_s = 0.0

    def wait(self, timeout_s: float) -> None:
        """Sleep until the next exposure is due; raise TriggerTimeout if that is later than `timeout_s` from now."""
        if not self._period_s:
            return
        now_s = time.monotonic()
        self._due_s = self._due_s or now_s
        delay_s = self._due_s - now_s
        time.sleep(max(0.0, min(delay_s, timeout_s)))
        if delay_s > timeout_s:
            raise TriggerTimeout(f"next exposure is due in {delay_s - timeout_s:.2f} s")
        self._due_s = max(self._due_s + self._period_s, now_s)
