"""Stations, without a screen: which one is looked at, what it reported, who has seen that, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from db.accounts import Permission
from db.orders import OrderKind
from db.records import utc_now
from db.sessions import Session
from gui.live.stream import Heard
from gui.stations.board import Board, Overview, Reported
from gui.stations.desk import Ordered, StationsDesk
from gui.worker import Ask
from inspector.errors import AccessRefused, InspectorError

ORDERED_HERE = (
    OrderKind.RUN,
    OrderKind.HOLD,
    OrderKind.RECIPE,
    OrderKind.SHADOW,
    OrderKind.ROLLBACK,
    OrderKind.SELF_TEST,
)
"""A bundle is let serve on the models screen, where its papers are."""


class StationsController:
    """`poll` is called every second while the screen is in front. `changed` is called after every change."""

    def __init__(
        self,
        desk: StationsDesk,
        ask: Ask,
        changed: Callable[[], None],
        refused: Callable[[InspectorError], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._desk, self._ask, self._changed, self._refused = desk, ask, changed, refused
        self._clock = clock
        self._reading = False
        self._read_at: datetime | None = None
        self.session: Session | None = None
        self.stations: tuple[str, ...] = ()
        self.board: Board | None = None
        self.is_read = False
        self.heard: dict[str, Heard] = {}
        """By station, what its own port tells."""
        self.chosen: str | None = None
        self.event_id: UUID | None = None
        self.kind = OrderKind.SELF_TEST
        self.wanted = ""
        self.note = ""
        self.reason = ""
        self.busy = False
        self.error = ""
        self.ordered: OrderKind | None = None
        """What was ordered last, until something else is done."""
        self.stale_since: datetime | None = None
        """When the database was last read, if it cannot be read now."""
        self.stale_words = ""

    # ---- what is known

    @property
    def stream(self) -> Heard | None:
        return None if self.chosen is None else self.heard.get(self.chosen)

    @property
    def reported(self) -> Reported | None:
        """The event that is chosen."""
        reported = () if self.board is None else self.board.reported
        return next((each for each in reported if each.event.event_id == self.event_id), None)

    @property
    def may_acknowledge(self) -> bool:
        return self._may(Permission.ACKNOWLEDGE) and self.reported is not None and not self.busy

    @property
    def may_order(self) -> bool:
        board = self.board
        named = self.kind is not OrderKind.RECIPE or bool(self.wanted)
        there = board is not None and board.reads_orders
        return there and named and self._may(Permission.ORDER) and bool(self.reason.strip()) and not self.busy

    # ---- what a person does

    def begin(self, session: Session) -> None:
        if self.session is not None and self.session.account.name != session.account.name:
            self.end()
        self.session = session
        self._changed()

    def end(self) -> None:
        """Nobody is there: what was typed goes with the person."""
        self.session, self.note, self.reason, self.error, self.ordered = None, "", "", "", None
        self._changed()

    def poll(self) -> None:
        """Read everything again, unless it is being read."""
        if not self._reading:
            self._reading, station = True, self.chosen
            self._ask("station", lambda: self._desk.look(station), self._read, self._unread)

    def choose(self, station: str) -> None:
        if station != self.chosen:
            self.chosen, self.board, self.event_id, self.wanted = station, None, None, ""
            self._changed()
            self.poll()

    def look(self, event_id: UUID) -> None:
        self.event_id = event_id
        self._changed()

    def hear(self, heard: Heard) -> None:
        """A station's port told something, or fell silent."""
        if heard.station is not None:
            self.heard = {**self.heard, heard.station: heard}
            self._changed()

    def write(self, note: str) -> None:
        self.note = note

    def acknowledge(self) -> None:
        """Say that the chosen event was seen; the next one that waits is chosen then."""
        session, reported, note = self.session, self.reported, self.note
        if session is None or reported is None or not self.may_acknowledge:
            return
        event_id = reported.event.event_id
        self._begin_change()
        self._ask(
            "acknowledge",
            lambda: self._desk.acknowledge(session, event_id, note),
            lambda _: self._seen(event_id),
            self._failed,
        )

    def want(self, kind: OrderKind, wanted: str = "") -> None:
        """Choose what is to be ordered."""
        self.kind, self.wanted = kind, wanted
        self._changed()

    def say(self, reason: str) -> None:
        self.reason = reason
        self._changed()

    def order(self) -> None:
        session, station, kind = self.session, self.chosen, self.kind
        if session is None or station is None or not self.may_order:
            return
        ordered = Ordered(station, kind, self.wanted, self.reason)
        self._begin_change()
        self._ask(
            "station order", lambda: self._desk.order(session, ordered), lambda _: self._given(kind), self._failed
        )

    # ---- what comes back

    def _may(self, permission: Permission) -> bool:
        return self.session is not None and self.session.account.may(permission)

    def _begin_change(self) -> None:
        self.busy, self.error, self.ordered = True, "", None
        self._changed()

    def _seen(self, event_id: UUID) -> None:
        self.busy, self.note = False, ""
        waiting = [] if self.board is None else [each for each in self.board.reported if not each.seen]
        following = [each.event.event_id for each in waiting if each.event.event_id != event_id]
        self.event_id = following[0] if following else event_id
        self._changed()
        self.poll()

    def _given(self, kind: OrderKind) -> None:
        self.busy, self.ordered, self.reason = False, kind, ""
        self._changed()
        self.poll()

    def _read(self, seen: Overview) -> None:
        self._reading, self.is_read, self.stations = False, True, seen.stations
        self.stale_since, self.stale_words, self._read_at = None, "", self._clock()
        if seen.board is not None and self.chosen in seen.stations and self.chosen != seen.board.station:
            self.poll()  # another one was chosen meanwhile
            return
        self.board = seen.board
        self.chosen = None if seen.board is None else seen.board.station
        self._choose_event()
        self._changed()

    def _choose_event(self) -> None:
        """Keep the chosen event while it is listed; else choose the first, which needs a person most."""
        if self.board is not None and self.reported is None:
            self.event_id = next((each.event.event_id for each in self.board.reported), None)

    def _unread(self, error: InspectorError) -> None:
        """What was read last stays on the screen, marked as old."""
        self._reading, self.stale_words = False, str(error)
        self.stale_since = self.stale_since or self._read_at or self._clock()
        self._changed()

    def _failed(self, error: InspectorError) -> None:
        self.busy, self.error = False, str(error)
        if isinstance(error, AccessRefused):
            self._refused(error)
        self._changed()
