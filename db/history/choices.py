"""What there is to choose from: the names by which figures can be narrowed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection, func, select

from db.history.scope import Scope, judged
from db.tables import BUNDLES, INSPECTIONS, RECIPES, RUNS, STATIONS

LOTS = 100
LOOKED_AT = 10_000
"""Lots are those of so many of the newest parts: of all parts they would be long gone, and long to look for."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Stations, recipes and classes by name, bundles and lots the newest first; of lots at most `LOTS`."""

    stations: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    lots: tuple[str, ...] = ()
    bundles: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


def choices(connection: Connection, scope: Scope) -> Choices:
    """Names on record; lots are those of the scope, whichever of them it names."""
    parts, scope = INSPECTIONS.c, replace(scope, lot=None)
    looked_at = select(parts.lot, parts.triggered_at).where(judged(scope)).order_by(parts.triggered_at.desc())
    found = looked_at.limit(LOOKED_AT).subquery()
    newest = func.max(found.c.triggered_at).desc()
    lots = select(found.c.lot).where(found.c.lot.is_not(None)).group_by(found.c.lot).order_by(newest)
    served = select(RUNS.c.bundle_id).group_by(RUNS.c.bundle_id).order_by(func.max(RUNS.c.started_at).desc())
    classes = connection.execute(select(BUNDLES.c.classes)).scalars()
    return Choices(
        stations=tuple(connection.execute(select(STATIONS.c.name).order_by(STATIONS.c.name)).scalars()),
        recipes=tuple(connection.execute(select(RECIPES.c.name).distinct().order_by(RECIPES.c.name)).scalars()),
        lots=tuple(lot for lot in connection.execute(lots.limit(LOTS)).scalars() if lot is not None),
        bundles=tuple(connection.execute(served).scalars()),
        labels=tuple(sorted({name for one in classes for name in one})),
    )
