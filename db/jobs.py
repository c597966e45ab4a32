"""Training jobs: queued by a person or a rule, taken by one worker at a time, and never lost with a worker that died.

    QUEUED -> LEASED -> RUNNING -> SUCCEEDED
       ^        |          |-----> FAILED
       `--------+----------'       lease ended, or given back, and attempts are left; else FAILED
    QUEUED, LEASED or RUNNING ---> CANCELLED

Every function takes a connection and leaves the transaction to its caller; those that write want one that does
(`db.engine.writing`), so that SQLite takes the write lock at its start. On PostgreSQL a row that another worker is
about to take is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from db.audit_log import LONGEST_PERSON
from db.entries import first_line
from db.records import storable, utc_now
from db.work_tables import TRAINING_JOBS
from inspector.errors import JobLost, JobRefused
from inspector.ids import new_id

LASTS = timedelta(minutes=2)
"""How long a worker may be silent before another takes its job. It should beat some four times in it."""
MOST_ATTEMPTS = 3
_LONGEST_OWNER = 128


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "QUEUED"
    LEASED = "LEASED"
    """A worker has it and prepares."""
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


HELD = (JobState.LEASED, JobState.RUNNING)
OPEN = (JobState.QUEUED, *HELD)


@dataclass(frozen=True, slots=True)
class Job:
    """A training that is wanted."""

    recipe: str
    person: str
    """Who wants it, or which rule."""
    reason: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """JSON values: what the worker needs beyond the recipe's name."""
    parent_bundle_id: str | None = None
    """The bundle that the new one is held against; it is in `bundles`."""
    snapshot_id: UUID | None = None
    """None: the worker freezes one (`use_snapshot`)."""
    most_attempts: int = MOST_ATTEMPTS
    queued_at: datetime = field(default_factory=utc_now)
    job_id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job as it stands."""

    job: Job
    state: JobState
    attempt: int
    """How often a worker has taken it."""
    lease_owner: str | None
    lease_until: datetime | None
    heartbeat_at: datetime | None
    progress: float
    message: str
    """What it does, or why it ended."""
    bundle_id: str | None
    """What came of it."""
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job in the hands of a worker. Its attempt tells it from an earlier lease of the same worker."""

    job: Job
    owner: str
    attempt: int


def enqueue(connection: Connection, job: Job) -> UUID:
    """Queue a job, and return its id.

    Raises:
        JobRefused: no recipe, person or reason, no attempt, or a snapshot or parent that the database does not have.
    """
    named = job.recipe.strip() and job.person.strip() and job.reason.strip()
    if not named or len(job.person) > LONGEST_PERSON:
        raise JobRefused(f"job for recipe {job.recipe!r}: expected a recipe, a reason, and who wants it")
    if job.most_attempts < 1:
        raise JobRefused(f"job for recipe {job.recipe!r}: most_attempts is {job.most_attempts}; expected 1 or more")
    names = ("job_id", "recipe", "person", "queued_at", "parent_bundle_id", "snapshot_id", "most_attempts")
    row = {name: getattr(job, name) for name in names} | {"reason": storable(job.reason)}
    row |= {"settings": dict(job.settings), "state": JobState.QUEUED.value, "attempt": 0, "progress": 0.0}
    with _known(f"job for recipe {job.recipe}: snapshot {job.snapshot_id}, parent {job.parent_bundle_id}", connection):
        connection.execute(insert(TRAINING_JOBS), row | {"message": ""})
    return job.job_id


