"""What persons should look at next, the most needed first.

1. near a limit: a REVIEW whose probability lies so near to a limit that the verdict could as well be another;
2. unlike all that is known: a REVIEW of a part whose novelty reaches its limit;
3. drawn: a pass drawn for audit, or a part that is shown again, without its answer;
4. every other REVIEW, and every other task.

A part stands once, where it is needed most; within a group the oldest come first, near a limit the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Select,
    String,
    and_,
    case,
    exists,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from db.columns import Key
from db.history.scope import Scope, judged
from db.labels import TaskKind
from db.plant_tables import LABEL_LEASES
from db.tables import FINDINGS, INSPECTIONS, LABEL_TASKS, LABELS
from inspector.values import Outcome
from inspector.verdict import Policy

_REVIEW: ColumnElement[str] = literal_column(f"'{Outcome.REVIEW.value}'")
"""Written out, since a bound value would hide from SQLite that the index of reviews serves."""
_FAR = 2.0
"""Farther from a limit than any probability: no network judged the part, or it was drawn."""
NEAR = 0.05
"""So near to a limit, in probability, is near."""


class Need(IntEnum):
    """Why a part is in the queue; the least comes first."""

    NEAR_LIMIT = 1
    NOVEL = 2
    DRAWN = 3
    ASKED = 4


@dataclass(frozen=True, slots=True)
class Waiting:
    """A part that a person should look at. `held_by` has it on a screen until `held_until`."""

    part_id: UUID
    need: Need
    distance: float | None
    """From the nearest limit, in probability; None where no network judged the part, or it was drawn."""
    novelty: float | None
    outcome: Outcome
    station: str
    triggered_at: datetime
    task_id: UUID | None
    asked: str | None
    """Who is asked by name; None: anybody."""
    held_by: str | None
    held_until: datetime | None


def queue(connection: Connection, scope: Scope, policy: Policy, now: datetime, most: int = 50) -> tuple[Waiting, ...]:
    """The first `most` parts of the queue. A lease that ran out before `now` holds nothing."""
    candidates = union_all(_reviews(scope, policy), _tasks(scope)).subquery("candidates")
    need = _need(candidates.c, policy)
    order = (need, candidates.c.distance, candidates.c.triggered_at, candidates.c.task_id.is_(None))
    once = func.row_number().over(partition_by=candidates.c.part_id, order_by=order)
    ranked = select(*candidates.c, need.label("need"), once.label("place")).subquery("ranked")
    held = and_(LABEL_LEASES.c.part_id == ranked.c.part_id, LABEL_LEASES.c.until > now)
    query = (
        select(*ranked.c, LABEL_LEASES.c.person.label("held_by"), LABEL_LEASES.c.until.label("held_until"))
        .select_from(ranked.outerjoin(LABEL_LEASES, held))
        .where(ranked.c.place == 1)
        .order_by(ranked.c.need, ranked.c.distance, ranked.c.triggered_at, ranked.c.part_id)
        .limit(most)
    )
    return tuple(_waiting(row) for row in connection.execute(query).mappings())


def _waiting(row: Any) -> Waiting:
    need = Need(row["need"])
    named = {name: row[name] for name in Waiting.__slots__ if name not in ("need", "distance", "outcome")}
    distance = row["distance"] if need is not Need.DRAWN and row["distance"] <= 1 else None
    return Waiting(need=need, distance=distance, outcome=Outcome(row["outcome"]), **named)


def _reviews(scope: Scope, policy: Policy) -> Select[Any]:
    """Parts sent to review that nobody has labelled."""
    parts = INSPECTIONS.c
    labelled = exists().where(LABELS.c.part_id == parts.part_id)
    columns = _columns(literal(None, String()), _distance(policy), literal(None, Key()), literal(None, String()))
    return select(*columns).where(judged(scope), parts.outcome == _REVIEW, ~labelled)


def _tasks(scope: Scope) -> Select[Any]:
    """Tasks without an answer. The scope's time is that of the task: a part is shown again long after it was made."""
    tasks = LABEL_TASKS.c
    made = [tasks.created_at >= scope.since] if scope.since is not None else []
    made += [tasks.created_at < scope.until] if scope.until is not None else []
    # Tasks lie by kind and time; labels by part: without the part each task would look through all labels.
    every = tasks.kind.in_([kind.value for kind in TaskKind])
    answered = exists().where(LABELS.c.part_id == tasks.part_id, LABELS.c.task_id == tasks.task_id)
    columns = _columns(tasks.kind, literal(_FAR, Double()), tasks.task_id, tasks.person)
    of_part = LABEL_TASKS.join(INSPECTIONS, INSPECTIONS.c.part_id == tasks.part_id)
    at_any_time = replace(scope, since=None, until=None)
    return select(*columns).select_from(of_part).where(every, ~answered, judged(at_any_time), *made)


def _columns(kind: Any, distance: Any, task_id: Any, asked: Any) -> tuple[ColumnElement[Any], ...]:
    parts = INSPECTIONS.c
    # Of a part's views, that of the one which is most unlike all that is known.
    novelty = select(func.max(FINDINGS.c.novelty)).where(FINDINGS.c.part_id == parts.part_id).scalar_subquery()
    named = (("kind", kind), ("distance", distance), ("novelty", novelty), ("task_id", task_id), ("asked", asked))
    own = (parts.part_id, parts.outcome, parts.station, parts.triggered_at)
    return (*own, *(value.label(name) for name, value in named))


def _need(candidate: Any, policy: Policy) -> ColumnElement[int]:
    """Novelty before nearness: the probability of a part unlike all that is known means nothing."""
    return case(
        (candidate.kind.in_([TaskKind.AUDIT.value, TaskKind.REPEAT.value]), Need.DRAWN.value),
        (candidate.kind.is_not(None), Need.ASKED.value),
        (candidate.novelty >= policy.review_novelty, Need.NOVEL.value),
        (candidate.distance <= NEAR, Need.NEAR_LIMIT.value),
        else_=Need.ASKED.value,
    )


def _distance(policy: Policy) -> ColumnElement[Any]:
    """From the nearer limit."""
    probability = INSPECTIONS.c.defect_probability
    below, above = func.abs(probability - policy.pass_below), func.abs(probability - policy.reject_above)
    return case((probability.is_(None), _FAR), (below <= above, below), else_=above)
