"""Parts as the ledger is asked to write them, opened and completed, and how they are written: many by the statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Insert, bindparam, insert, null, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db.images import StoredImage
from db.prepared import Prepared
from db.records import Row, completion_row, finding_rows, image_row, opening_row, task_row
from db.tables import FINDINGS, IMAGES, INSPECTIONS, LABEL_TASKS, OUTBOX
from inspector.draws import Draw
from inspector.errors import StationError
from inspector.values import InspectionRecord

Write = Callable[[Prepared, Connection, Sequence[Row]], int]
"""Execute a statement for rows; return how many it wrote."""


class RowRefused(StationError):
    """A row that the ledger will never take: a part completed twice or never opened, a broken constraint."""


class NotThisPart(RowRefused):
    """A completion with no open row of its own: the part was never opened, is completed, or was opened as another."""


@dataclass(frozen=True, slots=True)
class Opening:
    record: InspectionRecord
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    record: InspectionRecord
    image: StoredImage | None
    at: datetime
    draw: Draw | None = None
    further: tuple[StoredImage, ...] = ()


@dataclass(slots=True)
class _Parts:
    """Rows of a group of parts, by statement. In one transaction the order among parts is of no account."""

    openings: list[Row] = field(default_factory=list)
    places: list[Row] = field(default_factory=list)
    images: list[Row] = field(default_factory=list)
    completions: list[Row] = field(default_factory=list)
    findings: list[Row] = field(default_factory=list)
    tasks: list[Row] = field(default_factory=list)


def write_parts(
    connection: Connection, entries: Sequence[Opening | Completion], write: Write = Prepared.write
) -> list[None]:
    parts = _collect(entries)
    if parts.openings:
        write(_OPEN, connection, parts.openings)
        write(_ADD_TO_OUTBOX, connection, parts.places)
    if parts.images:
        write(_ADD_IMAGES[connection.dialect.name], connection, parts.images)
    if parts.completions and write(_COMPLETE, connection, parts.completions) != len(parts.completions):
        raise NotThisPart(_why_not_completed(connection, parts.completions[0]))
    if parts.findings:
        write(_ADD_FINDINGS, connection, parts.findings)
    if parts.tasks:
        connection.execute(_ADD_TASKS, parts.tasks)
    return [None] * len(entries)


def _collect(entries: Sequence[Opening | Completion]) -> _Parts:
    parts = _Parts()
    completed: set[UUID] = set()
    for entry in entries:
        if isinstance(entry, Opening):
            if entry.record.part_id in completed:
                raise RowRefused(f"part {entry.record.part_id} was completed before it was opened")
            parts.openings.append(opening_row(entry.record, entry.simulated))
            parts.places.append({"part_id": entry.record.part_id})
        else:
            completed.add(entry.record.part_id)
            _collect_completion(parts, entry)
    return parts


def _collect_completion(parts: _Parts, entry: Completion) -> None:
    record, image = entry.record, entry.image
    if image is not None and image.sha256 != record.image_sha256:
        raise RowRefused(f"part {record.part_id} names image {record.image_sha256}, but {image.sha256} was stored")
    if image is not None:
        parts.images.extend(image_row(stored, entry.at) for stored in (image, *entry.further))
    key = {
        "of_part": record.part_id,
        "of_run": record.run_id,
        "of_station": record.station,
        "of_trigger": record.trigger,
        "of_sequence": record.sequence,
    }
    parts.completions.append(completion_row(record) | key)
    parts.findings.extend(finding_rows(record))
    if entry.draw is not None:
        parts.tasks.append(task_row(record, entry.draw))


def _why_not_completed(connection: Connection, row: Row) -> str:
    found = connection.execute(_FIND_PART, {"part_id": row["of_part"]}).first()
    if found is None:
        return f"part {row['of_part']} was never opened"
    opened = (found.run_id, found.station, found.trigger, found.sequence)
    completed = (row["of_run"], row["of_station"], row["of_trigger"], row["of_sequence"])
    if opened != completed:
        return f"part {row['of_part']} was opened as run, station, trigger, frame {opened} and completed as {completed}"
    return f"part {row['of_part']} is completed a second time; it was {found.outcome}"


def _insert_images(dialect: Any) -> Insert:
    """An image that is there already stays as it is; one that a sweep dropped, or is about to, is there again."""
    statement = dialect.insert(IMAGES)
    nothing = dict.fromkeys(("dropped_at", "drop_reason", "uploaded_at"), null())
    again = {"stored_at": statement.excluded.stored_at, **nothing}
    inserts: Insert = statement.on_conflict_do_update(
        index_elements=[IMAGES.c.sha256], set_=again, where=IMAGES.c.drop_reason.is_not(None)
    )
    return inserts


# Statements are made once: to make one costs as much as to execute it.
_OPEN = Prepared(insert(INSPECTIONS))
_ADD_TO_OUTBOX = Prepared(insert(OUTBOX))
_ADD_IMAGES = {"sqlite": Prepared(_insert_images(sqlite)), "postgresql": Prepared(_insert_images(postgresql))}
_ADD_FINDINGS = Prepared(insert(FINDINGS))
_ADD_TASKS = insert(LABEL_TASKS)
_COMPLETED_COLUMNS = (
    "recipe",
    "bundle_id",
    "source",
    "part_ref",
    "lot",
    "serial",
    "outcome",
    "reasons",
    "label",
    "defect_probability",
    "latency_ms",
    "completed_at",
    "image_sha256",
    "challenge_id",
    "challenge_met",
)
_COMPLETE = Prepared(
    update(INSPECTIONS)
    .where(
        INSPECTIONS.c.part_id == bindparam("of_part"),
        INSPECTIONS.c.run_id == bindparam("of_run"),
        INSPECTIONS.c.station == bindparam("of_station"),
        INSPECTIONS.c.trigger == bindparam("of_trigger"),
        INSPECTIONS.c.sequence == bindparam("of_sequence"),
        INSPECTIONS.c.outcome.is_(None),
    )
    .values({name: bindparam(name) for name in _COMPLETED_COLUMNS})
)
_FIND_PART = select(INSPECTIONS).where(INSPECTIONS.c.part_id == bindparam("part_id"))
