"""The values that one inspection passes through, each made by one function and never changed.

`Frame -> Quality -> Prediction -> Verdict -> PartResult -> InspectionRecord`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(H, W, 3) uint8 BGR as OpenCV gives it, or (H, W) uint8 grey."""


class Outcome(StrEnum):
    """What happens to a part. Everything that is not PASS is diverted."""

    PASS = "PASS"
    REJECT = "REJECT"
    REVIEW = "REVIEW"
    NOT_INSPECTED = "NOT_INSPECTED"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One exposure. `sequence` counts from 0 within a camera's run; `captured_at` is timezone-aware UTC."""

    image: Image
    camera: str
    sequence: int
    captured_at: datetime
    source: str = ""
    """File name for cameras that read files; `frame N` for cameras that number their frames; else empty."""
    repeats: int = 0
    """How many frames just before this one had the very same pixels (live cameras only)."""
    template: Image | None = None
    """Golden template of this very part; where it is None, the recipe's is used by networks that compare."""
    exposed_ns: int | None = None
    """The exposure in time.monotonic_ns(), from the camera's own time stamp; None where it has none."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Is the picture fit to be judged? Shares are of all pixels, 0..1; brightness in grey levels 0..255."""

    focus: float
    """Variance of the Laplacian over bands of the frame, grey levels squared."""
    brightness: float
    dark_share: float
    saturated_share: float
    faults: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        return not self.faults


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect where it was found: its box in frame pixels, fractions included."""

    label: str
    probability: float
    x: float
    y: float
    width: float
    height: float
    area_px: float | None = None
    """Area of its mask in frame pixels; None where the network gives boxes only."""
    longest_px: float | None = None
    """Longer side of the smallest turned rectangle around its mask."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network says of one view, calibrated. Class order is the bundle's."""

    label: str
    class_probabilities: tuple[float, ...]
    defect_probability: float
    scores: tuple[float, ...]
    """Raw, before calibration: logits of a classifier, else the part's score first (larger is more defective)."""
    findings: tuple[Finding, ...] = ()
    novelty: float | None = None
    """How unlike all that is known, 0..1; None where the network does not tell.

    Of a classifier the share of held parts that were less unlike the training set; of an embedding the probability that
    the part is none of the enrolled variants.
    """
    expected: str | None = None
    """The variant that the recipe expects, where it does."""
    p_value: float | None = field(default=None, compare=False)
    """Anomaly: the share of good parts that would look at least as strange, one-sided; no probability of a defect.

    The ledger keeps it in the reason of a verdict that rests on it.
    """
    heat: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    """(h, w) of 0..1 over the network's input: where the defect is seen. It stays inside the vision process."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome with its reasons. Probability and label are None when no network judged the part."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()
    defect_probability: float | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ViewInspection:
    """One view of a part, judged."""

    camera: str
    sequence: int
    source: str
    quality: Quality
    prediction: Prediction | None
    verdict: Verdict
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Durations from a monotonic clock: assess, preprocess, infer."""
    image_sha256: str | None = None
    """The stored picture of this view."""
    heat_png: bytes | None = field(default=None, repr=False)
    """Where the defect is seen, over the whole frame: a grey PNG of a few hundred bytes, for persons."""


@dataclass(frozen=True, slots=True)
class PartResult:
    """A part judged from all its views."""

    verdict: Verdict
    views: tuple[ViewInspection, ...]

    def without_heat(self) -> PartResult:
        """Return the same without heat maps: what may leave the vision process."""
        return replace(self, views=tuple(_without_heat(view) for view in self.views))


def _without_heat(view: ViewInspection) -> ViewInspection:
    if view.prediction is None or view.prediction.heat is None:
        return view
    return replace(view, prediction=replace(view.prediction, heat=None))


@dataclass(frozen=True, slots=True)
class PartTag:
    """What the line calls a part, as it came with the trigger or was read from the picture; None where nobody said."""

    part_ref: str | None = None
    """The part's id in the plant's own numbering."""
    lot: str | None = None
    serial: str | None = None


NO_TAG = PartTag()


@dataclass(frozen=True, slots=True)
class InspectionRecord:
    """The ledger's account of one part. Open while `outcome` is None; complete for ever afterwards."""

    part_id: UUID
    run_id: UUID
    station: str
    recipe: str
    bundle_id: str
    trigger: int
    """Counts from 1 since the station's start, through runs that take over; (run_id, trigger) is unique."""
    source: str
    triggered_at: datetime
    sequence: int = 0
    """Frame sequence number that the trigger announced; a restarted station goes on behind the largest."""
    outcome: Outcome | None = None
    reasons: tuple[str, ...] = ()
    label: str | None = None
    defect_probability: float | None = None
    latency_ms: float | None = None
    """Trigger to verdict acted on."""
    completed_at: datetime | None = None
    image_sha256: str | None = None
    """The stored picture; of several views, one that says what the part's verdict says."""
    views: tuple[ViewInspection, ...] = ()
    tag: PartTag = NO_TAG
    challenge_id: UUID | None = None
    """The registered part of known truth that this one is; such a part is none of production, and in no count."""
    challenge_met: bool | None = None
    """Whether it was judged as it had to be; None for any other part, and for one that nobody judged."""
