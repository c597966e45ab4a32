"""Labels and the tasks that they answer: one function for each thing that a screen, a command or a report wants.

Every function takes a connection and leaves the transaction to its caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, exists, insert, or_, select

from db.audit_log import Change, record_change
from db.records import utc_now
from db.tables import BUNDLES, IMAGES, INSPECTIONS, IS_PRODUCTION, LABEL_TASKS, LABELS
from inspector.errors import LabelRefused
from inspector.ids import new_id

GOOD = "good"
LONGEST_NAME = 64
MOST_TASKS = 2000
"""A person is shown so many open tasks at a time."""


class TaskKind(StrEnum):
    """Why a person is asked. AUDIT and REPEAT were drawn, and only a blind label answers them."""

    REVIEW = "REVIEW"
    REPEAT = "REPEAT"
    AUDIT = "AUDIT"


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says of a part."""

    part_id: UUID
    label: str
    person: str
    blind: bool
    note: str = ""
    at: datetime = field(default_factory=utc_now)
    label_id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class LabelTask:
    """A part that a person is to label; `person` None: anybody."""

    part_id: UUID
    kind: TaskKind
    person: str | None = None
    inclusion_probability: float | None = None
    stratum: str | None = None
    created_at: datetime = field(default_factory=utc_now)
    task_id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task without an answer, and where the part's picture lies in the image store (None: there is none)."""

    task_id: UUID
    part_id: UUID
    kind: TaskKind
    image: str | None


def add_label(connection: Connection, label: Label, *, correct: bool = False, new_class: bool = False) -> UUID | None:
    """Write a label, and return the task that it answers, if any.

    With `correct` it supersedes the person's last label of the part. `new_class` allows a class that the part's bundle
    does not know. What is good is what the bundle calls so.

    Raises:
        LabelRefused: no such part, an unknown class, no person, or a second label that nobody asked for.
    """
    _require_words(label)
    names, good = _classes(connection, label.part_id)
    if label.label not in (*names, *good) and not new_class:
        known = ", ".join(sorted({*names, *good}))
        raise LabelRefused(f"label {label.label!r}: part {label.part_id} can be {known}; --new allows a further class")
    before = _last_label(connection, label.part_id, label.person)
    task = _task_for(connection, label) if not correct else None
    if correct and before is None:
        raise LabelRefused(f"part {label.part_id}: {label.person} has not labelled it; nothing to correct")
    if before is not None and not correct and task is None:
        raise LabelRefused(f"part {label.part_id}: {label.person} has labelled it already; --correct supersedes that")
    row = {name: getattr(label, name) for name in ("label_id", "part_id", "label", "person", "blind", "note", "at")}
    row["is_defect"] = label.label not in good
    answers: UUID | None = before.task_id if correct and before is not None else task
    row["task_id"] = answers
    row["supersedes"] = before.label_id if correct and before is not None else None
    connection.execute(insert(LABELS), row)
    record_change(connection, _change(label, before if correct else None))
    return answers


def add_tasks(connection: Connection, tasks: Sequence[LabelTask]) -> None:
    rows = [
        {
            "task_id": task.task_id,
            "part_id": task.part_id,
            "kind": task.kind.value,
            "person": task.person,
            "inclusion_probability": task.inclusion_probability,
            "stratum": task.stratum,
            "created_at": task.created_at,
        }
        for task in tasks
    ]
    if rows:
        connection.execute(insert(LABEL_TASKS), rows)


def open_tasks(connection: Connection, person: str) -> list[OpenTask]:
    """The tasks without an answer that `person` may answer, oldest first; at most `MOST_TASKS`, drawn ones last."""
    drawn_last = (LABEL_TASKS.c.kind == TaskKind.AUDIT.value, LABEL_TASKS.c.created_at, LABEL_TASKS.c.task_id)
    # The limit keeps PostgreSQL from reading all parts, as it thinks that most tasks are open.
    first = select(LABEL_TASKS).where(_is_open(), _may_answer(person)).order_by(*drawn_last).limit(MOST_TASKS)
    tasks = first.subquery("tasks")
    query = (
        select(tasks.c.task_id, tasks.c.part_id, tasks.c.kind, IMAGES.c.path.label("image"))
        .join(INSPECTIONS, INSPECTIONS.c.part_id == tasks.c.part_id)
        .outerjoin(IMAGES, IMAGES.c.sha256 == INSPECTIONS.c.image_sha256)
        .where(IS_PRODUCTION)
        .order_by(tasks.c.created_at, tasks.c.task_id)
    )
    rows = connection.execute(query).mappings()
    return [OpenTask(**{**row, "kind": TaskKind(row["kind"])}) for row in rows]


