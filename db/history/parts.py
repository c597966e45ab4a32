"""The life of one part: every inspection of it, and what persons said of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select

from db.labels import current
from db.queries import of_serial
from db.tables import LABELS
from inspector.values import InspectionRecord

MOST = 100


@dataclass(frozen=True, slots=True)
class Said:
    """A label that its author did not supersede."""

    label: str
    is_defect: bool
    person: str
    at: datetime
    blind: bool
    note: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """One inspection of a part, with its views, and the labels given to it."""

    record: InspectionRecord
    labels: tuple[Said, ...]


def part_history(connection: Connection, serial: str) -> tuple[Inspected, ...]:
    """The newest inspections of a serial number, at most `MOST`, oldest first. Also those that do not count."""
    return inspected(connection, of_serial(connection, serial, MOST))


def inspected(connection: Connection, records: Iterable[InspectionRecord]) -> tuple[Inspected, ...]:
    """Join labels to parts, which keep their order."""
    records = list(records)
    query = select(LABELS).where(LABELS.c.part_id.in_([record.part_id for record in records]))
    by_part: dict[UUID, list[Said]] = {}
    for row in current(connection.execute(query.order_by(LABELS.c.at, LABELS.c.label_id))):
        said = Said(row.label, row.is_defect, row.person, row.at, row.blind, row.note)
        by_part.setdefault(row.part_id, []).append(said)
    return tuple(Inspected(record, tuple(by_part.get(record.part_id, ()))) for record in records)
