"""Orders from the peers of the line's own outputs: put on record without waiting, and watched until they are settled.

The output's thread asks and gives; the thread that reads orders (`station.ordering`) looks into the ledger for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from db.orders import GivenOrder, Order, OrderKind, OrderState, newest_by, order_numbered
from inspector.errors import OrderRefused, StorageFault


@dataclass(frozen=True, slots=True)
class Entry:
    """The order that a peer gave last, and what came of it. `reason` is by what the peer knows it."""

    reason: str = ""
    kind: OrderKind | None = None
    number: int | None = None
    """None: not on record yet, or never."""
    state: OrderState | None = None
    actual: str = ""

    @property
    def is_settled(self) -> bool:
        return self.state in (OrderState.DONE, OrderState.REFUSED)


class OrderBook:
    """By person. Any thread may ask and give; only the thread of orders looks."""

    def __init__(self, station: str, put_on_record: Callable[[Order], Future[int]]) -> None:
        self.station = station
        self._put_on_record = put_on_record
        self._lock = threading.Lock()
        self._entries: dict[str, Entry | None] = {}

    def newest(self, person: str) -> Entry | None:
        """What this one ordered last, also in an earlier run; None while the ledger was not looked into."""
        with self._lock:
            return self._entries.setdefault(person, None)

    def give(self, person: str, reason: str, kind: OrderKind, wanted: str = "") -> None:
        """Put an order on record; one that the ledger does not take is refused."""
        self._set(person, Entry(reason, kind))
        try:
            written = self._put_on_record(Order(self.station, kind, person, reason, wanted))
        except (OrderRefused, StorageFault) as fault:
            self.refuse(person, reason, str(fault), kind)
        else:
            written.add_done_callback(lambda future: self._written(person, Entry(reason, kind), future))

    def refuse(self, person: str, reason: str, why: str, kind: OrderKind | None = None) -> None:
        """Take it that an order was refused which is on no record."""
        self._set(person, Entry(reason, kind, None, OrderState.REFUSED, why))

    def _written(self, person: str, entry: Entry, written: Future[int]) -> None:
        if (refusal := written.exception()) is not None:
            self._set(person, replace(entry, state=OrderState.REFUSED, actual=f"ledger: {refusal}"))
        else:
            self._set(person, replace(entry, number=written.result(), state=OrderState.WANTED))

    def _set(self, person: str, entry: Entry) -> None:
        with self._lock:
            self._entries[person] = entry

    # ---- the thread of orders

    def look(self, connection: Connection) -> None:
        """See what became of orders that are not settled; there hardly ever is one."""
        with self._lock:
            watched = {
                person: entry
                for person, entry in self._entries.items()
                if entry is None or (entry.number is not None and not entry.is_settled)
            }
        if not watched:
            return
        with connection.begin():
            found = {person: self._found(connection, person, entry) for person, entry in watched.items()}
        with self._lock:
            for person, entry in found.items():
                if self._entries[person] == watched[person]:
                    self._entries[person] = entry

    def _found(self, connection: Connection, person: str, entry: Entry | None) -> Entry:
        if entry is not None and entry.number is not None:
            given = order_numbered(connection, self.station, entry.number)
        else:
            given = newest_by(connection, self.station, person)
        return Entry() if given is None else _entry(given)


def _entry(given: GivenOrder) -> Entry:
    return Entry(given.order.reason, given.order.kind, given.number, given.state, given.actual)