def parts_labelled_blind(connection: Connection, since: datetime | None = None) -> list[UUID]:
    """Parts with a stored picture and at least one blind label, in the order of their ids: what may be shown again."""
    late = LABELS.c.at >= since if since else LABELS.c.blind.is_(True)
    query = (
        select(LABELS.c.part_id)
        .distinct()
        .join(INSPECTIONS, INSPECTIONS.c.part_id == LABELS.c.part_id)
        .where(LABELS.c.blind.is_(True), late, INSPECTIONS.c.image_sha256.is_not(None), IS_PRODUCTION)
        .order_by(LABELS.c.part_id)
    )
    return list(connection.execute(query).scalars())


def current(rows: Iterable[Any]) -> list[Any]:
    """Leave out the labels that another one of `rows` supersedes."""
    rows = list(rows)
    superseded = {row.supersedes for row in rows}
    return [row for row in rows if row.label_id not in superseded]


def _change(label: Label, before: Any) -> Change:
    """What the audit log keeps of a label."""
    return Change(
        person=label.person,
        action="label added" if before is None else "label corrected",
        subject=f"part {label.part_id}",
        reason=label.note,
        old=None if before is None else {"label": before.label, "blind": before.blind},
        new={"label": label.label, "blind": label.blind},
    )


def _require_words(label: Label) -> None:
    if not label.person.strip() or len(label.person) > LONGEST_NAME:
        raise LabelRefused(f"person {label.person!r}: expected a name of 1 to {LONGEST_NAME} characters")
    if label.at.tzinfo is None:
        raise LabelRefused(f"at {label.at.isoformat()}: expected a time zone, as 2026-01-31T12:00:00+00:00")


def _classes(connection: Connection, part_id: UUID) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes that the part's bundle knows, and those that mean a good part."""
    query = (
        select(BUNDLES.c.classes, BUNDLES.c.manifest)
        .join(INSPECTIONS, INSPECTIONS.c.bundle_id == BUNDLES.c.bundle_id)
        .where(INSPECTIONS.c.part_id == part_id)
    )
    row = connection.execute(query).first()
    if row is None:
        raise LabelRefused(f"part {part_id}: no such part in the database")
    good = tuple(name for name in row.manifest.get("good", ()) if name)
    return tuple(row.classes), good or (GOOD,)


def _last_label(connection: Connection, part_id: UUID, person: str) -> Any:
    mine = and_(LABELS.c.part_id == part_id, LABELS.c.person == person)
    rows = connection.execute(select(LABELS).where(mine).order_by(LABELS.c.at, LABELS.c.label_id)).all()
    left = current(rows)
    return left[-1] if left else None


def _task_for(connection: Connection, label: Label) -> UUID | None:
    """The open task that the label answers: one for this very person before one for anybody, the oldest first."""
    kinds = [TaskKind.REVIEW.value] if not label.blind else [kind.value for kind in TaskKind]
    query = (
        select(LABEL_TASKS.c.task_id)
        .where(LABEL_TASKS.c.part_id == label.part_id, LABEL_TASKS.c.kind.in_(kinds))
        .where(_is_open(), _may_answer(label.person))
        .order_by(LABEL_TASKS.c.person.is_(None), LABEL_TASKS.c.created_at, LABEL_TASKS.c.task_id)
    )
    return connection.execute(query.limit(1)).scalar()


def _is_open() -> Any:
    # As the index of answers has it: whatever corrects an answer supersedes it.
    is_answer = (
        LABELS.c.task_id == LABEL_TASKS.c.task_id,
        LABELS.c.task_id.is_not(None),
        LABELS.c.supersedes.is_(None),
    )
    return ~exists().where(*is_answer)


def _may_answer(person: str) -> Any:
    return or_(LABEL_TASKS.c.person.is_(None), LABEL_TASKS.c.person == person)
