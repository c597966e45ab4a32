"""Values <-> rows. `inspection_from_rows` undoes `opening_row`, `completion_row` and `finding_rows`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from db.images import StoredImage
from inspector.draws import Draw, Stratum
from inspector.ids import new_id
from inspector.values import (
    NO_TAG,
    Finding,
    InspectionRecord,
    Outcome,
    PartTag,
    Prediction,
    Quality,
    Verdict,
    ViewInspection,
)

Row = dict[str, Any]

PREDICTION_COLUMNS = (
    "predicted_label",
    "predicted_probability",
    "class_probabilities",
    "scores",
    "defects",
    "novelty",
)
TAG_COLUMNS = ("part_ref", "lot", "serial")
_NO_TAG_COLUMNS: Row = dict.fromkeys(TAG_COLUMNS)
FINDING_NUMBERS = ("probability", "x", "y", "width", "height", "area_px", "longest_px")


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Run:
    """A station's work with one recipe and one bundle, from its start."""

    station: str
    recipe: str
    """The recipe's name; `recipe_revision` is the hash of `recipe_text`."""
    recipe_revision: str
    recipe_text: str
    bundle_id: str
    task: str
    classes: tuple[str, ...]
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """The bundle's manifest as JSON values."""
    audit: tuple[Stratum, ...] = ()
    """How passes are drawn for audit; empty where none are."""
    run_id: UUID = field(default_factory=new_id)
    started_at: datetime = field(default_factory=utc_now)


