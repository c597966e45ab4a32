"""Bundles, without a screen: which is looked at, what is made of it, and what a station is ordered to do with it.

looking --decide, order--> busy --done--> looking, which shows what came of it
                             `--refused--> looking, with the reason as it was typed
"""

from __future__ import annotations

from collections.abc import Callable

from db.accounts import Permission
from db.bundle_states import NEXT, BundleState
from db.history.shadowing import ShadowProgress
from db.orders import OrderKind
from db.sessions import Session
from gui.models.desk import PROPOSES, Decision, ModelsDesk, Wanted, takes_two
from gui.models.papers import Papers
from gui.models.shelf import Place, Shelf, Shelved
from gui.second import Second
from gui.worker import Ask
from inspector.errors import AccessRefused, InspectorError

GIVEN_HERE = (BundleState.CANDIDATE, BundleState.APPROVED, BundleState.REFUSED, BundleState.RETIRED)
"""States that a person gives; the others are what stations do."""
ORDERED_HERE = (OrderKind.SHADOW, OrderKind.BUNDLE, OrderKind.ROLLBACK)


class BundlesController:
    """`changed` is called on the GUI thread after every change; `refused` hears that a session is over."""

    def __init__(
        self, desk: ModelsDesk, ask: Ask, changed: Callable[[], None], refused: Callable[[InspectorError], None]
    ) -> None:
        self._desk, self._ask, self._changed, self._refused = desk, ask, changed, refused
        self._reading = False
        self.session: Session | None = None
        self.shelf: Shelf | None = None
        self.shadows: tuple[ShadowProgress, ...] = ()
        self.chosen: str | None = None
        self.station: str | None = None
        self.papers: Papers | None = None
        self.papers_error = ""
        self.reason = ""
        self.busy = False
        self.error = ""
        self.done: BundleState | OrderKind | None = None
        """What was said or ordered last, until something else is done."""

    # ---- what is known

    @property
    def bundle(self) -> Shelved | None:
        bundles = () if self.shelf is None else self.shelf.bundles
        return next((each for each in bundles if each.bundle_id == self.chosen), None)

    @property
    def place(self) -> Place | None:
        places = () if self.shelf is None else self.shelf.places
        return next((each for each in places if each.station == self.station), None)

    @property
    def shadowed(self) -> tuple[ShadowProgress, ...]:
        """Of the bundle that is looked at."""
        return tuple(each for each in self.shadows if each.bundle_id == self.chosen)

    def may_give(self, state: BundleState) -> bool:
        """Whether this person may, and the bundle can be given it now."""
        permission = Permission.MODELS if state in PROPOSES else Permission.APPROVE
        bundle = self.bundle
        return bundle is not None and self._may(permission) and state in NEXT[bundle.state]

    def may_order(self, kind: OrderKind) -> bool:
        bundle, place = self.bundle, self.place
        if bundle is None or place is None or not place.reads_orders or not self._may(Permission.ORDER):
            return False
        if kind is OrderKind.ROLLBACK:
            return place.former is not None and place.station in bundle.serves_at
        approved = bundle.state_at(place.station) in (BundleState.APPROVED, BundleState.SHADOW, BundleState.SERVING)
        return approved and place.station not in bundle.serves_at

    @property
    def needs_second(self) -> bool:
        """Whether an approval of this bundle takes another person."""
        bundle, approved = self.bundle, BundleState.APPROVED
        return bundle is not None and self.may_give(approved) and takes_two(approved, bundle.is_certified)

    # ---- what a person does

    def begin(self, session: Session) -> None:
        if self.session is not None and self.session.account.name != session.account.name:
            self.end()
        self.session = session
        self._changed()

    def end(self) -> None:
        """Nobody is there: what was typed goes with the person."""
        self.session, self.reason, self.done, self.error = None, "", None, ""
        self._changed()

    def refresh(self) -> None:
        """Read everything again; what is chosen stays chosen."""
        self.error = ""
        if self.papers_error:
            self._open()
        self.poll()
        self._ask("shadows", self._desk.shadows, self._shadowed, self._failed)

    def poll(self) -> None:
        """Read bundles, states and orders again, unless they are being read."""
        if not self._reading:
            self._reading = True
            self._ask("shelf", self._desk.shelf, self._read, self._unread)

    def choose(self, bundle_id: str) -> None:
        if bundle_id == self.chosen:
            return
        self.chosen, self.done, self.error = bundle_id, None, ""
        self._open()
        self._changed()

    def at(self, station: str) -> None:
        """Choose the station that orders are for."""
        self.station = station
        self._changed()

    def say(self, reason: str) -> None:
        """Every change here asks for one."""
        self.reason = reason
        self._changed()

    def decide(self, state: BundleState, second: Second | None = None) -> None:
        session, bundle = self.session, self.bundle
        if session is None or bundle is None or self.busy or not self.may_give(state):
            return
        second = second if takes_two(state, bundle.is_certified) else None
        decision = Decision(bundle.bundle_id, state, self.reason, second)
        self._begin_change()
        self._ask("decide", lambda: self._desk.decide(session, decision), lambda _: self._did(state), self._failed)

    def order(self, kind: OrderKind) -> None:
        session, bundle, station = self.session, self.bundle, self.station
        if session is None or bundle is None or station is None or self.busy or not self.may_order(kind):
            return
        wanted = Wanted(station, kind, bundle, self.reason)
        self._begin_change()
        self._ask("bundle order", lambda: self._desk.order(session, wanted), lambda _: self._did(kind), self._failed)

    # ---- what comes back

    def _may(self, permission: Permission) -> bool:
        return self.session is not None and self.session.account.may(permission)

    def _begin_change(self) -> None:
        self.busy, self.error, self.done = True, "", None
        self._changed()

    def _did(self, what: BundleState | OrderKind) -> None:
        self.busy, self.done, self.reason = False, what, ""
        self._changed()
        self.poll()

    def _read(self, shelf: Shelf) -> None:
        self._reading, self.shelf = False, shelf
        if self.place is None:
            self.station = shelf.places[0].station if shelf.places else None
        if self.bundle is None:
            serving = [each for each in shelf.bundles if each.serves_at]
            first = next(iter(serving or shelf.bundles), None)
            self.chosen = None if first is None else first.bundle_id
            self._open()
        self._changed()

    def _open(self) -> None:
        """Read the papers of the bundle that is looked at."""
        bundle, self.papers, self.papers_error = self.bundle, None, ""
        if bundle is not None:
            self._ask("papers", lambda: self._desk.papers(bundle), self._opened, self._closed)

    def _opened(self, papers: Papers) -> None:
        self.papers = papers
        self._changed()

    def _closed(self, error: InspectorError) -> None:
        self.papers_error = str(error)
        self._changed()

    def _shadowed(self, shadows: tuple[ShadowProgress, ...]) -> None:
        self.shadows = shadows
        self._changed()

    def _unread(self, error: InspectorError) -> None:
        self._reading = False
        self._failed(error)

    def _failed(self, error: InspectorError) -> None:
        self.busy, self.error = False, str(error)
        if isinstance(error, AccessRefused):
            self._refused(error)
        self._changed()
