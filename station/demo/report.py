"""The report of a run whose truth is known: one self-contained HTML file that reads on a screen and prints.

jinja2 and matplotlib are needed here and nowhere else on a station; without them `make_report` says what to install.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np

from db.images import ImageStore
from db.records import Event
from inspector.errors import StorageFault
from inspector.values import Image, InspectionRecord, Outcome
from station import pages
from station.demo.figures import Figures, KnownPart, figures
from station.demo.look import LOOKS
from station.demo.plan import GOOD

OTHERWISE = "--no-report"
_THUMBNAIL_PX = (440, 352)
_MOST_PICTURES = 8
_DETAIL_PX = (440, 200)
Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels of the picture."""
Pictures = Callable[[InspectionRecord], Image | None]
Regions = Callable[[InspectionRecord], Box | None]
"""Where a part's true defect is, as far as that is known."""


def _nowhere(_: InspectionRecord) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Head:
    """What the report says about where its records come from."""

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...] = ()
    footer: str = "Truth is the renderer's own. Nothing in this file is loaded from elsewhere."


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A part with its picture, base64 of a JPEG."""

    trigger: int
    outcome: Outcome
    truth: str
    label: str | None
    probability: float | None
    why: str
    picture: str | None
    detail: str | None
    """The place of the defect, enlarged."""


@dataclass(frozen=True, slots=True)
class Gallery:
    title: str
    note: str
    parts: tuple[Exhibit, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the inspection and how long it took."""

    name: str
    p50_ms: float
    p99_ms: float


def make_report(
    records: Sequence[InspectionRecord],
    truth: Mapping[UUID, str],
    pictures: Pictures,
    out: Path,
    head: Head,
    events: Sequence[Event] = (),
    regions: Regions = _nowhere,
) -> Figures:
    """Write the report of `records` to `out` and return its figures. `truth` gives each part's true class by id.

    Raises:
        UserError: no record has an outcome, a truth is missing, `out` cannot be written, or a package is not installed.
    """
    known = figures(records, truth)
    write_report(known, pictures, out, head, events, regions)
    return known


def write_report(
    known: Figures,
    pictures: Pictures,
    out: Path,
    head: Head,
    events: Sequence[Event] = (),
    regions: Regions = _nowhere,
) -> None:
    """Write the report of figures that are known already; see `make_report`."""
    labels = {label for row in known.by_truth for label in row.labels}
    pages.require_packages(OTHERWISE)
    page = pages.render(
        "demo/report.html.j2",
        head=head,
        figures=known,
        looks=LOOKS,
        plots=_plots(known),
        stages=_stages(known),
        columns=sorted(labels, key=lambda name: (name != GOOD, name)),
        galleries=_galleries(known, pictures, regions),
        events=events,
    )
    pages.write(page, out)


def stored_pictures(root: Path, otherwise: Pictures = _nowhere) -> Pictures:
    """Look a record's picture up in an image store; where it has none (a passed part), ask `otherwise`."""
    store = ImageStore(root)

    def picture(record: InspectionRecord) -> Image | None:
        if record.image_sha256 is None:
            return otherwise(record)
        try:
            encoded = store.read(record.image_sha256)
        except StorageFault:
            return None
        decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
        return None if decoded is None else np.asarray(decoded, np.uint8)

    return picture


def _plots(known: Figures) -> dict[str, str | None]:
    from station.demo.plots import latency_plot, reliability_plot, time_plot

    return {
        "latency": latency_plot(known.parts, known.p50_ms, known.p99_ms),
        "reliability": reliability_plot(known.bins),
        "time": time_plot(known.parts),
    }


def _stages(known: Figures) -> list[Stage]:
    """Time per step over all views, in the order of the steps."""
    times: dict[str, list[float]] = {}
    for part in known.parts:
        for view in part.record.views:
            for name, value in view.timings_ms.items():
                times.setdefault(name, []).append(value)
    order = sorted(times, key=lambda name: ("assess preprocess infer".find(name) % 100, name))
    return [Stage(name, *(float(q) for q in np.quantile(times[name], (0.5, 0.99)))) for name in order]


