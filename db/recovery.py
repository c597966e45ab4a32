"""A station that died comes back: close what it left open, and say where it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from db.tables import INSPECTIONS, RUNS
from inspector.values import Outcome

RESTARTED = "station restarted before the verdict was recorded"


@dataclass(frozen=True, slots=True)
class Restart:
    """The station is here again: close what it left open, except the runs that this ledger began."""

    station: str
    own_runs: frozenset[UUID]
    at: datetime


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a station left behind when it died, and where it goes on."""

    unfinished_run: UUID | None
    completed: int
    """Parts that were open and are NOT_INSPECTED now."""
    next_sequence: int
    """One more than the largest frame sequence since the last clean end; 0 where there is none."""
    next_trigger: int
    """Likewise for triggers; 1 where there is none."""


def recover(connection: Connection, entry: Restart) -> Recovery:
    others = and_(RUNS.c.station == entry.station, RUNS.c.run_id.not_in(entry.own_runs))
    unfinished = (
        connection.execute(select(RUNS.c.run_id).where(others, RUNS.c.ended_at.is_(None)).order_by(RUNS.c.started_at))
        .scalars()
        .all()
    )
    left_open = and_(
        INSPECTIONS.c.outcome.is_(None),
        INSPECTIONS.c.run_id.in_(select(RUNS.c.run_id).where(others)),
    )
    close = {"outcome": Outcome.NOT_INSPECTED.value, "reasons": [RESTARTED], "completed_at": entry.at}
    completed = connection.execute(update(INSPECTIONS).where(left_open).values(close)).rowcount
    sequence, trigger = _furthest(connection, others)
    connection.execute(update(RUNS).where(RUNS.c.run_id.in_(unfinished)).values(ended_at=entry.at, clean=False))
    return Recovery(
        unfinished_run=unfinished[-1] if unfinished else None,
        completed=completed,
        next_sequence=0 if sequence is None else sequence + 1,
        next_trigger=1 if trigger is None else trigger + 1,
    )


def _furthest(connection: Connection, others: ColumnElement[bool]) -> tuple[int | None, int | None]:
    """Largest frame sequence and trigger since the last clean end.

    A station that was killed, came back and was killed again before its first part, or before it began a run, goes on
    where the first of these runs stopped, not at the beginning. A run that another one took over from, which began
    before it ended, is no end: the source went on.
    """
    after = RUNS.alias("after")
    took_over = exists().where(
        after.c.station == RUNS.c.station, after.c.started_at > RUNS.c.started_at, after.c.started_at < RUNS.c.ended_at
    )
    last_clean = select(func.max(RUNS.c.started_at)).where(others, RUNS.c.clean.is_(True), ~took_over).scalar_subquery()
    since = or_(RUNS.c.ended_at.is_(None), last_clean.is_(None), RUNS.c.started_at > last_clean)
    runs = select(RUNS.c.run_id).where(others, since)
    furthest = select(func.max(INSPECTIONS.c.sequence), func.max(INSPECTIONS.c.trigger))
    sequence, trigger = connection.execute(furthest.where(INSPECTIONS.c.run_id.in_(runs))).one()
    return sequence, trigger
