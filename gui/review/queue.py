"""Which parts want a person, those that need one most first: `review_queue` is all that the screen asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, exists, func, literal_column, select

from db.history import queue as history
from db.history.disagreements import doubted_labels, shadow_disagreements
from db.history.scope import Scope
from db.labels import OpenTask, TaskKind, open_tasks
from db.leases import held_by_others
from db.tables import INSPECTIONS, IS_PRODUCTION, LABELS, RUNS
from gui.limits import policy_of
from inspector.values import Outcome
from inspector.verdict import Policy

NEWEST = 400
NEWEST = 400
"""Of parts that nobody asked about, so many are looked at of each kind."""
LOOKED_AT = 5000
"""Stopped parts are looked for among so many of the newest."""
PAIRS = 4
"""So many of the recipes and bundles that ran last have their reviews ordered by their own limits."""
REVIEWS_SINCE = timedelta(days=3)
"""So far back reviews are ordered by their numbers: the question takes a tenth of a second then (docs/queries.md)."""
DOUBTS_SINCE = timedelta(days=30)
_FAR = 1.0


class Need(StrEnum):
    """Why a part is in the queue; the first comes first."""

    ASKED = "asked"
    NEAR_LIMIT = "near a limit"
    DISAGREES = "disagrees with the shadow"
    NOVEL = "novel"
    REPEAT = "repeat"
    AUDIT = "audit"
    DOUBTED = "doubted label"
    UNDECIDED = "undecided"
    REJECTED = "rejected"


_STOPPED: tuple[ColumnElement[str], ...] = literal_column("'REJECT'"), literal_column("'REVIEW'")
"""Written out as in the index of stopped parts: a bound value would hide from SQLite that it serves."""
_RANK = {need: rank for rank, need in enumerate(Need)}
_NEED_OF_TASK = {TaskKind.REVIEW: Need.ASKED, TaskKind.REPEAT: Need.REPEAT, TaskKind.AUDIT: Need.AUDIT}
_NEED_OF_REVIEW = {history.Need.NEAR_LIMIT: Need.NEAR_LIMIT, history.Need.NOVEL: Need.NOVEL}


@dataclass(frozen=True, slots=True)
class Why:
    """What made the part needed, as far as it is a number or a name. Of a blind part nothing is told."""

    distance: float | None = None
    """From the nearest limit, in probability."""
    novelty: float | None = None
    shadow: tuple[str, Outcome] | None = None
    """A bundle in the shadow, and what it says."""
    labels: tuple[str, ...] = ()
    """What persons said."""


@dataclass(frozen=True, slots=True)
class QueuedPart:
    """A part in the queue. A blind one is judged without what the machine said."""

    part_id: UUID
    need: Need
    task_id: UUID | None = None
    why: Why = field(default_factory=Why)

    @property
    def blind(self) -> bool:
        return self.need in (Need.AUDIT, Need.REPEAT)


def review_queue(connection: Connection, person: str, holder: UUID, now: datetime) -> tuple[QueuedPart, ...]:
    """What `person` may label and nobody else has in hand.

    A part stands once: for its task, else where it is needed most.
    """
    held = held_by_others(connection, holder, now)
    tasks = [_of_task(task) for task in open_tasks(connection, person) if task.image is not None]
    others = [*_reviews(connection, now), *_others(connection, person, now), *_stopped(connection)]
    once: dict[UUID, QueuedPart] = {}
    for part in (*_by_need(tasks), *_by_need(others)):
        once.setdefault(part.part_id, part)
    return tuple(part for part in _by_need(once.values()) if part.part_id not in held)


def waiting_counts(connection: Connection) -> dict[str, int]:
    """How many parts of each station were stopped and labelled by nobody, among the newest that were stopped."""
    waiting = _unlabelled().subquery()
    query = select(waiting.c.station, func.count(waiting.c.part_id).label("waiting")).group_by(waiting.c.station)
    return {row.station: row.waiting for row in connection.execute(query)}


def _by_need(parts: Iterable[QueuedPart]) -> list[QueuedPart]:
    """Near a limit the nearest first; of others the order stays."""
    kept = list(parts)
    return sorted(kept, key=lambda part: (_RANK[part.need], _distance(part)))


def _distance(part: QueuedPart) -> float:
    return _FAR if part.why.distance is None else part.why.distance


def _of_task(task: OpenTask) -> QueuedPart:
    return QueuedPart(task.part_id, _NEED_OF_TASK[task.kind], task.task_id)


def _reviews(connection: Connection, now: datetime) -> list[QueuedPart]:
    """What went to review lately and nobody labelled, of what ran last."""
    found: list[history.Waiting] = []
    for (recipe, bundle_id), policy in _ran_last(connection).items():
        scope = Scope(since=now - REVIEWS_SINCE, recipe=recipe, bundle_id=bundle_id, simulated=True)
        found += history.queue(connection, scope, policy, now, NEWEST)
    shown = _with_picture(connection, [one.part_id for one in found])
    return [_of_review(one) for one in found if one.task_id is None and one.part_id in shown]


def _of_review(waiting: history.Waiting) -> QueuedPart:
    need = _NEED_OF_REVIEW.get(waiting.need, Need.UNDECIDED)
    novelty = waiting.novelty if need is Need.NOVEL else None
    return QueuedPart(waiting.part_id, need, why=Why(waiting.distance, novelty))


def _others(connection: Connection, person: str, now: datetime) -> list[QueuedPart]:
    """On what another bundle, or other persons, say something else."""
    shadow = [
        QueuedPart(one.part_id, Need.DISAGREES, why=Why(shadow=(one.bundle_id, one.outcome)))
        for one in shadow_disagreements(connection)
    ]
    doubted = [
        QueuedPart(one.part_id, Need.DOUBTED, why=Why(labels=one.labels))
        for one in doubted_labels(connection, person, now - DOUBTS_SINCE)
    ]
    return shadow[:NEWEST] + doubted[:NEWEST]


def _stopped(connection: Connection) -> list[QueuedPart]:
    """The newest parts that were stopped and nobody labelled."""
    rows = connection.execute(_unlabelled().limit(NEWEST)).all()
    policies = {run_id: policy_of(connection, run_id) for run_id in {row.run_id for row in rows}}
    return [_of_stopped(row, policies[row.run_id]) for row in rows]


def _of_stopped(row: Any, policy: Policy | None) -> QueuedPart:
    distance = None
    if policy is not None and row.defect_probability is not None:
        limits = (policy.pass_below, policy.reject_above)
        distance = min(abs(row.defect_probability - limit) for limit in limits)
    if row.outcome == Outcome.REVIEW.value:
        need = Need.UNDECIDED
    else:
        near = distance is not None and distance <= history.NEAR
        need = Need.NEAR_LIMIT if near else Need.REJECTED
    return QueuedPart(row.part_id, need, why=Why(distance))


def _ran_last(connection: Connection) -> dict[tuple[str, str], Policy]:
    """The recipes and bundles that ran last, with the limits of their newest run."""
    query = select(RUNS.c.run_id, RUNS.c.recipe, RUNS.c.bundle_id).order_by(RUNS.c.started_at.desc()).limit(50)
    newest: dict[tuple[str, str], UUID] = {}
    for row in connection.execute(query):
        newest.setdefault((row.recipe, row.bundle_id), row.run_id)
    policies = {pair: policy_of(connection, run_id) for pair, run_id in list(newest.items())[:PAIRS]}
    return {pair: policy for pair, policy in policies.items() if policy is not None}


def _with_picture(connection: Connection, part_ids: list[UUID]) -> set[UUID]:
    parts = INSPECTIONS.c
    query = select(parts.part_id).where(parts.part_id.in_(part_ids), parts.image_sha256.is_not(None), IS_PRODUCTION)
    return set(connection.execute(query).scalars())


def _unlabelled() -> Select[Any]:
    """Of the newest parts that were stopped, those with a picture that nobody labelled, newest first.

    The inner limit keeps PostgreSQL to the index of stopped parts, and the question as quick however many there are.
    """
    names = ("part_id", "station", "run_id", "outcome", "defect_probability", "image_sha256", "triggered_at")
    newest = select(*(INSPECTIONS.c[name] for name in names)).where(INSPECTIONS.c.outcome.in_(_STOPPED), IS_PRODUCTION)
    stopped = newest.order_by(INSPECTIONS.c.triggered_at.desc()).limit(LOOKED_AT).subquery("stopped")
    unlabelled = ~exists().where(LABELS.c.part_id == stopped.c.part_id)
    return (
        select(stopped).where(stopped.c.image_sha256.is_not(None), unlabelled).order_by(stopped.c.triggered_at.desc())
    )
