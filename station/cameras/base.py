"""The one seam to cameras: open, grab, close."""

from __future__ import annotations

from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from inspector.values import Frame


class CameraSettings(BaseModel):
    """What every camera's block may say; each kind adds its own fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = Field(description="camera plug-in: folder, synthetic, opencv, or one installed as a plug-in")
    name: str = Field(default="camera-1", min_length=1, max_length=64, description="name in records and messages")
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
        """Wait for one exposure and return it; raise TriggerTimeout, CameraLost or CameraEnded."""
        ...
