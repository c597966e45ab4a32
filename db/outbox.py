"""The ledger as a queue: in which order a station's parts are told, and how far each output has come.

Nothing is copied and nothing is deleted: an output is a cursor over the parts in the order of their openings, and an
outage only makes it lag. The cursor moves after its peer has the parts, so a station that dies in between tells some of
them again, in order; part ids tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db.records import Report, inspection_from_rows
from db.tables import DELIVERIES, FINDINGS, INSPECTIONS, OUTBOX

COUNTED_TO = 100_000
"""Counting further, after days of an outage, would take the disk from those who need it."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """These outputs of a station want its parts from now on, or from where they stopped."""

    station: str
    outputs: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Delivered:
    """An output has told `count` parts more, the last of them at `position`."""

    station: str
    output: str
    position: int
    count: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ViewSeen:
    """One view of a part, in short."""

    camera: str
    outcome: str
    image_sha256: str | None


def reports(connection: Connection, station: str, after: int, limit: int) -> list[Report]:
    """The next parts of a station to tell, at most `limit`: none overtakes one that has no verdict yet."""
    rows = connection.execute(_NEXT, {"of_station": station, "after": after, "most": limit}).mappings()
    return list(_completed(rows))


def waiting(connection: Connection, station: str, after: int) -> int:
    """How many parts of a station lie behind a cursor, those without a verdict included; counts to `COUNTED_TO`."""
    return connection.execute(_WAITING, {"of_station": station, "after": after}).scalar_one()


def before_newest(connection: Connection, station: str, count: int) -> int:
    """The position before the newest `count` parts of a station; 0 where there are no more than those."""
    found = connection.execute(_BEFORE_NEWEST, {"of_station": station, "newest": count}).scalar()
    return 0 if found is None else int(found)


def views(connection: Connection, part_ids: Sequence[UUID]) -> dict[UUID, list[ViewSeen]]:
    """Which cameras judged these parts, in the order of the views."""
    seen: dict[UUID, list[ViewSeen]] = {}
    for part_id, *view in connection.execute(_VIEWS, {"parts": list(part_ids)}):
        seen.setdefault(part_id, []).append(ViewSeen(*view))
    return seen


def subscribe(connection: Connection, entry: Subscription) -> dict[str, int]:
    newest = connection.execute(select(func.coalesce(func.max(OUTBOX.c.position), 0))).scalar_one()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    for output in entry.outputs:
        row = {"station": entry.station, "output": output, "position": newest, "delivered": 0, "updated_at": entry.at}
        connection.execute(dialect.insert(DELIVERIES).values(row).on_conflict_do_nothing())
    told = select(DELIVERIES.c.output, DELIVERIES.c.position).where(DELIVERIES.c.station == entry.station)
    return {output: position for output, position in connection.execute(told) if output in entry.outputs}


def advance(connection: Connection, entry: Delivered) -> None:
    """Move a cursor forward; it never goes back."""
    of_output = {"of_station": entry.station, "of_output": entry.output, "to": entry.position}
    connection.execute(_ADVANCE, {**of_output, "count": entry.count, "at": entry.at})


def _completed(rows: Any) -> Iterator[Report]:
    for row in takewhile(lambda row: row["outcome"] is not None, rows):
        yield Report(row["position"], inspection_from_rows(row), row["simulated"] or row["challenge_id"] is not None)


# Statements are made once: to make one costs as much as to execute it.
_BEHIND = (INSPECTIONS.c.station == bindparam("of_station"), OUTBOX.c.position > bindparam("after"))
_PARTS = OUTBOX.join(INSPECTIONS, INSPECTIONS.c.part_id == OUTBOX.c.part_id)
_NEXT = (
    select(OUTBOX.c.position, INSPECTIONS)
    .select_from(_PARTS)
    .where(*_BEHIND)
    .order_by(OUTBOX.c.position)
    .limit(bindparam("most"))
)
_WAITING = select(func.count()).select_from(
    select(OUTBOX.c.position).select_from(_PARTS).where(*_BEHIND).limit(COUNTED_TO).subquery()
)
_BEFORE_NEWEST = (
    select(OUTBOX.c.position)
    .select_from(_PARTS)
    .where(INSPECTIONS.c.station == bindparam("of_station"))
    .order_by(OUTBOX.c.position.desc())
    .limit(1)
    .offset(bindparam("newest"))
)
_VIEWS = (
    select(FINDINGS.c.part_id, FINDINGS.c.camera, FINDINGS.c.outcome, FINDINGS.c.image_sha256)
    .where(FINDINGS.c.part_id.in_(bindparam("parts", expanding=True)))
    .order_by(FINDINGS.c.part_id, FINDINGS.c.view)
)
_ADVANCE = (
    update(DELIVERIES)
    .where(
        DELIVERIES.c.station == bindparam("of_station"),
        DELIVERIES.c.output == bindparam("of_output"),
        DELIVERIES.c.position < bindparam("to"),
    )
    .values(position=bindparam("to"), delivered=DELIVERIES.c.delivered + bindparam("count"), updated_at=bindparam("at"))
)
