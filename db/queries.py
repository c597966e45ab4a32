"""Questions to the database, typed. Each takes a connection (`with engine.connect() as connection`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select, true

from db.images import StoredImage
from db.records import Event, Severity, inspection_from_rows
from db.tables import BUNDLES, EVENTS, FINDINGS, IMAGES, INSPECTIONS, IS_PRODUCTION, RECIPES, RUNS
from inspector.values import InspectionRecord, Outcome

_KEYS_PER_QUERY = 500
_IS_KEPT = IMAGES.c.drop_reason.is_(None)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as it stands; `ended_at` and `clean` are None while it runs."""

    run_id: UUID
    station: str
    recipe: str
    recipe_revision: str
    recipe_text: str
    bundle_id: str
    task: str
    classes: tuple[str, ...]
    started_at: datetime
    ended_at: datetime | None
    clean: bool | None


def records(connection: Connection, run_id: UUID) -> list[InspectionRecord]:
    """Every part of a run in the order of its triggers, with its findings."""
    query = select(INSPECTIONS).where(INSPECTIONS.c.run_id == run_id).order_by(INSPECTIONS.c.trigger)
    return _with_findings(connection, query)


def latest(connection: Connection, count: int, station: str | None = None) -> list[InspectionRecord]:
    """The newest `count` parts, newest first, open ones included."""
    chosen = true() if station is None else INSPECTIONS.c.station == station
    newest = (INSPECTIONS.c.triggered_at.desc(), INSPECTIONS.c.part_id.desc())
    return _with_findings(connection, select(INSPECTIONS).where(chosen).order_by(*newest).limit(count))


def newest_parts(connection: Connection, among: ColumnElement[bool], count: int) -> list[InspectionRecord]:
    """The newest parts of which that holds, newest first."""
    query = select(INSPECTIONS).where(among).order_by(INSPECTIONS.c.triggered_at.desc(), INSPECTIONS.c.part_id.desc())
    return _with_findings(connection, query.limit(count))


def part(connection: Connection, part_id: UUID) -> InspectionRecord | None:
    found = _with_findings(connection, select(INSPECTIONS).where(INSPECTIONS.c.part_id == part_id))
    return found[0] if found else None


def of_serial(connection: Connection, serial: str, most: int) -> list[InspectionRecord]:
    """The newest `most` inspections of a serial number, oldest first."""
    newest = (INSPECTIONS.c.triggered_at.desc(), INSPECTIONS.c.part_id.desc())
    query = select(INSPECTIONS).where(INSPECTIONS.c.serial == serial).order_by(*newest).limit(most)
    return _with_findings(connection, query)[::-1]


def outcome_counts(connection: Connection, run_id: UUID | None = None) -> dict[Outcome, int]:
    """How many parts of production had each outcome; open parts are in none (`open_count`)."""
    judged = and_(_of_run(run_id), IS_PRODUCTION, INSPECTIONS.c.outcome.is_not(None))
    query = select(INSPECTIONS.c.outcome, func.count()).where(judged)
    counted = {Outcome(name): count for name, count in connection.execute(query.group_by(INSPECTIONS.c.outcome))}
    return {outcome: counted.get(outcome, 0) for outcome in Outcome}


def trigger_count(connection: Connection, run_id: UUID | None = None) -> int:
    """How many parts were triggered, those of known truth included: what the camera and the controller count."""
    return connection.execute(select(func.count()).select_from(INSPECTIONS).where(_of_run(run_id))).scalar_one()


def open_count(connection: Connection, run_id: UUID | None = None) -> int:
    is_open = and_(_of_run(run_id), INSPECTIONS.c.outcome.is_(None))
    return connection.execute(select(func.count()).select_from(INSPECTIONS).where(is_open)).scalar_one()


def open_count_of_ended_runs(connection: Connection) -> int:
    """Parts that nobody will complete any more: there should be none."""
    joined = INSPECTIONS.join(RUNS, RUNS.c.run_id == INSPECTIONS.c.run_id)
    forgotten = and_(INSPECTIONS.c.outcome.is_(None), RUNS.c.ended_at.is_not(None))
    return connection.execute(select(func.count()).select_from(joined).where(forgotten)).scalar_one()


def doubled_triggers(connection: Connection) -> list[tuple[UUID, int]]:
    """(run, trigger) that more than one part claims: a constraint forbids it, so there are none in a sound file."""
    key = (INSPECTIONS.c.run_id, INSPECTIONS.c.trigger)
    query = select(*key).group_by(*key).having(func.count() > 1)
    return [(run_id, trigger) for run_id, trigger in connection.execute(query)]


def latencies_ms(connection: Connection, run_id: UUID | None = None) -> list[float]:
    """Trigger to verdict of production, in the order of the triggers; parts without one are left out."""
    timed = and_(_of_run(run_id), IS_PRODUCTION, INSPECTIONS.c.latency_ms.is_not(None))
    query = select(INSPECTIONS.c.latency_ms).where(timed).order_by(INSPECTIONS.c.triggered_at, INSPECTIONS.c.trigger)
    return list(connection.execute(query).scalars())


