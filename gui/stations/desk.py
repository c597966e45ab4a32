"""What the stations screen asks of the database. Everything here runs on a worker's thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from db.accounts import Permission
from db.acknowledgements import Acknowledgement, acknowledge
from db.orders import Order, OrderKind
from db.sessions import Session, touch
from gui.database import Source, reading, writing
from gui.models.papers import find_bundle
from gui.orders import give_order, order_bundle, served_from
from gui.stations.board import Overview, overview


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a person wants of a station. `wanted` is a recipe's name, or a bundle's id; empty: neither."""

    station: str
    kind: OrderKind
    wanted: str
    reason: str


class StationsDesk(Protocol):
    """The questions of the controller. AccessRefused: the session is over, or the role does not allow it."""

    def look(self, station: str | None) -> Overview:
        """None: the station that needs a person most."""
        ...

    def acknowledge(self, session: Session, event_id: UUID, note: str) -> None: ...

    def order(self, session: Session, ordered: Ordered) -> int: ...


class DatabaseStations:
    """A `StationsDesk` on a database."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def look(self, station: str | None) -> Overview:
        with reading(self._source.engine) as connection:
            return overview(connection, station)

    def acknowledge(self, session: Session, event_id: UUID, note: str) -> None:
        with writing(self._source.engine) as connection:
            account = touch(connection, session.token)
            account.require(Permission.ACKNOWLEDGE)
            acknowledge(connection, Acknowledgement(event_id, account.name, note))

    def order(self, session: Session, ordered: Ordered) -> int:
        if ordered.kind is OrderKind.SHADOW and ordered.wanted:
            return self._shadow(session, ordered)
        with writing(self._source.engine) as connection:
            account = touch(connection, session.token)
            order = Order(ordered.station, ordered.kind, account.name, ordered.reason, ordered.wanted)
            return give_order(connection, account, order)

    def _shadow(self, session: Session, ordered: Ordered) -> int:
        """It acts on nothing there, and takes the line's time: it has to be approved all the same."""
        with reading(self._source.engine) as connection:
            lay = served_from(connection).get(ordered.wanted)
        bundle = find_bundle(ordered.wanted, lay, self._source.bundles)
        with writing(self._source.engine) as connection:
            account = touch(connection, session.token)
            path = str(bundle.path.resolve())
            order = Order(ordered.station, OrderKind.SHADOW, account.name, ordered.reason, path)
            return order_bundle(connection, account, order, bundle.id)
