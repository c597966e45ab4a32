"""What served at a station, from when to when, by which order, and who had approved it: put together, never stored.

Runs say what served; at the station itself, `servings` and `orders` say which order it was by. The plant has the runs,
and who approved a bundle; orders stay at the station. What is wanted and not yet so is in `db.orders.unsettled`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby, zip_longest
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, func, select

from db.bundle_states import BundleState
from db.order_tables import ORDERS, SERVINGS
from db.plant_tables import BUNDLE_STATES
from db.tables import RUNS


class DeploymentState(StrEnum):
    """What became of it."""

    SERVING = "SERVING"
    ENDED = "ENDED"
    """The station stopped with it, and nothing else served since."""
    SUPERSEDED = "SUPERSEDED"


@dataclass(frozen=True, slots=True)
class Approval:
    """Who let a bundle go to stations."""

    person: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GivenBy:
    """The order by which it came to serve."""

    number: int
    person: str
    reason: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """A bundle under a recipe at a station, over all runs that followed each other with it."""

    station: str
    bundle_id: str
    recipe: str
    recipe_revision: str
    since: datetime
    until: datetime | None
    """When something else took over, or the station stopped; None while it serves."""
    state: DeploymentState
    order: GivenBy | None
    """None: the station's configuration, or not known here."""
    approval: Approval | None
    """The newest one of before it began; None: nobody approved it."""
    superseded_by: str | None
    """The bundle that serves in its place; the same one where only the recipe changed."""
    first_run: UUID


def deployments(connection: Connection, station: str) -> list[Deployment]:
    """Every deployment of a station, oldest first."""
    rows = connection.execute(_runs(station)).all()
    approvals = _approvals(connection, station)
    stretches = [list(runs) for _, runs in groupby(rows, key=_what)]
    following = [stretch[0] for stretch in stretches[1:]]
    return [_deployment(runs, after, approvals) for runs, after in zip_longest(stretches, following)]


def _what(run: Row[Any]) -> tuple[str, str, str]:
    return run.bundle_id, run.recipe, run.recipe_revision


def _runs(station: str) -> Select[Any]:
    names = ("run_id", "station", "bundle_id", "recipe", "recipe_revision", "started_at", "ended_at")
    ordered = [ORDERS.c.number, ORDERS.c.person, ORDERS.c.reason]
    joined = RUNS.outerjoin(SERVINGS, SERVINGS.c.run_id == RUNS.c.run_id)
    joined = joined.outerjoin(ORDERS, ORDERS.c.number == SERVINGS.c.order_number)
    query = select(*[RUNS.c[name] for name in names], *ordered).select_from(joined)
    return query.where(RUNS.c.station == station).order_by(RUNS.c.started_at, RUNS.c.run_id)


def _approvals(connection: Connection, station: str) -> list[Row[Any]]:
    """Newest first; those of everywhere, and of the station."""
    here = func.coalesce(BUNDLE_STATES.c.station, station) == station
    query = select(BUNDLE_STATES).where(here, BUNDLE_STATES.c.state == BundleState.APPROVED.value)
    return list(connection.execute(query.order_by(BUNDLE_STATES.c.audit_sequence.desc())))


def _deployment(runs: Sequence[Row[Any]], after: Row[Any] | None, approvals: Sequence[Row[Any]]) -> Deployment:
    first, last = runs[0], runs[-1]
    until = last.ended_at if after is None else after.started_at
    ended = DeploymentState.SERVING if last.ended_at is None else DeploymentState.ENDED
    return Deployment(
        station=first.station,
        bundle_id=first.bundle_id,
        recipe=first.recipe,
        recipe_revision=first.recipe_revision,
        since=first.started_at,
        until=until,
        state=ended if after is None else DeploymentState.SUPERSEDED,
        order=None if first.number is None else GivenBy(first.number, first.person, first.reason),
        approval=next(_of_bundle(first, approvals), None),
        superseded_by=None if after is None else after.bundle_id,
        first_run=first.run_id,
    )


def _of_bundle(run: Row[Any], approvals: Sequence[Row[Any]]) -> Iterator[Approval]:
    for row in approvals:
        if row.bundle_id == run.bundle_id and row.at <= run.started_at:
            yield Approval(row.person, row.reason, row.at)
