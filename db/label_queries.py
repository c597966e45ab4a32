"""What the reports on labels ask of the database."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, true

from db.labels import TaskKind, current
from db.tables import AUDIT_STRATA, INSPECTIONS, IS_PRODUCTION, LABEL_TASKS, LABELS
from inspector.agreement import Rating
from inspector.audit import AuditedStratum
from inspector.values import Outcome


class Among(Protocol):
    """Which parts a question is about: `Window` for reports, `db.history.labelled.Counted` for screens."""

    def holds(self) -> ColumnElement[bool]: ...


@dataclass(frozen=True, slots=True)
class Window:
    """Which parts of production a report is about: triggered since then, of that recipe; None: all."""

    since: datetime | None = None
    recipe: str | None = None

    def holds(self) -> ColumnElement[bool]:
        since = true() if self.since is None else INSPECTIONS.c.triggered_at >= self.since
        return and_(IS_PRODUCTION, since, true() if self.recipe is None else INSPECTIONS.c.recipe == self.recipe)


@dataclass(frozen=True, slots=True)
class FoundEscape:
    """A part that passed, was drawn, and is defective."""

    part_id: UUID
    trigger: int
    source: str
    triggered_at: datetime
    defect_probability: float
    label: str
    person: str
    stratum: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What the ledger knows about an audit."""

    strata: tuple[AuditedStratum, ...]
    found: tuple[FoundEscape, ...]
    beyond: int
    """Passes of runs without an audit: nothing is said of them."""
    caught: int
    """Parts that were stopped and that a person called defective."""


_PASSED = INSPECTIONS.c.outcome == Outcome.PASS.value
_Key = tuple[str, float]


def audit(connection: Connection, window: Among) -> Audit:
    """Count, by stratum and probability, the passes, the drawn ones, and what was said of them blind."""
    strata, found = audited_strata(connection, window)
    return Audit(strata, found, _beyond(connection, window), _caught(connection, window))


def audited_strata(connection: Connection, window: Among) -> tuple[tuple[AuditedStratum, ...], tuple[FoundEscape, ...]]:
    """What an estimate of escapes is made of, and the escapes that were found."""
    population = _counts(connection, _population(window))
    tasks = _drawn(connection, window)
    drawn = Counter(_key(row) for row in {row.task_id: row for row in tasks}.values())
    answers = list({row.task_id: row for row in tasks if row.label_id is not None}.values())
    strata = [
        _stratum(key, population.get(key, 0), drawn[key], [row for row in answers if _key(row) == key])
        for key in sorted({*population, *drawn})
    ]
    return tuple(strata), tuple(_escape(row) for row in answers if row.is_defect)


def ratings(connection: Connection, window: Among) -> list[Rating]:
    """Every blind label that its author did not supersede, in the order they were given."""
    query = (
        select(LABELS)
        .join(INSPECTIONS, INSPECTIONS.c.part_id == LABELS.c.part_id)
        .where(LABELS.c.blind.is_(True), window.holds())
        .order_by(LABELS.c.at, LABELS.c.label_id)
    )
    rows = current(connection.execute(query))
    return [Rating(row.part_id, row.person, row.label, row.is_defect) for row in rows]


def stopped(connection: Connection, window: Among) -> dict[UUID, bool]:
    """By labelled part, what the machine said: True where it was stopped. Parts not inspected are left out."""
    said = INSPECTIONS.c.outcome.in_([Outcome.PASS.value, Outcome.REJECT.value, Outcome.REVIEW.value])
    labelled = INSPECTIONS.c.part_id.in_(select(LABELS.c.part_id))
    query = select(INSPECTIONS.c.part_id, INSPECTIONS.c.outcome).where(said, labelled, window.holds())
    return {part_id: outcome != Outcome.PASS.value for part_id, outcome in connection.execute(query)}


def _population(window: Among) -> Select[Any]:
    score = INSPECTIONS.c.defect_probability
    inside = and_(
        AUDIT_STRATA.c.run_id == INSPECTIONS.c.run_id,
        score >= AUDIT_STRATA.c.score_from,
        or_(AUDIT_STRATA.c.score_below.is_(None), score < AUDIT_STRATA.c.score_below),
    )
    columns = (AUDIT_STRATA.c.stratum, AUDIT_STRATA.c.share)
    query = select(*columns, func.count()).select_from(INSPECTIONS.join(AUDIT_STRATA, inside))
    return query.where(_PASSED, window.holds()).group_by(*columns)


def _counts(connection: Connection, query: Select[Any]) -> dict[_Key, int]:
    return {(stratum, share): count for stratum, share, count in connection.execute(query)}


def _drawn(connection: Connection, window: Among) -> list[Any]:
    """Every audit task with its blind labels, the last one last; a label given in sight of the verdict is no answer.

    Asked together, since each question goes through all parts of the window.
    """
    labels, tasks, parts = LABELS.c, LABEL_TASKS.c, INSPECTIONS.c
    answers = (labels.part_id == tasks.part_id) & (labels.task_id == tasks.task_id) & labels.blind.is_(True)
    query = (
        select(
            labels.label_id,
            tasks.task_id,
            labels.label,
            labels.is_defect,
            labels.person,
            tasks.stratum,
            tasks.inclusion_probability,
            parts.part_id,
            parts.trigger,
            parts.source,
            parts.triggered_at,
            parts.defect_probability,
        )
        .select_from(LABEL_TASKS.join(INSPECTIONS, parts.part_id == tasks.part_id).outerjoin(LABELS, answers))
        .where(tasks.kind == TaskKind.AUDIT.value, window.holds())
        .order_by(labels.at, labels.label_id)
    )
    return list(connection.execute(query))


def _key(row: Any) -> _Key:
    return row.stratum, row.inclusion_probability


def _stratum(key: _Key, population: int, drawn: int, answers: list[Any]) -> AuditedStratum:
    escapes = sum(row.is_defect for row in answers)
    return AuditedStratum(key[0], key[1], population, drawn, len(answers), escapes)


def _escape(row: Any) -> FoundEscape:
    return FoundEscape(
        part_id=row.part_id,
        trigger=row.trigger,
        source=row.source,
        triggered_at=row.triggered_at,
        defect_probability=row.defect_probability,
        label=row.label,
        person=row.person,
        stratum=row.stratum,
    )


def _beyond(connection: Connection, window: Among) -> int:
    audited = select(AUDIT_STRATA.c.run_id)
    query = select(func.count()).select_from(INSPECTIONS)
    return connection.execute(query.where(_PASSED, window.holds(), INSPECTIONS.c.run_id.not_in(audited))).scalar_one()


def _caught(connection: Connection, window: Among) -> int:
    query = (
        select(LABELS.c.label_id, LABELS.c.supersedes, LABELS.c.part_id, LABELS.c.is_defect)
        .join(INSPECTIONS, INSPECTIONS.c.part_id == LABELS.c.part_id)
        .where(INSPECTIONS.c.outcome != Outcome.PASS.value, window.holds())
    )
    return len({row.part_id for row in current(connection.execute(query)) if row.is_defect})