def _galleries(known: Figures, pictures: Pictures, regions: Regions) -> list[Gallery]:
    def is_rightly_rejected(part: KnownPart) -> bool:
        return part.is_defect and part.record.outcome is Outcome.REJECT

    choices: tuple[tuple[str, str, Callable[[KnownPart], bool]], ...] = (
        ("Escapes", "defective, and passed", lambda part: part.escaped),
        ("Overkill", "good, and rejected", lambda part: part.overkilled),
        ("Reviews", "left to a person", lambda part: part.record.outcome is Outcome.REVIEW),
        ("Not inspected", "diverted without a judgement", lambda part: part.record.outcome is Outcome.NOT_INSPECTED),
        ("Rejects", "defective, and rejected", is_rightly_rejected),
    )
    galleries = [
        _gallery(
            title, note, [part for part in known.parts if chosen(part)], lambda part: _exhibit(part, pictures, regions)
        )
        for title, note, chosen in choices
    ]
    return [gallery for gallery in galleries if gallery.parts or gallery.title in ("Escapes", "Overkill")]


def _gallery(title: str, note: str, parts: Sequence[KnownPart], exhibit: Callable[[KnownPart], Exhibit]) -> Gallery:
    shown = _varied(parts)
    if len(parts) > len(shown):
        note = f"{note}; {len(shown)} of {len(parts)} shown"
    return Gallery(title, note, tuple(exhibit(part) for part in shown))


def _varied(parts: Sequence[KnownPart]) -> list[KnownPart]:
    """Choose a few, in turn from each true class."""
    turns: dict[str, int] = {}
    ranked: list[tuple[int, int, KnownPart]] = []
    for place, part in enumerate(parts):
        turn = turns[part.truth] = turns.get(part.truth, -1) + 1
        ranked.append((turn, place, part))
    return [part for _, _, part in sorted(ranked, key=lambda item: item[:2])[:_MOST_PICTURES]]


def _exhibit(part: KnownPart, pictures: Pictures, regions: Regions) -> Exhibit:
    record = part.record
    outcome = record.outcome or Outcome.NOT_INSPECTED
    image, box = pictures(record), regions(record) if part.is_defect else None
    return Exhibit(
        trigger=record.trigger,
        outcome=outcome,
        truth=part.truth,
        label=record.label,
        probability=record.defect_probability,
        why="" if outcome is Outcome.REJECT else "; ".join(record.reasons),
        picture=None if image is None else _thumbnail(image, box),
        detail=None if image is None or box is None else _detail(image, box),
    )


def _thumbnail(image: Image, box: Box | None) -> str:
    scale = min(_THUMBNAIL_PX[0] / image.shape[1], _THUMBNAIL_PX[1] / image.shape[0], 1.0)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    if box is not None:
        left, top, width, height = (round(side * scale) for side in box)
        corners = (left - 5, top - 5), (left + width + 5, top + height + 5)
        cv2.rectangle(small, *corners, (0, 0, 0), 3)
        cv2.rectangle(small, *corners, (255, 255, 255), 1)
    return pages.jpeg(small)


def _detail(image: Image, box: Box) -> str:
    """Cut out the surroundings of a box, as wide as a thumbnail."""
    left, top, width, height = box
    scale = min(1.0, _DETAIL_PX[0] / (width + 40), _DETAIL_PX[1] / (height + 40))
    size = (_DETAIL_PX[0] / scale, _DETAIL_PX[1] / scale)
    centre = (left + width / 2, top + height / 2)
    matrix = np.array([[scale, 0, -scale * (centre[0] - size[0] / 2)], [0, scale, -scale * (centre[1] - size[1] / 2)]])
    cut = cv2.warpAffine(image, matrix, _DETAIL_PX, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return pages.jpeg(cut)