class Severity(StrEnum):
    """How much an event matters. An ALARM wants a person."""

    INFO = "INFO"
    WARNING = "WARNING"
    ALARM = "ALARM"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a station and is no part."""

    station: str
    severity: Severity
    kind: str
    """A short word to count by, such as "camera lost"."""
    message: str
    at: datetime = field(default_factory=utc_now)
    event_id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Report:
    """One part as it is told: its row as it was completed, without the views, and its place in the order."""

    position: int
    record: InspectionRecord
    simulated: bool = False


def opening_row(record: InspectionRecord, simulated: bool = False) -> Row:
    """The row of a part that was triggered and has no verdict yet."""
    if record.outcome is not None or record.completed_at is not None or record.views:
        raise ValueError(f"part {record.part_id} is opened with an outcome, a time of completion or views")
    return {
        "part_id": record.part_id,
        "run_id": record.run_id,
        "station": record.station,
        "recipe": record.recipe,
        "bundle_id": record.bundle_id,
        "trigger": record.trigger,
        "sequence": record.sequence,
        "source": storable(record.source),
        **_tag_columns(record.tag),
        "triggered_at": record.triggered_at,
        "reasons": list(record.reasons),
        "simulated": simulated,
        "challenge_id": record.challenge_id,
    }


def completion_row(record: InspectionRecord) -> Row:
    """What completing a part sets; what the trigger said (run, count, frame, moment) stays as it was opened."""
    if record.outcome is None or record.completed_at is None:
        raise ValueError(f"part {record.part_id} is completed without an outcome or a time")
    return {
        "recipe": record.recipe,
        "bundle_id": record.bundle_id,
        "source": storable(record.source),
        **_tag_columns(record.tag),
        "outcome": record.outcome.value,
        "reasons": list(record.reasons),
        "label": record.label,
        "defect_probability": _finite(record.defect_probability, "defect_probability"),
        "latency_ms": _finite(record.latency_ms, "latency_ms"),
        "completed_at": record.completed_at,
        "image_sha256": record.image_sha256,
        "challenge_id": record.challenge_id,
        "challenge_met": record.challenge_met,
    }


def _tag_columns(tag: PartTag) -> Row:
    if tag == NO_TAG:
        return _NO_TAG_COLUMNS
    return {name: None if (words := getattr(tag, name)) is None else storable(words) for name in TAG_COLUMNS}


def finding_rows(record: InspectionRecord) -> list[Row]:
    return [_finding_row(record.part_id, view, inspection) for view, inspection in enumerate(record.views)]


def task_row(record: InspectionRecord, draw: Draw) -> Row:
    """The task of a part drawn for audit, made when the part is completed."""
    if record.outcome is not Outcome.PASS:
        raise ValueError(f"part {record.part_id} is {record.outcome} and was drawn for audit; expected a pass")
    return {
        "task_id": new_id(),
        "part_id": record.part_id,
        "kind": "AUDIT",
        "inclusion_probability": _finite(draw.probability, "inclusion_probability"),
        "stratum": draw.stratum,
        "created_at": record.completed_at,
    }


def stratum_rows(run: Run) -> list[Row]:
    return [
        {
            "run_id": run.run_id,
            "stratum": stratum.name,
            "score_from": stratum.score_from,
            "score_below": stratum.score_below,
            "share": stratum.share,
        }
        for stratum in run.audit
    ]


def image_row(image: StoredImage, stored_at: datetime) -> Row:
    return {"sha256": image.sha256, "path": image.path, "size_bytes": image.size_bytes, "stored_at": stored_at}


def event_row(event: Event) -> Row:
    return {
        "event_id": event.event_id,
        "station": event.station,
        "at": event.at,
        "severity": event.severity.value,
        "kind": event.kind,
        "message": storable(event.message),
    }


def inspection_from_rows(row: Mapping[Any, Any], findings: Iterable[Mapping[Any, Any]] = ()) -> InspectionRecord:
    """`row` of `inspections` and its `findings` in the order of the views."""
    return InspectionRecord(
        part_id=row["part_id"],
        run_id=row["run_id"],
        station=row["station"],
        recipe=row["recipe"],
        bundle_id=row["bundle_id"],
        trigger=row["trigger"],
        sequence=row["sequence"],
        source=row["source"],
        triggered_at=row["triggered_at"],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        reasons=tuple(row["reasons"]),
        label=row["label"],
        defect_probability=row["defect_probability"],
        latency_ms=row["latency_ms"],
        completed_at=row["completed_at"],
        image_sha256=row["image_sha256"],
        views=tuple(_view_from_row(finding) for finding in findings),
        tag=PartTag(row["part_ref"], row["lot"], row["serial"]),
        challenge_id=row["challenge_id"],
        challenge_met=row["challenge_met"],
    )


def _finding_row(part_id: UUID, view: int, inspection: ViewInspection) -> Row:
    quality, verdict = inspection.quality, inspection.verdict
    return {
        "part_id": part_id,
        "view": view,
        "camera": inspection.camera,
        "sequence": inspection.sequence,
        "source": storable(inspection.source),
        "outcome": verdict.outcome.value,
        "reasons": list(verdict.reasons),
        "label": verdict.label,
        "defect_probability": _finite(verdict.defect_probability, "defect_probability"),
        **_prediction_columns(inspection.prediction),
        "focus": _finite(quality.focus, "focus"),
        "brightness": _finite(quality.brightness, "brightness"),
        "dark_share": _finite(quality.dark_share, "dark_share"),
        "saturated_share": _finite(quality.saturated_share, "saturated_share"),
        "quality_faults": list(quality.faults),
        "timings_ms": {name: _finite(value, name) for name, value in inspection.timings_ms.items()},
        "image_sha256": inspection.image_sha256,
        "heat_png": inspection.heat_png,
    }


def _prediction_columns(prediction: Prediction | None) -> Row:
    if prediction is None:
        return dict.fromkeys(PREDICTION_COLUMNS)
    return {
        "predicted_label": prediction.label,
        "predicted_probability": _finite(prediction.defect_probability, "defect_probability"),
        "class_probabilities": [_finite(p, "class_probabilities") for p in prediction.class_probabilities],
        "scores": [_finite(score, "scores") for score in prediction.scores],
        "defects": [_defect(finding) for finding in prediction.findings],
        "novelty": _finite(prediction.novelty, "novelty"),
    }


def _defect(finding: Finding) -> dict[str, object]:
    numbers = {name: _finite(getattr(finding, name), name) for name in FINDING_NUMBERS}
    return {"label": finding.label, **numbers}


def _finding(defect: Mapping[str, Any]) -> Finding:
    # PostgreSQL gives 1.0 back from JSON as 1.
    numbers = {name: None if defect[name] is None else float(defect[name]) for name in FINDING_NUMBERS}
    # Only the two sizes may be None, as `_defect` wrote them; the type of one mapping cannot say so.
    return Finding(label=defect["label"], **numbers)  # type: ignore[arg-type]


def _view_from_row(row: Mapping[Any, Any]) -> ViewInspection:
    return ViewInspection(
        camera=row["camera"],
        sequence=row["sequence"],
        source=row["source"],
        quality=Quality(
            focus=row["focus"],
            brightness=row["brightness"],
            dark_share=row["dark_share"],
            saturated_share=row["saturated_share"],
            faults=tuple(row["quality_faults"]),
        ),
        prediction=_prediction_from_row(row),
        verdict=Verdict(Outcome(row["outcome"]), tuple(row["reasons"]), row["defect_probability"], row["label"]),
        timings_ms={name: float(value) for name, value in row["timings_ms"].items()},
        image_sha256=row["image_sha256"],
        heat_png=row["heat_png"],
    )


def _prediction_from_row(row: Mapping[Any, Any]) -> Prediction | None:
    if row["predicted_label"] is None:
        return None
    return Prediction(
        label=row["predicted_label"],
        # PostgreSQL gives 1.0 back from JSON as 1.
        class_probabilities=tuple(float(p) for p in row["class_probabilities"]),
        defect_probability=row["predicted_probability"],
        scores=tuple(float(score) for score in row["scores"]),
        findings=tuple(_finding(defect) for defect in row["defects"] or ()),
        novelty=row["novelty"],
    )


def _finite(value: float | None, name: str) -> float | None:
    """A plain float, as SQLite would store NaN as NULL and PostgreSQL's JSON knows neither NaN nor numpy."""
    if value is None:
        return None
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; expected a finite number")
    return float(value)


def storable(words: str) -> str:
    """A file name need not be valid UTF-8; what a database cannot store is kept as a backslash escape."""
    if words.isascii() and "\0" not in words:
        return words
    return words.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
