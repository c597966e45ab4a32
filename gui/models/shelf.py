"""Every bundle of a database: where it comes from, what became of it, and where it serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from db.bundle_states import BundleState
from db.deployments import Deployment, DeploymentState, deployments
from db.orders import GivenOrder, orders
from db.plant_tables import BUNDLE_STATES
from db.servings import former_serving
from db.tables import BUNDLES, STATIONS
from gui.limits import CERTIFIED
from gui.orders import ORDERS_SHOWN, is_ledger_of, served_from


@dataclass(frozen=True, slots=True)
class StateGiven:
    """A state that somebody gave to a bundle; `station` None: everywhere."""

    state: BundleState
    station: str | None
    at: datetime
    person: str
    reason: str


@dataclass(frozen=True, slots=True)
class Shelved:
    """A bundle. What its manifest on record does not say is None or empty."""

    bundle_id: str
    task: str
    classes: tuple[str, ...]
    made_at: datetime | None
    parent: str | None
    proof: str
    """Where its limits come from, in its own words."""
    states: tuple[StateGiven, ...]
    """Newest first."""
    deployments: tuple[Deployment, ...]
    """Newest first."""
    path: Path | None
    """Where its folder lay when it served last."""

    @property
    def state(self) -> BundleState | None:
        """The newest that holds everywhere."""
        return next((given.state for given in self.states if given.station is None), None)

    def state_at(self, station: str) -> BundleState | None:
        """The newest of those that hold everywhere and those that hold there."""
        return next((given.state for given in self.states if given.station in (None, station)), None)

    @property
    def serves_at(self) -> tuple[str, ...]:
        return tuple(each.station for each in self.deployments if each.state is DeploymentState.SERVING)

    @property
    def is_certified(self) -> bool:
        return self.proof.startswith(CERTIFIED)


@dataclass(frozen=True, slots=True)
class Place:
    """A station, as far as bundles go."""

    station: str
    now: Deployment | None
    """The newest; it may have ended."""
    former: str | None
    """The bundle that a rollback brings back; None where there is none, or it is not known here."""
    reads_orders: bool
    """Whether orders in this database reach it."""
    orders: tuple[GivenOrder, ...]
    """Newest first."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Bundles, the newest first, and the stations."""

    bundles: tuple[Shelved, ...]
    places: tuple[Place, ...]


def shelf(connection: Connection) -> Shelf:
    stations = connection.execute(select(STATIONS.c.name).order_by(STATIONS.c.name)).scalars().all()
    told = {station: deployments(connection, station) for station in stations}
    states, paths = _states(connection), served_from(connection)
    bundles = [
        _shelved(row, states.get(row.bundle_id, ()), told, paths.get(row.bundle_id))
        for row in connection.execute(select(BUNDLES))
    ]
    newest = sorted(bundles, key=_age, reverse=True)
    return Shelf(tuple(newest), tuple(_place(connection, station, told[station]) for station in stations))


def _age(bundle: Shelved) -> tuple[float, str]:
    moments = [bundle.made_at, *(each.since for each in bundle.deployments), *(each.at for each in bundle.states)]
    return max((moment.timestamp() for moment in moments if moment is not None), default=0.0), bundle.bundle_id


def _states(connection: Connection) -> Mapping[str, tuple[StateGiven, ...]]:
    found: dict[str, tuple[StateGiven, ...]] = {}
    for row in connection.execute(select(BUNDLE_STATES).order_by(BUNDLE_STATES.c.audit_sequence.desc())):
        given = StateGiven(BundleState(row.state), row.station, row.at, row.person, row.reason)
        found[row.bundle_id] = (*found.get(row.bundle_id, ()), given)
    return found


def _shelved(
    row: Any, states: tuple[StateGiven, ...], told: Mapping[str, list[Deployment]], path: Path | None
) -> Shelved:
    lineage, limits = row.manifest.get("lineage") or {}, row.manifest.get("limits") or {}
    said = lineage.get("created_at")
    mine = [each for station in told.values() for each in station if each.bundle_id == row.bundle_id]
    return Shelved(
        bundle_id=row.bundle_id,
        task=row.task,
        classes=tuple(row.classes),
        made_at=None if said is None else datetime.fromisoformat(said),
        parent=lineage.get("parent"),
        proof=str(limits.get("origin", "")),
        states=states,
        deployments=tuple(sorted(mine, key=lambda each: each.since, reverse=True)),
        path=path,
    )


def _place(connection: Connection, station: str, told: list[Deployment]) -> Place:
    former = former_serving(connection, station)
    given = orders(connection, station)[-ORDERS_SHOWN:]
    return Place(
        station=station,
        now=told[-1] if told else None,
        former=None if former is None else former.bundle_id,
        reads_orders=is_ledger_of(connection, station),
        orders=tuple(reversed(given)),
    )
