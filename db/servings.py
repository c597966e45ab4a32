"""What a station serves, and what it served before: one row for each run, so that a rollback outlives a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, insert, select

from db.order_tables import SERVINGS
from db.orders import OrderState, OrderStep, write_step
from db.records import Run
from db.tables import BUNDLES, RUNS

LEAST_DIGITS = 16
"""By so many digits of its id a bundle is named without doubt."""


@dataclass(frozen=True, slots=True)
class Served:
    """Where the bundle of a run lies, and which order made it serve; None: the configuration."""

    bundle_path: Path
    order: int | None = None


@dataclass(frozen=True, slots=True)
class Serving:
    """A bundle under a recipe, as a run served it."""

    run_id: UUID
    bundle_id: str
    recipe: str
    recipe_revision: str
    served: Served
    made_at: datetime | None = None
    """When the bundle was made; None where its manifest does not say."""


def write_serving(connection: Connection, run: Run, served: Served) -> None:
    """Write what a run serves; the order that wanted it is done in the same transaction."""
    row = {"run_id": run.run_id, "bundle_path": str(served.bundle_path), "order_number": served.order}
    connection.execute(insert(SERVINGS), row)
    if served.order is not None:
        actual = f"bundle {run.bundle_id} under recipe {run.recipe}, revision {run.recipe_revision}"
        write_step(connection, OrderStep(served.order, OrderState.DONE, actual, run.started_at))


def last_serving(connection: Connection, station: str) -> Serving | None:
    """What a station served last, or serves; None where it never ran."""
    found = connection.execute(_newest(station).limit(1)).first()
    return None if found is None else _serving(found)


def former_serving(connection: Connection, station: str) -> Serving | None:
    """What a station served before that: the last bundle or recipe that was another one; None where there was none."""
    newest: Serving | None = None
    for row in connection.execute(_newest(station)):
        serving = _serving(row)
        newest = newest or serving
        if (serving.bundle_id, serving.recipe) != (newest.bundle_id, newest.recipe):
            return serving
    return None


def served_by(connection: Connection, station: str, bundle_id: str) -> Serving | None:
    """Return how a bundle, named by 16 or more digits of its id, served last; None where it never did."""
    rows = connection.execute(_newest(station))
    named = (row for row in rows if len(bundle_id) >= LEAST_DIGITS and row.bundle_id.startswith(bundle_id))
    found = next(named, None)
    return None if found is None else _serving(found)


def _newest(station: str) -> Select[Any]:
    names = ("run_id", "bundle_id", "recipe", "recipe_revision")
    columns = [*(RUNS.c[name] for name in names), BUNDLES.c.manifest]
    joined = SERVINGS.join(RUNS, RUNS.c.run_id == SERVINGS.c.run_id)
    joined = joined.join(BUNDLES, BUNDLES.c.bundle_id == RUNS.c.bundle_id)
    query = select(*columns, SERVINGS.c.bundle_path, SERVINGS.c.order_number).select_from(joined)
    return query.where(RUNS.c.station == station).order_by(SERVINGS.c.number.desc())


def _serving(row: Row[Any]) -> Serving:
    served = Served(Path(row.bundle_path), row.order_number)
    made_at = _made_at(row.manifest)
    return Serving(row.run_id, row.bundle_id, row.recipe, row.recipe_revision, served, made_at)


def _made_at(manifest: Mapping[str, Any]) -> datetime | None:
    said = manifest.get("lineage", {}).get("created_at")
    return None if said is None else datetime.fromisoformat(said)
