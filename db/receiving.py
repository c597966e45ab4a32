"""How a plant takes in what a station forwards: once, by id, and with what it refuses parked beside its reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, delete, inspect, select, text, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from db.audit_log import canonical
from db.bulk import add_new
from db.dispatch import Kind, Parcel
from db.entries import first_line, insert_new
from db.migrations import HEAD
from db.order_tables import SHADOW_VERDICTS
from db.part_entries import RowRefused
from db.plant_tables import FORWARDING_TERMS, PARKED_ROWS
from db.records import Row
from db.tables import (
    AUDIT_STRATA,
    BUNDLES,
    CHALLENGE_PARTS,
    EVENTS,
    FINDINGS,
    IMAGES,
    INSPECTIONS,
    LABEL_TASKS,
    RECIPES,
    RUNS,
    STATIONS,
)
from db.work_tables import LOTS, STATION_ACKNOWLEDGEMENTS
from inspector.errors import DatabaseError

# In the order in which rows refer to each other.
TABLES = (
    STATIONS,
    RECIPES,
    BUNDLES,
    RUNS,
    AUDIT_STRATA,
    IMAGES,
    CHALLENGE_PARTS,
    INSPECTIONS,
    FINDINGS,
    SHADOW_VERDICTS,
    LABEL_TASKS,
    EVENTS,
    STATION_ACKNOWLEDGEMENTS,
    LOTS,
)
COMPARED = {RUNS: ("run_id",), INSPECTIONS: ("part_id",), EVENTS: ("event_id",), LOTS: ("code", "recipe")}
"""Tables whose rows exist once: a row of the same id that says something else is refused, and not left out."""
_OPENED = ("run_id", "station", "recipe", "recipe_revision", "bundle_id", "started_at")


def require_terms(connection: Connection, station_revision: str = HEAD) -> None:
    """Agree on a schema with the plant, or say why not.

    A plant takes rows of older stations, as far back as its own terms say: what their tables lack has a default. A
    station that is newer waits, since its rows may have columns for which the plant has no place.

    Raises:
        DatabaseError: the plant has no schema, or one that does not go with this station's.
    """
    if not inspect(connection).has_table("forwarding_terms"):
        raise DatabaseError("the plant has no tables that take rows; run `inspector db upgrade` on it")
    oldest = connection.execute(select(FORWARDING_TERMS.c.oldest_station)).scalar_one()
    plant = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    if station_revision < oldest:
        raise DatabaseError(
            f"this station has schema {station_revision}, the plant takes {oldest} and newer; upgrade the station"
        )
    if plant < station_revision:
        raise DatabaseError(
            f"the plant has schema {plant}, this station {station_revision}; run `inspector db upgrade` on the plant"
        )


def receive(connection: Connection, parcels: Sequence[Parcel], *, as_documents: bool = True) -> None:
    """Write all parcels in the transaction of the caller; what the plant has already stays as it is.

    Each table takes one statement, or one for each row where not `as_documents`.

    Raises:
        RowRefused or one of `ROW_FAULTS`: at least one of them cannot be written; nobody says which.
    """
    rows: dict[str, list[Row]] = {}
    for parcel in parcels:
        for name, more in parcel.rows:
            rows.setdefault(name, []).extend(more)
    for table in TABLES:
        if some := rows.get(table.name):
            _add(connection, table, _each_once(table, some), as_documents)
    for row in rows.get("ends", ()):
        _close_run(connection, row)


def receive_apart(connection: Connection, parcels: Sequence[Parcel], at: datetime) -> list[str]:
    """Write parcels one by one; park those that the plant refuses, and return why."""
    reasons = []
    for parcel in parcels:
        try:
            with connection.begin_nested():
                receive(connection, [parcel], as_documents=False)
        except RowRefused as error:
            reasons.append(_park(connection, parcel, str(error), at))
        except StatementError as error:
            if not is_row_fault(error):
                raise
            reasons.append(_park(connection, parcel, first_line(error), at))
    return reasons


def parked(connection: Connection, station: str | None = None) -> list[Any]:
    """What was refused, oldest first: station, kind, key, at, reason, content."""
    query = select(PARKED_ROWS).order_by(PARKED_ROWS.c.at, PARKED_ROWS.c.key)
    return list(connection.execute(query if station is None else query.where(PARKED_ROWS.c.station == station)))


def unpark(connection: Connection, station: str, notes: Sequence[tuple[Kind, UUID]]) -> None:
    """Forget parked rows, as they are forwarded once more."""
    for kind, key in notes:
        mine = (PARKED_ROWS.c.station == station) & (PARKED_ROWS.c.kind == kind.value) & (PARKED_ROWS.c.key == key)
        connection.execute(delete(PARKED_ROWS).where(mine))


def is_row_fault(error: BaseException) -> bool:
    """Whether a row is to blame, and not the connection, the rights or the schema."""
    if isinstance(error, DBAPIError):
        return isinstance(error, IntegrityError | DataError) and not error.connection_invalidated
    return isinstance(error, StatementError)


def _add(connection: Connection, table: Table, rows: list[Row], as_documents: bool) -> None:
    done = add_new(connection, table, rows, as_document=as_documents)
    if done != len(rows) and table in COMPARED:
        _compare(connection, table, COMPARED[table], rows)


def _compare(connection: Connection, table: Table, key: tuple[str, ...], rows: list[Row]) -> None:
    """Some rows were there already: the very same ones?"""
    sent = {tuple(row[name] for name in key): row for row in rows}
    first = table.c[key[0]].in_(list({row[key[0]] for row in rows}))
    columns = _OPENED if table is RUNS else [column.name for column in table.columns]
    for row in connection.execute(select(table).where(first)).mappings():
        here = tuple(row[name] for name in key)
        for name in columns:
            if name in sent.get(here, ()) and row[name] != sent[here][name]:
                said = " ".join(map(str, here))
                raise RowRefused(f"{table.name} {said}: the plant has one of this id with another {name}")


def _close_run(connection: Connection, row: Row) -> None:
    mine = RUNS.c.run_id == row["run_id"]
    if connection.execute(select(RUNS.c.run_id).where(mine)).first() is None:
        raise RowRefused(f"run {row['run_id']} ends and was never begun here")
    end = {"ended_at": row["ended_at"], "clean": row["clean"]}
    connection.execute(update(RUNS).where(mine, RUNS.c.ended_at.is_(None)).values(end))


def _each_once(table: Table, rows: Sequence[Row]) -> list[Row]:
    """Leave out the second row of one key: many parcels bring the same station, recipe or image."""
    keys = [column.name for column in table.primary_key.columns]
    return list({tuple(row[key] for key in keys): row for row in reversed(rows)}.values())[::-1]


def _park(connection: Connection, parcel: Parcel, reason: str, at: datetime) -> str:
    row = {
        "station": parcel.station,
        "kind": parcel.note.kind.value,
        "key": parcel.note.key,
        "at": at,
        "reason": reason,
        "content": canonical({name: [_words(row) for row in rows] for name, rows in parcel.rows}),
    }
    connection.execute(insert_new(connection, PARKED_ROWS), row)
    return reason


def _words(row: Row) -> dict[str, Any]:
    return {name: _word(value) for name, value in row.items()}


def _word(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
