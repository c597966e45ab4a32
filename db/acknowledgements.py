"""Alarms that wait for a person, and who has seen which. What was said is never changed; a further note is a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    exists,
    insert,
    literal_column,
    select,
    true,
    union_all,
)

from db.audit_log import Change, record_change
from db.records import Event, Severity, storable, utc_now
from db.tables import EVENTS
from db.work_tables import ACKNOWLEDGEMENTS, STATION_ACKNOWLEDGEMENTS
from inspector.errors import PlantRefused

_ALARM: ColumnElement[str] = literal_column(f"'{Severity.ALARM.value}'")
"""Written out, since a bound value would hide from SQLite that the index of alarms serves."""

_SEEN = (ACKNOWLEDGEMENTS, STATION_ACKNOWLEDGEMENTS)
"""Here, and at the station's own screen, which has its audit row in the station's file (`db.dispatch`)."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A person has seen an event."""

    event_id: UUID
    person: str
    note: str = ""
    at: datetime = field(default_factory=utc_now)


def acknowledge(connection: Connection, seen: Acknowledgement) -> None:
    """Write that a person has seen an event, and its row in the audit log.

    Raises:
        PlantRefused: no such event.
        DatabaseError: nobody is named.
    """
    event = connection.execute(select(EVENTS).where(EVENTS.c.event_id == seen.event_id)).first()
    if event is None:
        raise PlantRefused(f"event {seen.event_id}: no such event in the database")
    old = {"station": event.station, "severity": event.severity, "kind": event.kind}
    subject = f"event {seen.event_id}"
    change = Change(seen.person, "event acknowledged", subject, seen.note, old, {"note": seen.note}, seen.at)
    row = {"audit_sequence": record_change(connection, change), "event_id": seen.event_id, "person": seen.person}
    connection.execute(insert(ACKNOWLEDGEMENTS), row | {"at": seen.at, "note": storable(seen.note)})


def open_alarms(connection: Connection, most: int, station: str | None = None) -> list[Event]:
    """Alarms that nobody has acknowledged, newest first."""
    here = true() if station is None else EVENTS.c.station == station
    unseen = [~exists().where(table.c.event_id == EVENTS.c.event_id) for table in _SEEN]
    newest = (EVENTS.c.at.desc(), EVENTS.c.event_id.desc())
    query = select(EVENTS).where(EVENTS.c.severity == _ALARM, here, *unseen).order_by(*newest).limit(most)
    rows = connection.execute(query).mappings()
    return [Event(**{**row, "severity": Severity(row["severity"])}) for row in rows]


def acknowledgements(connection: Connection, event_id: UUID) -> list[Acknowledgement]:
    """Who has seen an event, first to last; also those who did at the station's own screen."""
    seen = union_all(*(_of_event(table, event_id) for table in _SEEN)).subquery("seen")
    names = [seen.c[name] for name in Acknowledgement.__slots__]
    query = select(*names).order_by(seen.c.at, seen.c.audit_sequence)
    return [Acknowledgement(**row) for row in connection.execute(query).mappings()]


def _of_event(table: Table, event_id: UUID) -> Select[Any]:
    names = (*Acknowledgement.__slots__, "audit_sequence")
    return select(*(table.c[name] for name in names)).where(table.c.event_id == event_id)
