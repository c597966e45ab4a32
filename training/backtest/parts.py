"""Recorded parts, and what a bundle says of them now: values that cross from process to process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from uuid import UUID

import cv2

from db.images import ImageStore, StoredImage
from inspector.bundle import load_bundle
from inspector.errors import StationError, UserError
from inspector.inspection import Inspector
from inspector.preprocess import decode_image
from inspector.recipe import Recipe
from inspector.values import Frame, Outcome


@dataclass(frozen=True, slots=True)
class RecordedView:
    """A stored picture of a part."""

    camera: str
    sequence: int
    image: StoredImage


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """A part whose every view was kept, with what was said of it."""

    part_id: UUID
    station: str
    lot: str | None
    triggered_at: datetime
    outcome: Outcome
    label: str | None
    is_defect: bool | None
    """By the newest label that a person gave; None where nobody did."""
    views: tuple[RecordedView, ...]


@dataclass(frozen=True, slots=True)
class Rejudged:
    """What the bundle says of a part now. `fault` says why it says nothing."""

    part_id: UUID
    outcome: Outcome | None
    label: str | None
    defect_probability: float | None
    fault: str
    seconds: float
    """Of reading, decoding and inspecting."""

    @property
    def said(self) -> tuple[UUID, Outcome | None, str | None, float | None, str]:
        """All but the time, which no two runs share."""
        return self.part_id, self.outcome, self.label, self.defect_probability, self.fault


@dataclass(frozen=True, slots=True)
class Bench:
    """By what parts are inspected, and where their pictures lie; the same paths wherever it is used."""

    bundle: Path
    recipe: str
    """JSON."""
    images: Path


def rejudge(bench: Bench, parts: tuple[RecordedPart, ...]) -> list[Rejudged]:
    """Inspect parts one by one, as a station does: `Inspector.inspect`, in this process."""
    inspector, store = _inspector(bench), ImageStore(bench.images)
    return [_rejudged(inspector, store, part) for part in parts]


@lru_cache(maxsize=1)
def _inspector(bench: Bench) -> Inspector:
    """Loaded once in a process, however many chunks of parts it gets."""
    cv2.setNumThreads(1)
    inspector = Inspector(load_bundle(bench.bundle), Recipe.model_validate_json(bench.recipe))
    inspector.warm_up()
    return inspector


def _rejudged(inspector: Inspector, store: ImageStore, part: RecordedPart) -> Rejudged:
    began_s = perf_counter()
    try:
        frames = [_frame(store, part, view) for view in part.views]
        verdict = inspector.inspect(frames).verdict
    except (UserError, StationError) as error:
        return Rejudged(part.part_id, None, None, None, str(error), perf_counter() - began_s)
    probability = verdict.defect_probability
    return Rejudged(part.part_id, verdict.outcome, verdict.label, probability, "", perf_counter() - began_s)


def _frame(store: ImageStore, part: RecordedPart, view: RecordedView) -> Frame:
    image = decode_image(store.load(view.image), view.image.path)
    return Frame(image, view.camera, view.sequence, part.triggered_at, view.image.path)
