"""What the database knows of a station now. Costs the same however many parts there are: the newest ones are read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from db.queries import events, part
from db.records import Event, Severity
from db.tables import INSPECTIONS, IS_PRODUCTION, RUNS, STATIONS
from gui.limits import Limits, limits_of
from gui.review.queue import waiting_counts
from inspector.risk import Rate
from inspector.values import InspectionRecord, Outcome

STRIP = 50
WINDOW = 1000
"""So many of the run's newest parts the yield is of."""
RATE_OVER = timedelta(seconds=60)
EVENTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Glance:
    """A part in the strip; `outcome` None: it is being inspected."""

    part_id: UUID
    trigger: int
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class StationFigures:
    """One station. `latest` is the newest part with a verdict, `pictured` the newest with a kept picture."""

    station: str
    recipe: str
    started_at: datetime
    ended_at: datetime | None
    clean: bool | None
    strip: tuple[Glance, ...]
    """Oldest first."""
    latest: InspectionRecord | None
    pictured: InspectionRecord | None
    passed: Rate | None
    """Of the newest parts with an outcome; None where there is none."""
    rate_hz: float
    waiting: int
    """Parts that were stopped and that nobody labelled."""
    limits: Limits | None
    trouble: Event | None
    """The newest warning or alarm of this run."""


def all_figures(connection: Connection, now: datetime) -> tuple[StationFigures, ...]:
    """Every station that ever ran, by name."""
    names = connection.execute(select(STATIONS.c.name).order_by(STATIONS.c.name)).scalars().all()
    waiting = waiting_counts(connection)
    found = [figures(connection, name, now, waiting.get(name, 0)) for name in names]
    return tuple(each for each in found if each is not None)


def figures(connection: Connection, station: str, now: datetime, waiting: int) -> StationFigures | None:
    """None where it never ran. `waiting`: how many of its parts are for `gui.review`."""
    run = connection.execute(
        select(RUNS).where(RUNS.c.station == station).order_by(RUNS.c.started_at.desc(), RUNS.c.run_id.desc()).limit(1)
    ).first()
    if run is None:
        return None
    rows = _newest(connection, run.run_id)
    latest = next((row.part_id for row in rows if row.outcome is not None), None)
    pictured = _pictured(connection, run.run_id)
    return StationFigures(
        station=station,
        recipe=run.recipe,
        started_at=run.started_at,
        ended_at=run.ended_at,
        clean=run.clean,
        strip=tuple(_glance(row) for row in reversed(rows)),
        latest=None if latest is None else part(connection, latest),
        pictured=None if pictured is None else part(connection, pictured),
        passed=_passed(connection, run),
        rate_hz=rate_hz(_recent(connection, run, now), now),
        waiting=waiting,
        limits=limits_of(connection, run.run_id),
        trouble=_trouble(connection, station, run.started_at),
    )


def rate_hz(triggered: list[datetime], now: datetime) -> float:
    """Parts per second over the last minute."""
    recent = [moment for moment in triggered if now - moment <= RATE_OVER]
    if len(recent) == WINDOW:  # more than were read fell into the minute
        return (len(recent) - 1) / max((max(recent) - min(recent)).total_seconds(), 1e-3)
    return len(recent) / RATE_OVER.total_seconds()


def _newest(connection: Connection, run_id: UUID) -> list[Any]:
    columns = (INSPECTIONS.c.part_id, INSPECTIONS.c.trigger, INSPECTIONS.c.outcome)
    query = select(*columns).where(INSPECTIONS.c.run_id == run_id).order_by(INSPECTIONS.c.trigger.desc()).limit(STRIP)
    return list(connection.execute(query))


def _pictured(connection: Connection, run_id: UUID) -> UUID | None:
    """Of the newest parts, the first with a verdict and a kept picture."""
    columns = (INSPECTIONS.c.part_id, INSPECTIONS.c.trigger, INSPECTIONS.c.outcome, INSPECTIONS.c.image_sha256)
    newest = select(*columns).where(INSPECTIONS.c.run_id == run_id).order_by(INSPECTIONS.c.trigger.desc())
    among = newest.limit(WINDOW).subquery()
    kept = among.c.image_sha256.is_not(None) & among.c.outcome.is_not(None)
    return connection.execute(select(among.c.part_id).where(kept).order_by(among.c.trigger.desc()).limit(1)).scalar()


def _recent(connection: Connection, run: Any, now: datetime) -> list[datetime]:
    """When the parts of the last minute were triggered, read from the index by station alone; at most `WINDOW`."""
    at = INSPECTIONS.c.triggered_at
    mine = (INSPECTIONS.c.station == run.station, at >= max(run.started_at, now - RATE_OVER))
    return list(connection.execute(select(at).where(*mine).order_by(at.desc()).limit(WINDOW)).scalars())


def _glance(row: Any) -> Glance:
    return Glance(row.part_id, row.trigger, None if row.outcome is None else Outcome(row.outcome))


def _passed(connection: Connection, run: Any) -> Rate | None:
    """Of the newest parts that count, read from the index by station alone; parts of known truth count in no figure."""
    parts = INSPECTIONS.c
    mine = (parts.station == run.station, parts.triggered_at >= run.started_at, parts.outcome.is_not(None))
    newest = select(parts.outcome).where(*mine, IS_PRODUCTION).order_by(parts.triggered_at.desc()).limit(WINDOW)
    outcome = newest.subquery().c.outcome
    found = connection.execute(select(outcome, func.count().label("parts")).group_by(outcome)).all()
    counts: dict[str, int] = {row.outcome: row.parts for row in found}
    return Rate(counts.get(Outcome.PASS.value, 0), sum(counts.values())) if counts else None


def _trouble(connection: Connection, station: str, since: datetime) -> Event | None:
    newest = events(connection, EVENTS_SHOWN, station)
    told = [event for event in newest if event.severity is not Severity.INFO and event.at >= since]
    return told[0] if told else None
