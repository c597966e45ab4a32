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

from db.order_tables import SHADOW_VERDICTS
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
from db.work_tables import ACKNOWLEDGEMENTS, LOTS

_IMAGE_COLUMNS = ("sha256", "path", "size_bytes", "stored_at")


class Kind(StrEnum):
    """What a note is about."""

    RUN = "run"
    PART = "part"
    EVENT = "event"
    SHADOW = "shadow"
    """What a bundle in the shadow said of a part that was complete; said before, it goes with the part."""
    LOT = "lot"
    """A lot that was closed: open ones stay, as open parts do."""
    SEEN = "seen"
    """An event that a person has acknowledged."""
    END = "end"


@dataclass(frozen=True, slots=True)
class _Noting:
    """When rows of a kind are noted, and which are there already. A note's key is the column `key`."""

    kind: Kind
    key: str
    table: str
    when: str
    """After what; of the row as `NEW`."""
    there: str
    """In which order those that are there already are noted, and which of them."""

    @property
    def name(self) -> str:
        return f"dispatch_{self.kind}"

    def noted_from_now_on(self) -> str:
        note = f"INSERT INTO dispatch (kind, key) VALUES ('{self.kind}', NEW.{self.key})"
        return f"CREATE TRIGGER {self.name} AFTER {self.when} BEGIN {note}; END"

    def noted_at_once(self) -> str:
        return f"INSERT INTO dispatch (kind, key) SELECT '{self.kind}', {self.key} FROM {self.table} {self.there}"


_NOTINGS = (
    _Noting(Kind.RUN, "run_id", "runs", "INSERT ON runs", "ORDER BY started_at"),
    _Noting(
        Kind.PART,
        "part_id",
        "inspections",
        "UPDATE OF outcome ON inspections WHEN OLD.outcome IS NULL AND NEW.outcome IS NOT NULL",
        "WHERE outcome IS NOT NULL ORDER BY rowid",
    ),
    _Noting(
        Kind.SHADOW,
        "part_id",
        "shadow_verdicts",
        "INSERT ON shadow_verdicts WHEN (SELECT outcome FROM inspections WHERE part_id = NEW.part_id) IS NOT NULL",
        "WHERE part_id IN (SELECT part_id FROM inspections WHERE outcome IS NOT NULL) ORDER BY rowid",
    ),
    _Noting(Kind.EVENT, "event_id", "events", "INSERT ON events", "ORDER BY rowid"),
    _Noting(Kind.SEEN, "event_id", "acknowledgements", "INSERT ON acknowledgements", "ORDER BY audit_sequence"),
    _Noting(
        Kind.LOT,
        "lot_id",
        "lots",
        "UPDATE OF closed_at ON lots WHEN OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL",
        "WHERE closed_at IS NOT NULL ORDER BY closed_at",
    ),
    _Noting(
        Kind.END,
        "run_id",
        "runs",
        "UPDATE OF ended_at ON runs WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL",
        "WHERE ended_at IS NOT NULL ORDER BY started_at",
    ),
)
"""In the order in which rows that are there already are noted: none before what it refers to."""


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
    """Have each further row noted, and all that are there of kinds that were not noted before; True if there are such.

    Triggers go where a migration moves a table. Then all rows of it are noted again: the plant knows those it has.
    """
    found = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'dispatch~_%' ESCAPE '~'"
    kept = set(connection.execute(text(found)).scalars())
    missing = [noting for noting in _NOTINGS if noting.name not in kept]
    for noting in missing:
        connection.exec_driver_sql(noting.noted_at_once())
        connection.exec_driver_sql(noting.noted_from_now_on())
    return bool(missing)


def stop_keeping(connection: Connection) -> None:
    """Note no further rows, and forget the notes."""
    if connection.dialect.name != "sqlite":
        return
    for noting in _NOTINGS:
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {noting.name}")
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
        Kind.SHADOW: _shadows(connection, of_kind[Kind.SHADOW]),
        Kind.LOT: _lots(connection, of_kind[Kind.LOT]),
        Kind.SEEN: _seen(connection, of_kind[Kind.SEEN]),
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


def _shadows(connection: Connection, keys: Sequence[UUID]) -> _Made:
    said = _by_part(_rows(connection, SHADOW_VERDICTS, "part_id", keys))
    station = {row["part_id"]: row["station"] for row in _rows(connection, INSPECTIONS, "part_id", list(said))}
    return {part_id: (station[part_id], (("shadow_verdicts", tuple(rows)),)) for part_id, rows in said.items()}


def _lots(connection: Connection, keys: Sequence[UUID]) -> _Made:
    """A lot names no station: what sends it is called by the one that ran last."""
    newest = select(RUNS.c.station).order_by(RUNS.c.started_at.desc()).limit(1)
    station = connection.execute(newest).scalar() or ""
    return {row["lot_id"]: (station, (("lots", (row,)),)) for row in _rows(connection, LOTS, "lot_id", keys)}


def _seen(connection: Connection, keys: Sequence[UUID]) -> _Made:
    """As copies: the rows themselves refer to the audit log of this file."""
    station = {row["event_id"]: row["station"] for row in _rows(connection, EVENTS, "event_id", keys)}
    by_event: dict[UUID, list[Row]] = {}
    for row in _rows(connection, ACKNOWLEDGEMENTS, "event_id", keys):
        by_event.setdefault(row["event_id"], []).append(row)
    return {
        event_id: (station[event_id], (("station_acknowledgements", tuple(rows)),))
        for event_id, rows in by_event.items()
    }


def _parts(connection: Connection, keys: Sequence[UUID]) -> _Made:
    inspections = _rows(connection, INSPECTIONS, "part_id", keys)
    views = _by_part(_rows(connection, FINDINGS, "part_id", keys))
    shadows = _by_part(_rows(connection, SHADOW_VERDICTS, "part_id", keys))
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
                ("shadow_verdicts", tuple(shadows.get(row["part_id"], ()))),
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
