"""What the database knows of a recipe when the rules are asked, and the job that they want."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, and_, distinct, exists, func, select

from db.jobs import OPEN, Job, JobStatus, enqueue, jobs
from db.records import Severity
from db.snapshots import snapshots
from db.tables import EVENTS, INSPECTIONS, IS_PRODUCTION, LABELS, RUNS
from training.retrain.rules import PERSON, Alarm, RecipeRules, Situation, wanted


def queue_wanted(connection: Connection, rules: RecipeRules, training: str, now: datetime) -> Job | None:
    """Queue the training that the rules want, once for each cause; return it, or None where there is nothing to do.

    The transaction is one that writes (`db.engine.writing`). Raise JobRefused where two rule runs met on PostgreSQL.
    """
    every = jobs(connection, recipe=rules.name)
    cause = wanted(rules, situation_of(connection, rules.name, every), now)
    if cause is None:
        return None
    job_id = cause.job_id(rules.name)
    if any(one.job.job_id == job_id for one in every):
        return None
    settings = rules.job(training).model_dump(mode="json")
    parent = serving_bundle(connection, rules.name)
    job = Job(rules.name, PERSON, cause.reason, settings, parent, queued_at=now, job_id=job_id)
    enqueue(connection, job)
    return job


def situation_of(connection: Connection, recipe: str, every: list[JobStatus]) -> Situation:
    """Return what the rules need to know; `every` are the recipe's jobs, oldest first."""
    last = every[-1].job if every else None
    frozen = snapshots(connection, recipe)
    moments = [*([last.queued_at] if last else []), *([frozen[0].label_cutoff] if frozen else [])]
    since = max(moments, default=None)
    return Situation(
        labels=_labelled_since(connection, recipe, since),
        last_job=last.job_id if last else None,
        asked_at=last.queued_at if last else None,
        is_open=any(one.state in OPEN for one in every),
        alarm=_alarm(connection, recipe, last.queued_at if last else None),
    )


def serving_bundle(connection: Connection, recipe: str) -> str | None:
    """The bundle that was last begun to be served under a recipe, at any station: what a new one is held against."""
    newest = select(RUNS.c.bundle_id).where(RUNS.c.recipe == recipe).order_by(RUNS.c.started_at.desc()).limit(1)
    return connection.execute(newest).scalar()


def _labelled_since(connection: Connection, recipe: str, since: datetime | None) -> int:
    parts = select(func.count(distinct(LABELS.c.part_id))).join(INSPECTIONS, INSPECTIONS.c.part_id == LABELS.c.part_id)
    mine = and_(INSPECTIONS.c.recipe == recipe, IS_PRODUCTION)
    query = parts.where(mine) if since is None else parts.where(mine, LABELS.c.at > since)
    return int(connection.execute(query).scalar_one())


def _alarm(connection: Connection, recipe: str, since: datetime | None) -> Alarm | None:
    """The first drift alarm since, at a station that served the recipe then."""
    during = and_(RUNS.c.started_at <= EVENTS.c.at, func.coalesce(RUNS.c.ended_at, EVENTS.c.at) >= EVENTS.c.at)
    served = exists().where(RUNS.c.station == EVENTS.c.station, RUNS.c.recipe == recipe, during)
    alarms = and_(EVENTS.c.severity == Severity.ALARM.value, EVENTS.c.kind == "drift_alarm")
    query = select(EVENTS.c.event_id, EVENTS.c.at, EVENTS.c.message).where(alarms, served)
    query = query if since is None else query.where(EVENTS.c.at > since)
    row = connection.execute(query.order_by(EVENTS.c.at, EVENTS.c.event_id).limit(1)).first()
    if row is None:
        return None
    event_id: UUID = row.event_id
    return Alarm(event_id, row.message, _labelled_since(connection, recipe, row.at))
