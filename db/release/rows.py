"""Releases and their steps: written once, with their rows in the audit log and the states of their bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, insert, select
from sqlalchemy.exc import IntegrityError

from db.accounts import Permission, all_accounts
from db.audit_log import Change, record_change
from db.bundle_states import BundleState, StateChange, set_state, state_of
from db.entries import insert_new
from db.plant_tables import BUNDLE_STATES
from db.records import utc_now
from db.release_tables import RELEASE_STEPS, RELEASES
from db.tables import STATIONS
from inspector.errors import ReleaseRefused
from inspector.ids import new_id
from inspector.release.chain import BY_ITSELF, Move, StepKind, Taken, is_over
from inspector.release.settings import ReleaseSettings

_READY = (BundleState.CANDIDATE, BundleState.APPROVED)


@dataclass(frozen=True, slots=True)
class Release:
    """A bundle that is to reach the line."""

    bundle_id: str
    bundle_path: str
    recipe: str
    settings: ReleaseSettings
    person: str
    reason: str
    at: datetime = field(default_factory=utc_now)
    release_id: UUID = field(default_factory=new_id)

    @property
    def subject(self) -> str:
        """What the audit log calls it."""
        return f"release {self.release_id}"


def begin(connection: Connection, release: Release) -> UUID:
    """Write a release; raise ReleaseRefused for a bundle that is no candidate, or a station that has an open one."""
    if not release.reason.strip():
        raise ReleaseRefused(f"release of bundle {release.bundle_id[:16]}: expected a reason")
    state = state_of(connection, release.bundle_id)
    if state not in _READY:
        named = f"bundle {release.bundle_id[:16]} is {state or 'without a state'}"
        raise ReleaseRefused(f"{named}; expected {' or '.join(_READY)}, as the gate makes it")
    _require_free(connection, release)
    new = {"bundle_id": release.bundle_id, "stations": [each.name for each in release.settings.station]}
    change = Change(release.person, "release begun", release.subject, release.reason, None, new, release.at)
    names = ("release_id", "bundle_id", "bundle_path", "recipe", "person", "reason", "at")
    row = {name: getattr(release, name) for name in names} | {"settings": release.settings.model_dump(mode="json")}
    for each in release.settings.station:  # one that forwards nothing here is known by its name all the same
        connection.execute(insert_new(connection, STATIONS), {"name": each.name})
    connection.execute(insert(RELEASES), row | {"audit_sequence": record_change(connection, change)})
    return release.release_id


def _require_free(connection: Connection, release: Release) -> None:
    mine = {each.name for each in release.settings.station}
    for other in open_releases(connection):
        shared = sorted(mine & {each.name for each in other.settings.station})
        if shared:
            raise ReleaseRefused(f"station {shared[0]}: {other.subject} is under way there; expected it to end first")


def releases(connection: Connection) -> list[Release]:
    """Every release, oldest first."""
    return _read(connection, RELEASES.c.release_id.is_not(None))


def open_releases(connection: Connection) -> list[Release]:
    """Those for which something is still to come, oldest first."""
    return [each for each in releases(connection) if not is_over(steps_of(connection, each.release_id))]


def find_release(connection: Connection, named: str) -> Release:
    """Return the release whose id begins so; raise ReleaseRefused where none does, or several do."""
    found = [each for each in releases(connection) if str(each.release_id).startswith(named.lower())]
    if len(found) != 1:
        raise ReleaseRefused(f"release {named!r}: {len(found)} have an id that begins so; expected one")
    return found[0]


def steps_of(connection: Connection, release_id: UUID) -> list[Taken]:
    """What was done, in order."""
    return [taken for taken, _ in dated_steps(connection, release_id)]


def dated_steps(connection: Connection, release_id: UUID) -> list[tuple[Taken, datetime]]:
    """What was done and when, in order."""
    query = select(RELEASE_STEPS).where(RELEASE_STEPS.c.release_id == release_id).order_by(RELEASE_STEPS.c.number)
    return [(_taken(row), row.at) for row in connection.execute(query)]


def take(connection: Connection, release: Release, move: Move, number: int, before: str | None = None) -> bool:
    """Write a step under its number, with all that goes with it; False where somebody has taken that number already.

    Within the caller's transaction, which is as it was where False is returned.
    """
    new = {"step": number, "kind": move.kind.value, "station": move.station, "before": before}
    change = Change(move.person, f"release: {move.kind}", release.subject, move.reason, None, new)
    row = {"release_id": release.release_id, "number": number, "kind": move.kind.value, "station": move.station}
    row |= {"before": before, "person": move.person, "reason": move.reason, "at": change.at}
    try:
        with connection.begin_nested():
            connection.execute(insert(RELEASE_STEPS), row | {"audit_sequence": record_change(connection, change)})
    except IntegrityError:
        if len(steps_of(connection, release.release_id)) < number:
            raise
        return False
    _give_state(connection, release, move)
    return True


def approvers(connection: Connection, release: Release) -> frozenset[str]:
    """Who has approved the bundle: by a step, or by its state, which a screen may have given."""
    stated = select(BUNDLE_STATES.c.person).where(
        BUNDLE_STATES.c.bundle_id == release.bundle_id, BUNDLE_STATES.c.state == BundleState.APPROVED.value
    )
    stepped = select(RELEASE_STEPS.c.person).where(
        RELEASE_STEPS.c.release_id == release.release_id, RELEASE_STEPS.c.kind == StepKind.APPROVE.value
    )
    return frozenset([*connection.scalars(stated), *connection.scalars(stepped)])


def approve(connection: Connection, release: Release, person: str, reason: str) -> int:
    """Write that a person approves, and return how many have; with the last that is needed the bundle is APPROVED.

    Raises:
        ReleaseRefused: no reason, a second time, a release that has gone on, or an account that may not.
    """
    if not person.strip() or not reason.strip():
        raise ReleaseRefused(f"{release.subject}: expected who approves, and why")
    steps = steps_of(connection, release.release_id)
    if any(step.move.kind is not StepKind.APPROVE for step in steps):
        raise ReleaseRefused(f"{release.subject}: it has gone on; expected one that waits for approval")
    if person in approvers(connection, release):
        raise ReleaseRefused(f"{release.subject}: {person} has approved it; expected another person")
    _require_may_approve(connection, person)
    if not take(connection, release, Move(StepKind.APPROVE, reason, person=person), len(steps) + 1):
        raise ReleaseRefused(
            f"{release.subject}: somebody else approved at the same moment; expected one after the other"
        )
    count = len(approvers(connection, release))
    if count >= release.settings.approvals and state_of(connection, release.bundle_id) is BundleState.CANDIDATE:
        set_state(connection, StateChange(release.bundle_id, BundleState.APPROVED, person, reason))
    return count


def _require_may_approve(connection: Connection, person: str) -> None:
    """Where the database has accounts, only one with the right may approve."""
    accounts = all_accounts(connection)
    if not accounts:
        return
    account = next((each for each in accounts if each.name == person), None)
    if account is None or not account.may(Permission.APPROVE):
        raise ReleaseRefused(f"{person}: expected an account that may {Permission.APPROVE}")


def _give_state(connection: Connection, release: Release, move: Move) -> None:
    """What the step makes of the bundle, at its station or everywhere."""
    gone = BundleState.REFUSED if move.person == BY_ITSELF else BundleState.RETIRED
    states = {
        StepKind.SHADOW: (BundleState.SHADOW, move.station),
        StepKind.SERVE: (BundleState.SERVING, move.station),
        StepKind.RELEASED: (BundleState.SERVING, None),
        StepKind.REFUSED: (BundleState.REFUSED, None),
        StepKind.WENT_BACK: (gone, None),
    }
    if move.kind not in states:
        return
    state, station = states[move.kind]
    if state_of(connection, release.bundle_id, station) is not state:
        set_state(connection, StateChange(release.bundle_id, state, move.person, move.reason, station))


def _read(connection: Connection, chosen: ColumnElement[bool]) -> list[Release]:
    query = select(RELEASES).where(chosen).order_by(RELEASES.c.audit_sequence)
    return [_release(row) for row in connection.execute(query)]


def _release(row: Row[Any]) -> Release:
    names = ("bundle_id", "bundle_path", "recipe", "person", "reason", "at", "release_id")
    settings = ReleaseSettings.model_validate(row.settings)
    return Release(**{name: row._mapping[name] for name in names}, settings=settings)


def _taken(row: Row[Any]) -> Taken:
    return Taken(row.number, Move(StepKind(row.kind), row.reason, row.station, row.person), row.before)
