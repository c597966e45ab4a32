"""Which parts a question is about, and which of them count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, select, true

from db.tables import INSPECTIONS, IS_PRODUCTION


@dataclass(frozen=True, slots=True)
class Scope:
    """Parts triggered from `since` on and before `until`, of a station, a recipe, a lot, a bundle; None: all."""

    since: datetime | None = None
    until: datetime | None = None
    station: str | None = None
    recipe: str | None = None
    lot: str | None = None
    simulated: bool = False
    """Count rendered parts too: a demonstration has no others. Parts of known truth never count."""
    bundle_id: str | None = None

    def between(self, since: datetime, until: datetime) -> Scope:
        return replace(self, since=since, until=until)


def counted(scope: Scope) -> ColumnElement[bool]:
    """Parts of the scope that count as production. Every figure asks this and nothing else which parts count."""
    made = true() if scope.simulated else INSPECTIONS.c.simulated.is_(False)
    return and_(chosen(scope), IS_PRODUCTION, made)


def judged(scope: Scope) -> ColumnElement[bool]:
    """Parts that count and have their outcome."""
    return and_(counted(scope), INSPECTIONS.c.outcome.is_not(None))


def chosen(scope: Scope) -> ColumnElement[bool]:
    """Parts of the scope, whether they count or not."""
    parts = INSPECTIONS.c
    holds: list[ColumnElement[bool]] = [true()]
    if scope.since is not None:
        holds.append(parts.triggered_at >= scope.since)
    if scope.until is not None:
        holds.append(parts.triggered_at < scope.until)
    asked = (scope.station, scope.recipe, scope.lot, scope.bundle_id)
    columns = (parts.station, parts.recipe, parts.lot, parts.bundle_id)
    named = zip(columns, asked, strict=True)
    return and_(*holds, *(column == name for column, name in named if name is not None))


def open_parts(connection: Connection, scope: Scope) -> int:
    """How many parts that count wait for their outcome."""
    return _count(connection, and_(counted(scope), INSPECTIONS.c.outcome.is_(None)))


def left_out(connection: Connection, scope: Scope) -> int:
    """How many parts of the scope do not count."""
    return _count(connection, and_(chosen(scope), ~counted(scope)))


def _count(connection: Connection, holds: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(INSPECTIONS).where(holds)).scalar_one()
