"""What crosses the pipe between the line process and a vision process: small typed values, never a frame."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from db.images import StoredImage
from inspector.draws import Draw
from inspector.drift import WatchPoint
from inspector.drift_alarms import Alarm
from inspector.values import PartResult


@dataclass(frozen=True, slots=True)
class Ready:
    """Vision: camera open, network loaded, golden self-test passed."""

    description: dict[str, str]
    golden_samples: int


@dataclass(frozen=True, slots=True)
class Unfit:
    """Vision: cannot start, and a restart would not help (a bad bundle, recipe or camera block)."""

    message: str


@dataclass(frozen=True, slots=True)
class Alive:
    """Vision: the inspecting thread and the acquire thread both go round; told while there is nothing else to tell."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """Vision: an exposure was made. With `fault` there is no picture, and nothing to inspect."""

    sequence: int
    captured_at: datetime
    exposed_ns: int
    """time.monotonic_ns() at the exposure; the clock is the same in both processes."""
    source: str
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Inspected:
    """Vision: the verdict on a part. With `image_follows`, an ImageStored or ImageFailed will come.

    `draw` tells that a passed part was drawn for audit: its task is written with its row.
    """

    part_id: UUID
    part: PartResult
    image_follows: bool
    draw: Draw | None = None


@dataclass(frozen=True, slots=True)
class NotHeld:
    """Vision: the frame that the line asked for is not here (discarded, or announced by a process that died)."""

    part_id: UUID


@dataclass(frozen=True, slots=True)
class ImageStored:
    """Vision: the part's image is on disk."""

    part_id: UUID
    image: StoredImage


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """Vision: the part's image could not be stored."""

    part_id: UUID
    message: str


@dataclass(frozen=True, slots=True)
class CameraState:
    """Vision: the camera's state changed."""

    well: bool
    message: str


@dataclass(frozen=True, slots=True)
class CameraNote:
    """Vision: something about a camera that is no part and no change of state, to be recorded as an event."""

    camera: str
    kind: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class RuntimeFailed:
    """Vision: a runtime failed, and its spare has judged the part at hand and goes on."""

    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Vision: no further exposure will come."""

    message: str


@dataclass(frozen=True, slots=True)
class Drifted:
    """Vision: the drift watch of a camera has something to say."""

    camera: str
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class DriftStatus:
    """Vision: the drift watch in a few words, for the screen; one that is not `well` is a fault of the watch itself."""

    message: str
    well: bool


@dataclass(frozen=True, slots=True)
class DriftPoint:
    """Vision: a point of every drift chart, to be recorded."""

    point: WatchPoint


@dataclass(frozen=True, slots=True)
class Relearning:
    """Vision: the drift watch of a camera learns anew because a person ordered it; `ended` are alarms that held."""

    camera: str
    by: str
    why: str
    ended: tuple[Alarm, ...]


FromWatch = Drifted | DriftStatus | DriftPoint | Relearning
FromVision = (
    Ready
    | Unfit
    | Alive
    | Exposed
    | Inspected
    | NotHeld
    | ImageStored
    | ImageFailed
    | CameraState
    | CameraNote
    | RuntimeFailed
    | Ended
    | FromWatch
)


@dataclass(frozen=True, slots=True)
class Inspect:
    """Line: inspect the frame announced as `sequence`; the line acts on the verdict when the part's row is durable."""

    part_id: UUID
    sequence: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Line: the part was answered without this frame; let it go."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """Line: a part is here; expose, unless `deadline_ns` (time.monotonic_ns()) has passed (trigger kind `timer`)."""

    sequence: int
    deadline_ns: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Line: expose no more, finish what was announced, and end."""


FromLine = Inspect | Discard | Trigger | Stop
