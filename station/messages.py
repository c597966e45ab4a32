"""What crosses the pipe between the line process and a vision process: small typed values, never a frame."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from db.images import StoredImage
from inspector.draws import Draw
from inspector.drift import WatchPoint
from inspector.drift_alarms import Alarm
from inspector.recipe import Recipe
from inspector.values import PartResult, Verdict


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
    """Vision: an exposure was made. With `fault` there is no picture, and nothing to inspect.

    With `overload` there is none because too many wait to be inspected.
    """

    camera: str
    sequence: int
    captured_at: datetime
    exposed_ns: int
    """time.monotonic_ns() at the exposure; the clock is the same in both processes."""
    source: str
    fault: str | None = None
    overload: bool = False
    serving: int = 0
    """Which of the bundles that the line numbered has prepared it, and will judge it."""


@dataclass(frozen=True, slots=True)
class Unexposed:
    """Vision: no exposure was made for the trigger in its time."""

    camera: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Inspected:
    """Vision: the verdict on one view of a part. With `image_follows`, an ImageStored or ImageFailed will come.

    `draw` tells that a passed part was drawn for audit: its task is written with its row. Where a part has several
    views, the line decides on both, and asks for the images by Keep.
    """

    part_id: UUID
    camera: str
    part: PartResult
    image_follows: bool
    draw: Draw | None = None
    code: str | None = None
    """What a code in the picture says, where codes are read."""


@dataclass(frozen=True, slots=True)
class NotHeld:
    """Vision: the frame that the line asked for is not here (discarded, or of a process that died), or too late."""

    part_id: UUID
    camera: str
    why: str = "frame no longer held"


@dataclass(frozen=True, slots=True)
class ImageStored:
    """Vision: the image of a view is on disk."""

    part_id: UUID
    camera: str
    image: StoredImage


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """Vision: the image of a view could not be stored."""

    part_id: UUID
    camera: str
    message: str


@dataclass(frozen=True, slots=True)
class CameraState:
    """Vision: the camera's state changed."""

    camera: str
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
class Building:
    """Vision: what the runtime of a bundle needs is being built; told every few seconds while that goes on."""

    number: int
    """Of the bundle, among those that the line numbered."""
    message: str


@dataclass(frozen=True, slots=True)
class Built:
    """Vision: what the recipe's runtime needed is built, and it has taken over from the one that stood in."""

    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Vision: no further exposure will come of this camera."""

    camera: str
    message: str


@dataclass(frozen=True, slots=True)
class Drifted:
    """Vision: the drift watch of a camera has something to say."""

    camera: str
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class DriftStatus:
    """Vision: the drift watch in a few words, for the screen; one that is not `well` is a fault of the watch itself."""

    camera: str
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


@dataclass(frozen=True, slots=True)
class Loaded:
    """Vision: a bundle that was to be loaded is loaded and proved; it serves when the line says so."""

    number: int
    description: dict[str, str]
    golden_samples: int


@dataclass(frozen=True, slots=True)
class Declined:
    """Vision: a bundle that was to be loaded is not fit to serve; what serves goes on."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class SelfTested:
    """Vision: the golden self-test of what serves has ended; `fault` says how it failed."""

    golden_samples: int
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class ShadowJudged:
    """Vision: what the bundle in the shadow says of a view; nothing comes of it. Counts are since it was loaded."""

    part_id: UUID
    camera: str
    bundle_id: str
    verdict: Verdict
    judged: int
    skipped: int
    """Views that came while others waited, and that it did not look at."""


FromOrders = Loaded | Declined | SelfTested | ShadowJudged
FromRuntime = RuntimeFailed | Building | Built
FromWatch = Drifted | DriftStatus | DriftPoint | Relearning
FromVision = (
    Ready
    | Unfit
    | Alive
    | Exposed
    | Unexposed
    | Inspected
    | NotHeld
    | ImageStored
    | ImageFailed
    | CameraState
    | CameraNote
    | FromRuntime
    | Ended
    | FromWatch
    | FromOrders
)


@dataclass(frozen=True, slots=True)
class Begin:
    """Line: every camera group is ready; expose from now on."""


@dataclass(frozen=True, slots=True)
class Inspect:
    """Line: inspect the frame announced as `sequence`; the line acts on the verdict when the part's row is durable.

    After `deadline_ns` (time.monotonic_ns()) nobody waits for the verdict any more.
    """

    part_id: UUID
    camera: str
    sequence: int
    deadline_ns: int
    challenge: bool = False
    """The part is of known truth: it is not drawn for audit, and nothing is learnt from it."""


@dataclass(frozen=True, slots=True)
class Challengers:
    """Line: what a code in the picture says of a part of known truth."""

    codes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Keep:
    """Line: store the image of a view that was inspected; told where a part has several views."""

    part_id: UUID
    camera: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Line: the part was answered without this frame; let it go."""

    camera: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """Line: a part is here; expose, unless `deadline_ns` (time.monotonic_ns()) has passed."""

    camera: str
    sequence: int
    deadline_ns: int
    serving: int = 0
    """What the part is to be judged by."""


@dataclass(frozen=True, slots=True)
class Load:
    """Line: load a bundle beside the one that serves, prove it, and keep it by this number."""

    number: int
    bundle: Path
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Serve:
    """Line: what is exposed from now on is judged by the bundle of this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Shade:
    """Line: score views by the bundle of this number too, while no part waits; None: by none any more."""

    number: int | None


@dataclass(frozen=True, slots=True)
class Drop:
    """Line: the bundle of this number is not wanted any more."""

    number: int


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Line: test what serves with its golden samples, between parts."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Line: expose no more, finish what was announced, and end."""


FromLine = Begin | Inspect | Challengers | Keep | Discard | Trigger | Load | Serve | Shade | Drop | SelfTest | Stop
