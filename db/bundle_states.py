"""What became of a bundle: candidate, approved, in shadow, serving, retired or refused, and who said so."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, exists, func, insert, select

from db.audit_log import Change, record_change
from db.plant_tables import BUNDLE_STATES
from db.records import utc_now
from db.tables import BUNDLES
from inspector.errors import BundleError


class BundleState(StrEnum):
    """A bundle that was never given a state has none."""

    CANDIDATE = "CANDIDATE"
    APPROVED = "APPROVED"
    SHADOW = "SHADOW"
    SERVING = "SERVING"
    RETIRED = "RETIRED"
    REFUSED = "REFUSED"


NEXT = {
    None: {BundleState.CANDIDATE, BundleState.REFUSED, BundleState.SERVING},
    BundleState.CANDIDATE: {BundleState.APPROVED, BundleState.REFUSED},
    BundleState.APPROVED: {BundleState.SHADOW, BundleState.SERVING, BundleState.REFUSED, BundleState.RETIRED},
    BundleState.SHADOW: {BundleState.SERVING, BundleState.REFUSED, BundleState.RETIRED, BundleState.APPROVED},
    BundleState.SERVING: {BundleState.RETIRED, BundleState.APPROVED},
    BundleState.RETIRED: {BundleState.SERVING, BundleState.APPROVED},
    BundleState.REFUSED: {BundleState.CANDIDATE},
}
"""A bundle without a state may serve at once: so the first one of a plant begins."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A state that somebody gives to a bundle; `station` None: everywhere."""

    bundle_id: str
    state: BundleState
    person: str
    reason: str
    station: str | None = None
    at: datetime = field(default_factory=utc_now)


def set_state(connection: Connection, change: StateChange) -> None:
    """Write the state and its row in the audit log.

    Raises:
        BundleError: no such bundle, no reason, or a step that leaves one out.
    """
    subject = f"bundle {change.bundle_id[:16]}"
    if not change.reason.strip():
        raise BundleError(f"{subject}: expected a reason for {change.state}")
    if not connection.execute(select(exists().where(BUNDLES.c.bundle_id == change.bundle_id))).scalar():
        raise BundleError(f"{subject}: no such bundle in the database")
    before = state_of(connection, change.bundle_id, change.station)
    if change.state not in NEXT[before]:
        allowed = ", ".join(sorted(NEXT[before]))
        raise BundleError(f"{subject}: {before or 'without a state'}; expected {allowed}, got {change.state}")
    old = None if before is None else {"state": before.value, "station": change.station}
    new = {"state": change.state.value, "station": change.station}
    log = Change(change.person, "bundle state", f"bundle {change.bundle_id}", change.reason, old, new, change.at)
    names = ("bundle_id", "station", "at", "person", "reason")
    row = {name: getattr(change, name) for name in names} | {"state": change.state.value}
    connection.execute(insert(BUNDLE_STATES), row | {"audit_sequence": record_change(connection, log)})


def state_of(connection: Connection, bundle_id: str, station: str | None = None) -> BundleState | None:
    """The newest state, at the station where that has one of its own; None where nobody gave one."""
    mine = BUNDLE_STATES.c.bundle_id == bundle_id
    here = (
        BUNDLE_STATES.c.station.is_(None)
        if station is None
        else func.coalesce(BUNDLE_STATES.c.station, station) == station
    )
    query = select(BUNDLE_STATES.c.state).where(mine, here).order_by(BUNDLE_STATES.c.audit_sequence.desc()).limit(1)
    found = connection.execute(query).scalar()
    return None if found is None else BundleState(found)


def serving(connection: Connection, station: str) -> str | None:
    """The bundle that should serve at a station: the newest that was made to, unless it was taken back since."""
    here = func.coalesce(BUNDLE_STATES.c.station, station) == station
    query = (
        select(BUNDLE_STATES.c.bundle_id)
        .where(here, BUNDLE_STATES.c.state == BundleState.SERVING.value)
        .order_by(BUNDLE_STATES.c.audit_sequence.desc())
    )
    for bundle_id in connection.execute(query).scalars():
        if state_of(connection, bundle_id, station) is BundleState.SERVING:
            return str(bundle_id)
    return None