def lease(connection: Connection, owner: str, now: datetime, lasts: timedelta = LASTS) -> HeldJob | None:
    """Take the job that waits longest; None where none does. `owner` names a worker process, and no other one.

    Jobs whose worker was silent for too long wait again.
    """
    if not owner.strip() or len(owner) > _LONGEST_OWNER:
        raise JobRefused(f"worker {owner!r}: expected a name of 1 to {_LONGEST_OWNER} characters")
    reclaim(connection, now)
    oldest = (TRAINING_JOBS.c.queued_at, TRAINING_JOBS.c.job_id)
    waiting = select(TRAINING_JOBS).where(_in(JobState.QUEUED)).order_by(*oldest).limit(1)
    row = connection.execute(waiting.with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    held = HeldJob(_job(row), owner, row.attempt + 1)
    taken = {"state": JobState.LEASED.value, "attempt": held.attempt, "lease_owner": owner, "progress": 0.0}
    mine = (TRAINING_JOBS.c.job_id == row.job_id) & _in(JobState.QUEUED)
    renewed = {"lease_until": now + lasts, "heartbeat_at": now}
    return held if connection.execute(update(TRAINING_JOBS).where(mine).values(taken | renewed)).rowcount else None


def reclaim(connection: Connection, now: datetime) -> list[UUID]:
    """Queue jobs whose lease has ended, and fail those that have no attempt left; return both."""
    expired = select(TRAINING_JOBS).where(_in(*HELD), TRAINING_JOBS.c.lease_until <= now)
    rows = connection.execute(expired.with_for_update(skip_locked=True)).all()
    for row in rows:
        said = f"worker {row.lease_owner} was silent since {row.heartbeat_at.isoformat(timespec='seconds')}"
        _release(connection, TRAINING_JOBS.c.job_id == row.job_id, row.attempt < row.most_attempts, said, now)
    return [row.job_id for row in rows]


def beat(connection: Connection, held: HeldJob, now: datetime, lasts: timedelta = LASTS) -> None:
    """Say that the worker lives.

    Raises:
        JobLost: the job was cancelled, or another worker has it: stop, and write nothing more of it.
    """
    _change(connection, held, {"lease_until": now + lasts, "heartbeat_at": now})


def progress(
    connection: Connection, held: HeldJob, share: float, message: str, now: datetime, lasts: timedelta = LASTS
) -> None:
    """Say how much of the job is done, 0 to 1, and what is being done; also a beat. Raise JobLost like it."""
    if not 0 <= share <= 1:
        raise JobRefused(f"job {held.job.job_id}: progress is {share}; expected 0 to 1")
    said = {"state": JobState.RUNNING.value, "progress": float(share), "message": storable(message)}
    _change(connection, held, said | {"lease_until": now + lasts, "heartbeat_at": now})


def use_snapshot(connection: Connection, held: HeldJob, snapshot_id: UUID) -> None:
    """Say what the job learns from; raise JobLost, or JobRefused where there is no such snapshot."""
    with _known(f"job {held.job.job_id}: snapshot {snapshot_id}", connection):
        _change(connection, held, {"snapshot_id": snapshot_id})


def finish(connection: Connection, held: HeldJob, bundle_id: str, message: str, now: datetime) -> None:
    """The job made a bundle, which is in `bundles` (`db.bundles`); raise JobLost, or JobRefused where it is not."""
    ended = {"state": JobState.SUCCEEDED.value, "progress": 1.0, "message": storable(message), "bundle_id": bundle_id}
    with _known(f"job {held.job.job_id}: bundle {bundle_id}", connection):
        _change(connection, held, ended | _ended(now))


def fail(connection: Connection, held: HeldJob, message: str, now: datetime) -> None:
    """The job cannot be done, and is not tried again; raise JobLost."""
    _change(connection, held, {"state": JobState.FAILED.value, "message": storable(message)} | _ended(now))


def give_back(connection: Connection, held: HeldJob, message: str, now: datetime) -> None:
    """The worker stops, or met what may be otherwise next time: the job waits again while attempts are left."""
    if not _release(connection, _held(held), held.attempt < held.job.most_attempts, message, now):
        raise _lost(connection, held)


def cancel(connection: Connection, job_id: UUID, person: str, reason: str, now: datetime) -> None:
    """Cancel a job; its worker hears of it at its next beat.

    Raises:
        JobRefused: no person or reason, no such job, or one that is over.
    """
    if not person.strip() or not reason.strip():
        raise JobRefused(f"job {job_id}: expected who cancels it, and why")
    said = {"state": JobState.CANCELLED.value, "message": storable(f"cancelled by {person}: {reason}")}
    mine = (TRAINING_JOBS.c.job_id == job_id) & _in(*OPEN)
    if not connection.execute(update(TRAINING_JOBS).where(mine).values(said | _ended(now))).rowcount:
        raise JobRefused(f"job {job_id}: {find_job(connection, job_id).state}; expected one that is not over")


def find_job(connection: Connection, job_id: UUID) -> JobStatus:
    """A job as it stands; raise JobRefused where there is none."""
    row = connection.execute(select(TRAINING_JOBS).where(TRAINING_JOBS.c.job_id == job_id)).first()
    if row is None:
        raise JobRefused(f"job {job_id}: no such job in the database")
    return _status(row)


def jobs(connection: Connection, *states: JobState, recipe: str | None = None) -> list[JobStatus]:
    """Jobs in one of the states, or all, oldest first."""
    query = select(TRAINING_JOBS).order_by(TRAINING_JOBS.c.queued_at, TRAINING_JOBS.c.job_id)
    query = query.where(_in(*states)) if states else query
    query = query if recipe is None else query.where(TRAINING_JOBS.c.recipe == recipe)
    return [_status(row) for row in connection.execute(query)]


def _in(*states: JobState) -> ColumnElement[bool]:
    return TRAINING_JOBS.c.state.in_([state.value for state in states])


def _held(held: HeldJob) -> ColumnElement[bool]:
    """A lease that has ended and that nobody took is its owner's still."""
    mine = (TRAINING_JOBS.c.job_id == held.job.job_id) & (TRAINING_JOBS.c.lease_owner == held.owner)
    return mine & (TRAINING_JOBS.c.attempt == held.attempt) & _in(*HELD)


def _change(connection: Connection, held: HeldJob, values: Mapping[str, Any]) -> None:
    if not connection.execute(update(TRAINING_JOBS).where(_held(held)).values(values)).rowcount:
        raise _lost(connection, held)


@contextmanager
def _known(named: str, connection: Connection) -> Iterator[None]:
    """Within it, what a row refers to must be there; the caller's transaction goes on all the same."""
    try:
        with connection.begin_nested():
            yield
    except IntegrityError as error:
        raise JobRefused(f"{named}: expected what is in the database ({first_line(error)})") from error


def _lost(connection: Connection, held: HeldJob) -> JobLost:
    now = find_job(connection, held.job.job_id)
    holder = f" by {now.lease_owner}" if now.lease_owner else ""
    return JobLost(
        f"job {held.job.job_id}: {now.state}{holder}, attempt {now.attempt}; it is not {held.owner}'s any more"
    )


def _release(connection: Connection, mine: ColumnElement[bool], again: bool, why: str, now: datetime) -> int:
    values: dict[str, Any] = {"message": storable(why), "lease_owner": None, "lease_until": None}
    values |= {"state": JobState.QUEUED.value} if again else {"state": JobState.FAILED.value} | _ended(now)
    return connection.execute(update(TRAINING_JOBS).where(mine).values(values)).rowcount


def _ended(now: datetime) -> dict[str, Any]:
    return {"ended_at": now, "lease_owner": None, "lease_until": None}


def _job(row: Row[Any]) -> Job:
    return Job(**{name: row._mapping[name] for name in Job.__slots__})


def _status(row: Row[Any]) -> JobStatus:
    own = {name: row._mapping[name] for name in JobStatus.__slots__ if name not in ("job", "state")}
    return JobStatus(job=_job(row), state=JobState(row.state), **own)
