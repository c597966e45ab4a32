"""What the models screen asks of the database and of bundles' folders. Everything here runs on a worker's thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection, select

from db.accounts import Account, Permission
from db.audit_log import Change, record_change
from db.bundle_states import BundleState, StateChange, set_state
from db.history.pairing import Compared, Pair, PairedParts, Pairing, paired_parts, pairing
from db.history.shadowing import ShadowProgress, shadow_progress
from db.jobs import Job, JobStatus, cancel, enqueue, jobs
from db.material.manifest import Shares
from db.material.previewing import Preview, preview
from db.orders import Order, OrderKind
from db.queries import part
from db.records import utc_now
from db.servings import former_serving
from db.sessions import Session, touch
from db.tables import BUNDLES, RUNS
from gui.database import Source, reading, writing
from gui.limits import CERTIFIED
from gui.models.papers import Papers, find_bundle, papers
from gui.models.shelf import Shelf, Shelved, shelf
from gui.orders import give_order, order_bundle
from gui.picture import Pyramid, pyramid
from gui.second import Second, agreed
from inspector.bundle import ID_DIGITS
from inspector.errors import AccessRefused, BundleError, DatabaseError, OrderRefused
from inspector.preprocess import decode_image
from inspector.values import InspectionRecord

PROPOSES = (BundleState.CANDIDATE,)
"""States that whoever trains may give; the others are for whoever approves."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person makes of a bundle."""

    bundle_id: str
    state: BundleState
    reason: str
    second: Second | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order that is about a bundle: it serves, goes into the shadow, or makes room for what served before it."""

    station: str
    kind: OrderKind
    bundle: Shelved
    reason: str


@dataclass(frozen=True, slots=True)
class Retraining:
    """A training that a person wants. `minutes` None: no limit."""

    recipe: str
    task: str
    parent: str | None
    minutes: float | None
    seed: int
    reason: str


class ModelsDesk(Protocol):
    """The questions about bundles. What is refused is an InspectorError; AccessRefused: the session is over."""

    def shelf(self) -> Shelf: ...

    def shadows(self) -> tuple[ShadowProgress, ...]: ...

    def papers(self, bundle: Shelved) -> Papers: ...

    def decide(self, session: Session, decision: Decision) -> None: ...

    def order(self, session: Session, wanted: Wanted) -> int: ...


class PairsDesk(Protocol):
    """The questions of a comparison."""

    def pairing(self, compared: Compared) -> Pairing: ...

    def parts(self, counted: Pairing, wanted: Pair | None) -> PairedParts: ...

    def record(self, part_id: UUID) -> InspectionRecord: ...


class TrainingsDesk(Protocol):
    """The questions about trainings."""

    def jobs(self) -> tuple[JobStatus, ...]: ...

    def preview(self, recipe: str) -> Preview: ...

    def recipes(self) -> tuple[str, ...]: ...

    def queue(self, session: Session, wanted: Retraining) -> UUID: ...

    def cancel(self, session: Session, job_id: UUID, reason: str) -> None: ...


class DatabaseModels:
    """All three on a database. `place` is what a second person's session is signed in at."""

    def __init__(self, source: Source, place: str) -> None:
        self._source, self._place = source, place

    # ---- bundles

    def shelf(self) -> Shelf:
        with reading(self._source.engine) as connection:
            return shelf(connection)

    def shadows(self) -> tuple[ShadowProgress, ...]:
        with reading(self._source.engine) as connection:
            return shadow_progress(connection)

    def papers(self, bundle: Shelved) -> Papers:
        return papers(find_bundle(bundle.bundle_id, bundle.path, self._source.bundles))

    def decide(self, session: Session, decision: Decision) -> None:
        second = None if decision.second is None else self._second(session, decision.second)
        with writing(self._source.engine) as connection:
            account = touch(connection, session.token)
            account.require(Permission.MODELS if decision.state in PROPOSES else Permission.APPROVE)
            if second is None and takes_two(decision.state, _is_certified(connection, decision.bundle_id)):
                raise BundleError(
                    f"bundle {decision.bundle_id[:ID_DIGITS]}: its limits are not certified; expected a second person"
                )
            set_state(connection, StateChange(decision.bundle_id, decision.state, account.name, decision.reason))
            if second is not None:
                subject, said = f"bundle {decision.bundle_id}", {"state": decision.state.value, "with": account.name}
                record_change(connection, Change(second, "second person agreed", subject, decision.reason, None, said))

    def order(self, session: Session, wanted: Wanted) -> int:
        if wanted.kind is OrderKind.ROLLBACK:
            with writing(self._source.engine) as connection:
                return _roll_back(connection, touch(connection, session.token), wanted)
        # Before the transaction: to check every byte of a bundle takes time, and a station writes to this file too.
        bundle = find_bundle(wanted.bundle.bundle_id, wanted.bundle.path, self._source.bundles)
        with writing(self._source.engine) as connection:
            account = touch(connection, session.token)
            order = Order(wanted.station, wanted.kind, account.name, wanted.reason, str(bundle.path.resolve()))
            return order_bundle(connection, account, order, bundle.id)

    def _second(self, session: Session, second: Second) -> str:
        try:
            return agreed(self._source, self._place, session.account.name, second)
        except AccessRefused as error:
            raise BundleError(f"second person: {error}") from error

    # ---- comparison

    def pairing(self, compared: Compared) -> Pairing:
        with reading(self._source.engine) as connection:
            return pairing(connection, compared)

    def parts(self, counted: Pairing, wanted: Pair | None) -> PairedParts:
        with reading(self._source.engine) as connection:
            return paired_parts(connection, counted, wanted)

    def record(self, part_id: UUID) -> InspectionRecord:
        with reading(self._source.engine) as connection:
            found = part(connection, part_id)
        if found is None:
            raise DatabaseError(f"part {part_id}: it is not on record any more")
        return found

    def picture(self, sha256: str) -> Pyramid:
        return pyramid(decode_image(self._source.pictures.read(sha256), sha256))

    # ---- trainings

    def jobs(self) -> tuple[JobStatus, ...]:
        with reading(self._source.engine) as connection:
            return tuple(reversed(jobs(connection)))

    def recipes(self) -> tuple[str, ...]:
        query = select(RUNS.c.recipe).distinct().order_by(RUNS.c.recipe)
        with reading(self._source.engine) as connection:
            return tuple(connection.execute(query).scalars())

    def preview(self, recipe: str) -> Preview:
        with reading(self._source.engine) as connection:
            return preview(connection, recipe, utc_now(), Shares())

    def queue(self, session: Session, wanted: Retraining) -> UUID:
        settings = {"task": wanted.task, "seed": wanted.seed, "minutes": wanted.minutes}
        with writing(self._source.engine) as connection:
            account = touch(connection, session.token)
            account.require(Permission.MODELS)
            job = Job(wanted.recipe, account.name, wanted.reason, settings, parent_bundle_id=wanted.parent)
            return enqueue(connection, job)

    def cancel(self, session: Session, job_id: UUID, reason: str) -> None:
        with writing(self._source.engine) as connection:
            account = touch(connection, session.token)
            account.require(Permission.MODELS)
            cancel(connection, job_id, account.name, reason, utc_now())


def takes_two(state: BundleState, certified: bool) -> bool:
    """Whether a state takes a second person: a bundle is approved whose limits nothing proves."""
    return state is BundleState.APPROVED and not certified


def _is_certified(connection: Connection, bundle_id: str) -> bool:
    manifest = connection.execute(select(BUNDLES.c.manifest).where(BUNDLES.c.bundle_id == bundle_id)).scalar() or {}
    return str((manifest.get("limits") or {}).get("origin", "")).startswith(CERTIFIED)


def _roll_back(connection: Connection, account: Account, wanted: Wanted) -> int:
    """Order it, unless the station has nothing to go back to: it would refuse, but later."""
    if former_serving(connection, wanted.station) is None:
        raise OrderRefused(f"rollback: nothing else has served at {wanted.station} as far as this database knows")
    return give_order(connection, account, Order(wanted.station, wanted.kind, account.name, wanted.reason))
