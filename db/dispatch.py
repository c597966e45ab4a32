"""What a station has still to forward: triggers of its SQLite file note each run, completed part and event, in order.

The note is part of the transaction that writes the row, so none is without the other, whoever writes. Numbers follow
the order of commits, whatever the clock does. A note goes when the plant has the row (`db.forward`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, delete, func, select, text

from db.plant_tables import DISPATCH
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
)

TRIGGERS = {
    "dispatch_run": "AFTER INSERT ON runs BEGIN INSERT INTO dispatch (kind, key) VALUES ('run', NEW.run_id); END",
    "dispatch_end": "AFTER UPDATE OF ended_at ON runs WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL "
    "BEGIN INSERT INTO dispatch (kind, key) VALUES ('end', NEW.run_id); END",
    "dispatch_part": "AFTER UPDATE OF outcome ON inspections WHEN OLD.outcome IS NULL AND NEW.outcome IS NOT NULL "
    "BEGIN INSERT INTO dispatch (kind, key) VALUES ('part', NEW.part_id); END",
    "dispatch_event": "AFTER INSERT ON events "
    "BEGIN INSERT INTO dispatch (kind, key) VALUES ('event', NEW.event_id); END",
}
_ALL_ROWS = (
    "SELECT 'run', run_id FROM runs ORDER BY started_at",
    "SELECT 'part', part_id FROM inspections WHERE outcome IS NOT NULL ORDER BY rowid",
    "SELECT 'event', event_id FROM events ORDER BY rowid",
    "SELECT 'end', run_id FROM runs WHERE ended_at IS NOT NULL ORDER BY started_at",
)


_IMAGE_COLUMNS = ("sha256", "path", "size_bytes", "stored_at")


class Kind(StrEnum):
    """What a note is about."""

    RUN = "run"
    PART = "part"
    EVENT = "event"
    END = "end"


@dataclass(frozen=True, slots=True)
class Note:
    """One row of the dispatch."""

    number: int
    kind: Kind
    key: UUID


@dataclass(frozen=True, slots=True)
class Parcel:
    """A note with the rows that it is about, by table, in the order in which they can be written."""

    note: Note
    station: str
    rows: tuple[tuple[str, tuple[Row, ...]], ...]


def keep(connection: Connection) -> bool:
    """Have each further row noted, and all rows that are there if that was not done before; True if it was not.

    Triggers go where a migration moves a table. Then all rows are noted again: the plant knows those it has.
    """
    found = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'dispatch~_%' ESCAPE '~'"
    if connection.execute(text(found)).scalar_one() == len(TRIGGERS):
        return False
    stop_keeping(connection)
    for query in _ALL_ROWS:
        connection.exec_driver_sql(f"INSERT INTO dispatch (kind, key) {query}")
    for name, body in TRIGGERS.items():
        connection.exec_driver_sql(f"CREATE TRIGGER {name} {body}")
    return True


def stop_keeping(connection: Connection) -> None:
    """Note no further rows, and forget the notes."""
    if connection.dialect.name != "sqlite":
        return
    for name in TRIGGERS:
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
    connection.exec_driver_sql("DELETE FROM dispatch")


def note_again(connection: Connection, notes: Sequence[tuple[Kind, UUID]]) -> None:
    """Note rows once more, behind all others."""
    if notes:
        connection.execute(DISPATCH.insert(), [{"kind": kind.value, "key": key} for kind, key in notes])


def unforwarded(connection: Connection) -> int:
    """How many notes there are; numbers have no gaps, so it takes no counting."""
    first, last = connection.execute(select(func.min(DISPATCH.c.number), func.max(DISPATCH.c.number))).one()
    return 0 if first is None else int(last) - int(first) + 1


def oldest(connection: Connection, count: int) -> list[Note]:
    """The first `count` notes."""
    query = select(DISPATCH).order_by(DISPATCH.c.number).limit(count)
    return [Note(row.number, Kind(row.kind), row.key) for row in connection.execute(query)]


def forget(connection: Connection, notes: Sequence[Note]) -> None:
    """Remove notes that lie one after the other."""
    connection.execute(delete(DISPATCH).where(DISPATCH.c.number.between(notes[0].number, notes[-1].number)))


def parcels(connection: Connection, notes: Sequence[Note]) -> list[Parcel]:
    """The rows behind notes, in the order of the notes. A note whose row is gone, as retention takes them, has none."""
    of_kind = {kind: [note.key for note in notes if note.kind is kind] for kind in Kind}
    made = {
        Kind.RUN: _runs(connection, of_kind[Kind.RUN]),
        Kind.END: _ends(connection, of_kind[Kind.END]),
        Kind.PART: _parts(connection, of_kind[Kind.PART]),
        Kind.EVENT: _events(connection, of_kind[Kind.EVENT]),
    }
    found = [(note, made[note.kind].get(note.key)) for note in notes]
    return [Parcel(note, *rows) for note, rows in found if rows is not None]


_Made = dict[UUID, tuple[str, tuple[tuple[str, tuple[Row, ...]], ...]]]


def _runs(connection: Connection, keys: Sequence[UUID]) -> _Made:
    """Each with what it refers to; its end is another note, behind its parts."""
    made: _Made = {}
    for row in _rows(connection, RUNS, "run_id", keys):
        recipe = and_(RECIPES.c.name == row["recipe"], RECIPES.c.revision == row["recipe_revision"])
        made[row["run_id"]] = (
            row["station"],
            (
                ("stations", ({"name": row["station"]},)),
                ("recipes", _found(connection, RECIPES, recipe)),
                ("bundles", _found(connection, BUNDLES, BUNDLES.c.bundle_id == row["bundle_id"])),
                ("runs", ({**row, "ended_at": None, "clean": None},)),
                ("audit_strata", _found(connection, AUDIT_STRATA, AUDIT_STRATA.c.run_id == row["run_id"])),
            ),
        )
    return made


def _ends(connection: Connection, keys: Sequence[UUID]) -> _Made:
    return {row["run_id"]: (row["station"], (("ends", (row,)),)) for row in _rows(connection, RUNS, "run_id", keys)}


def _events(connection: Connection, keys: Sequence[UUID]) -> _Made:
    return {
        row["event_id"]: (row["station"], (("stations", ({"name": row["station"]},)), ("events", (row,))))
        for row in _rows(connection, EVENTS, "event_id", keys)
    }


def _parts(connection: Connection, keys: Sequence[UUID]) -> _Made:
    inspections = _rows(connection, INSPECTIONS, "part_id", keys)
    views = _by_part(_rows(connection, FINDINGS, "part_id", keys))
    tasks = _by_part([row for row in _rows(connection, LABEL_TASKS, "part_id", keys) if row["kind"] == "AUDIT"])
    pointing = [*inspections, *(row for rows in views.values() for row in rows)]
    images = {sha256: _of_image(row) for sha256, row in _named(connection, IMAGES, "sha256", pointing, "image_sha256")}
    challenges = dict(_named(connection, CHALLENGE_PARTS, "challenge_id", inspections, "challenge_id"))
    made: _Made = {}
    for row in inspections:
        own = views.get(row["part_id"], [])
        made[row["part_id"]] = (
            row["station"],
            (
                ("images", _each_once(images, [one["image_sha256"] for one in (row, *own)])),
                ("challenge_parts", _each_once(challenges, [row["challenge_id"]])),
                ("inspections", (row,)),
                ("findings", tuple(own)),
                ("label_tasks", tuple(tasks.get(row["part_id"], ()))),
            ),
        )
    return made


def _named(
    connection: Connection, table: Any, key: str, pointing: Sequence[Row], column: str
) -> Iterator[tuple[Any, Row]]:
    """The rows of `table` that a column of other rows points to, by their key."""
    keys = list({row[column] for row in pointing if row[column] is not None})
    return ((row[key], row) for row in _rows(connection, table, key, keys))


def _each_once(rows: dict[Any, Row], keys: Sequence[Any]) -> tuple[Row, ...]:
    return tuple(rows[key] for key in dict.fromkeys(keys) if key in rows)


def _of_image(row: Row) -> Row:
    """Without what was done with the image here: a plant keeps account of its own store."""
    return {name: row[name] for name in _IMAGE_COLUMNS}


def _by_part(rows: Sequence[Row]) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = {}
    for row in rows:
        found.setdefault(row["part_id"], []).append(row)
    return found


def _rows(connection: Connection, table: Any, column: str, keys: Sequence[Any]) -> list[Row]:
    if not keys:
        return []
    query = select(table).where(table.c[column].in_(keys))
    return [dict(row) for row in connection.execute(query).mappings()]


def _found(connection: Connection, table: Any, where: Any) -> tuple[Row, ...]:
    return tuple(dict(row) for row in connection.execute(select(table).where(where)).mappings())
