"""Which parts want a person, those that need one most first: `review_queue` is all that the screen asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, exists, func, literal_column, select

from db.labels import OpenTask, TaskKind, open_tasks
from db.leases import held_by_others
from db.tables import BUNDLES, INSPECTIONS, IS_PRODUCTION, LABELS
from inspector.values import Outcome

NEWEST = 400
"""Of parts that nobody asked about, so many of the newest are in the queue."""
LOOKED_AT = 5000
"""They are looked for among so many of the newest that were stopped."""
DOUBTFUL = 0.05
"""So near a limit, a verdict could as well have been the other one."""


class Need(StrEnum):
    """Why a part is in the queue."""

    ASKED = "asked"
    REPEAT = "repeat"
    AUDIT = "audit"
    UNDECIDED = "undecided"
    NEAR_LIMIT = "near the limit"
    REJECTED = "rejected"


_STOPPED: tuple[ColumnElement[str], ...] = literal_column("'REJECT'"), literal_column("'REVIEW'")
"""Written out as in the index of stopped parts: a bound value would hide from SQLite that it serves."""
_RANK = {need: rank for rank, need in enumerate(Need)}
_NEED_OF_TASK = {TaskKind.REVIEW: Need.ASKED, TaskKind.REPEAT: Need.REPEAT, TaskKind.AUDIT: Need.AUDIT}


@dataclass(frozen=True, slots=True)
class QueuedPart:
    """A part in the queue. A blind one is judged without what the machine said."""

    part_id: UUID
    need: Need
    task_id: UUID | None = None

    @property
    def blind(self) -> bool:
        return self.need in (Need.AUDIT, Need.REPEAT)


def review_queue(connection: Connection, person: str, holder: UUID, now: datetime) -> tuple[QueuedPart, ...]:
    """What `person` may label and nobody else has in hand."""
    held = held_by_others(connection, holder, now)
    tasks = [_of_task(task) for task in open_tasks(connection, person) if task.image is not None]
    asked = {part.part_id for part in tasks}
    others = [part for part in _diverted(connection) if part.part_id not in asked]
    waiting = sorted(tasks, key=lambda part: _RANK[part.need]) + others
    return tuple(part for part in waiting if part.part_id not in held)


def waiting_counts(connection: Connection) -> dict[str, int]:
    """How many parts of each station were stopped and labelled by nobody, among the newest that were stopped."""
    waiting = _unlabelled().subquery()
    query = select(waiting.c.station, func.count(waiting.c.part_id).label("waiting")).group_by(waiting.c.station)
    return {row.station: row.waiting for row in connection.execute(query)}


def _of_task(task: OpenTask) -> QueuedPart:
    return QueuedPart(task.part_id, _NEED_OF_TASK[task.kind], task.task_id)


def _diverted(connection: Connection) -> list[QueuedPart]:
    """Parts that were stopped and nobody labelled, the most doubtful first."""
    newest = _unlabelled().limit(NEWEST).subquery()
    columns = (newest.c.part_id, newest.c.outcome, newest.c.defect_probability, BUNDLES.c.manifest)
    query = select(*columns).join(BUNDLES, BUNDLES.c.bundle_id == newest.c.bundle_id)
    placed = sorted(((_place(row), row.part_id) for row in connection.execute(query)), key=lambda pair: pair[0])
    return [QueuedPart(part_id, need) for (_, _, need), part_id in placed]


def _place(row: Any) -> tuple[int, float, Need]:
    """Its rank, and within that its distance to the nearer limit."""
    limits = row.manifest.get("limits") or {}
    distances = [
        abs(row.defect_probability - limits[name]) for name in ("pass_below", "reject_above") if name in limits
    ]
    distance = min(distances, default=1.0) if row.defect_probability is not None else 1.0
    if row.outcome == Outcome.REVIEW.value:
        need = Need.UNDECIDED
    else:
        need = Need.NEAR_LIMIT if distance < DOUBTFUL else Need.REJECTED
    return _RANK[need], distance, need


def _unlabelled() -> Select[Any]:
    """Of the newest parts that were stopped, those with a picture that nobody labelled, newest first.

    The inner limit keeps PostgreSQL to the index of stopped parts, and the question as quick however many there are.
    """
    names = ("part_id", "station", "outcome", "defect_probability", "bundle_id", "image_sha256", "triggered_at")
    newest = select(*(INSPECTIONS.c[name] for name in names)).where(INSPECTIONS.c.outcome.in_(_STOPPED), IS_PRODUCTION)
    stopped = newest.order_by(INSPECTIONS.c.triggered_at.desc()).limit(LOOKED_AT).subquery("stopped")
    unlabelled = ~exists().where(LABELS.c.part_id == stopped.c.part_id)
    return (
        select(stopped).where(stopped.c.image_sha256.is_not(None), unlabelled).order_by(stopped.c.triggered_at.desc())
    )
