"""What persons said of parts, held against the verdicts: escapes of the audit, rejects that were good."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, select

from db.history.scope import Scope, counted, judged
from db.label_queries import audited_strata
from db.labels import current
from db.tables import INSPECTIONS, LABELS
from inspector.audit import EscapeEstimate, estimate_escapes
from inspector.risk import Rate
from inspector.values import Outcome


@dataclass(frozen=True, slots=True)
class Counted:
    """The parts of a scope that count, for `db.label_queries`."""

    scope: Scope

    def holds(self) -> ColumnElement[bool]:
        return counted(self.scope)


@dataclass(frozen=True, slots=True)
class Escapes:
    """The estimate from the audit, and the parts that were found."""

    estimate: EscapeEstimate
    found: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """A part with what the machine said of it and what was last said by a person."""

    part_id: UUID
    outcome: Outcome
    said: str | None
    """The class that the verdict names."""
    defect_probability: float | None
    label: str
    is_defect: bool


@dataclass(frozen=True, slots=True)
class Overkill:
    """Rejects that persons called good, of those that they labelled. Nobody knows of the others."""

    rate: Rate | None
    rejects: int
    good: tuple[UUID, ...]


def escapes(connection: Connection, scope: Scope) -> Escapes:
    """Estimate how many of the passed parts are defective.

    Raises:
        UndefinedFigure: nothing passed that could be drawn, or no drawn part has a blind label.
    """
    strata, found = audited_strata(connection, Counted(scope))
    return Escapes(estimate_escapes(strata), tuple(one.part_id for one in found))


def truths(connection: Connection, scope: Scope) -> tuple[Truth, ...]:
    """Every labelled part of the scope, with the last label that its author did not supersede."""
    parts = INSPECTIONS.c
    columns = (parts.outcome, parts.label.label("said"), parts.defect_probability)
    query = (
        select(LABELS.c.label_id, LABELS.c.supersedes, LABELS.c.part_id, LABELS.c.label, LABELS.c.is_defect, *columns)
        .join(INSPECTIONS, parts.part_id == LABELS.c.part_id)
        .where(judged(scope))
        .order_by(LABELS.c.at, LABELS.c.label_id)
    )
    last = {row.part_id: row for row in current(connection.execute(query))}
    return tuple(
        Truth(row.part_id, Outcome(row.outcome), row.said, row.defect_probability, row.label, row.is_defect)
        for row in last.values()
    )


def overkill(connection: Connection, scope: Scope, known: tuple[Truth, ...], label: str | None = None) -> Overkill:
    """Count rejects, of `label` where one is named, that `known` labels call good."""
    query = select(func.count()).select_from(INSPECTIONS)
    query = query.where(judged(scope), INSPECTIONS.c.outcome == Outcome.REJECT.value)
    query = query if label is None else query.where(INSPECTIONS.c.label == label)
    mine = [one for one in known if one.outcome is Outcome.REJECT and label in (None, one.said)]
    good = tuple(one.part_id for one in mine if not one.is_defect)
    rejects = connection.execute(query).scalar_one()
    return Overkill(Rate(len(good), len(mine)) if mine else None, rejects, good)
