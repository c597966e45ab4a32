"""The parts behind a figure: what a click on a point of a chart lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, func, select

from db.history.scope import Scope, judged
from db.tables import INSPECTIONS
from inspector.values import Outcome

MOST = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """Parts of a scope; each further field narrows it. `parts`: these and no others."""

    scope: Scope = field(default_factory=Scope)
    outcomes: tuple[Outcome, ...] = ()
    label: str | None = None
    slower_than_ms: float | None = None
    parts: tuple[UUID, ...] | None = None

    def holds(self) -> tuple[ColumnElement[bool], ...]:
        columns, holds = INSPECTIONS.c, [judged(self.scope)]
        if self.outcomes:
            holds.append(columns.outcome.in_([outcome.value for outcome in self.outcomes]))
        if self.label is not None:
            holds.append(columns.label == self.label)
        if self.slower_than_ms is not None:
            holds.append(columns.latency_ms >= self.slower_than_ms)
        if self.parts is not None:
            holds.append(columns.part_id.in_(self.parts[:MOST]))
        return tuple(holds)


@dataclass(frozen=True, slots=True)
class Listed:
    """A part in a list."""

    part_id: UUID
    trigger: int
    station: str
    triggered_at: datetime
    outcome: Outcome
    label: str | None
    defect_probability: float | None


@dataclass(frozen=True, slots=True)
class Listing:
    """The newest parts, at most `MOST`, and how many there are."""

    parts: tuple[Listed, ...]
    of: int


def listing(connection: Connection, wanted: Wanted) -> Listing:
    """List the newest parts that are wanted; of parts that were named, `of` is how many were."""
    columns = INSPECTIONS.c
    names = ("part_id", "trigger", "station", "triggered_at", "outcome", "label", "defect_probability")
    query: Select[tuple[object, ...]] = select(*(columns[name] for name in names)).where(*wanted.holds())
    rows = connection.execute(query.order_by(columns.triggered_at.desc()).limit(MOST)).mappings()
    parts = tuple(Listed(**{**row, "outcome": Outcome(row["outcome"])}) for row in rows)
    if wanted.parts is not None:
        return Listing(parts, len(wanted.parts))
    count = connection.execute(select(func.count()).select_from(INSPECTIONS).where(*wanted.holds())).scalar_one()
    return Listing(parts, count)