def images(connection: Connection) -> Iterator[StoredImage]:
    """Every registered image whose file is to be there."""
    for row in connection.execute(select(IMAGES).where(_IS_KEPT).order_by(IMAGES.c.sha256)):
        yield StoredImage(row.sha256, row.path, row.size_bytes)


def images_referenced(connection: Connection, run_id: UUID | None = None) -> list[StoredImage]:
    """The images that parts and their views point to, each once, but for those that a sweep dropped."""
    parts = select(INSPECTIONS.c.image_sha256).where(_of_run(run_id), INSPECTIONS.c.image_sha256.is_not(None))
    of_part = FINDINGS.join(INSPECTIONS, INSPECTIONS.c.part_id == FINDINGS.c.part_id)
    views = select(FINDINGS.c.image_sha256).select_from(of_part)
    pointed = parts.union(views.where(_of_run(run_id), FINDINGS.c.image_sha256.is_not(None)))
    query = select(IMAGES).where(IMAGES.c.sha256.in_(pointed), _IS_KEPT).order_by(IMAGES.c.sha256)
    return [StoredImage(row.sha256, row.path, row.size_bytes) for row in connection.execute(query)]


def image(connection: Connection, sha256: str) -> StoredImage | None:
    row = connection.execute(select(IMAGES).where(IMAGES.c.sha256 == sha256)).first()
    return None if row is None else StoredImage(row.sha256, row.path, row.size_bytes)


def runs(connection: Connection, station: str | None = None) -> list[RunSummary]:
    """Runs in the order of their start."""
    recipe_of_run = and_(RECIPES.c.name == RUNS.c.recipe, RECIPES.c.revision == RUNS.c.recipe_revision)
    query = (
        select(RUNS, RECIPES.c.text.label("recipe_text"), BUNDLES.c.task, BUNDLES.c.classes)
        .join(RECIPES, recipe_of_run)
        .join(BUNDLES, BUNDLES.c.bundle_id == RUNS.c.bundle_id)
        .where(true() if station is None else RUNS.c.station == station)
        .order_by(RUNS.c.started_at, RUNS.c.run_id)
    )
    found = connection.execute(query).mappings()
    return [RunSummary(**{**row, "classes": tuple(row["classes"])}) for row in found]


def latest_run(connection: Connection, station: str | None = None) -> RunSummary | None:
    found = runs(connection, station)
    return found[-1] if found else None


def events(connection: Connection, count: int, station: str | None = None) -> list[Event]:
    """The newest `count` events, newest first."""
    chosen = true() if station is None else EVENTS.c.station == station
    newest = (EVENTS.c.at.desc(), EVENTS.c.event_id.desc())
    found = connection.execute(select(EVENTS).where(chosen).order_by(*newest).limit(count)).mappings()
    return [Event(**{**row, "severity": Severity(row["severity"])}) for row in found]


def events_of(
    connection: Connection, kinds: Sequence[str], since: datetime | None = None, station: str | None = None
) -> list[Event]:
    """The events of some kinds, oldest first."""
    late = true() if since is None else EVENTS.c.at >= since
    here = true() if station is None else EVENTS.c.station == station
    query = select(EVENTS).where(EVENTS.c.kind.in_(kinds), late, here).order_by(EVENTS.c.at, EVENTS.c.event_id)
    return [Event(**{**row, "severity": Severity(row["severity"])}) for row in connection.execute(query).mappings()]


def events_between(
    connection: Connection, since: datetime, until: datetime, severity: Severity, station: str | None = None
) -> list[Event]:
    """The events of that weight from `since` on and before `until`, oldest first."""
    here = true() if station is None else EVENTS.c.station == station
    within = and_(EVENTS.c.at >= since, EVENTS.c.at < until, EVENTS.c.severity == severity.value, here)
    query = select(EVENTS).where(within).order_by(EVENTS.c.at, EVENTS.c.event_id)
    return [Event(**{**row, "severity": Severity(row["severity"])}) for row in connection.execute(query).mappings()]


def _of_run(run_id: UUID | None) -> ColumnElement[bool]:
    return true() if run_id is None else INSPECTIONS.c.run_id == run_id


def _with_findings(connection: Connection, query: Select[Any]) -> list[InspectionRecord]:
    rows = connection.execute(query).mappings().all()
    findings = _findings(connection, [row["part_id"] for row in rows])
    return [inspection_from_rows(row, findings.get(row["part_id"], ())) for row in rows]


def _findings(connection: Connection, part_ids: Sequence[UUID]) -> dict[UUID, list[Any]]:
    by_part: dict[UUID, list[Any]] = {}
    for keys in _chunks(part_ids):
        query = select(FINDINGS).where(FINDINGS.c.part_id.in_(keys)).order_by(FINDINGS.c.part_id, FINDINGS.c.view)
        found: Iterable[Any] = connection.execute(query).mappings()
        by_part |= {part_id: list(rows) for part_id, rows in groupby(found, key=itemgetter("part_id"))}
    return by_part


def _chunks(part_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    """SQLite takes a bounded number of values in one statement."""
    for start in range(0, len(part_ids), _KEYS_PER_QUERY):
        yield part_ids[start : start + _KEYS_PER_QUERY]
