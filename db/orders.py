"""Orders to a station: what is wanted, by whom and why, and what came of it.

Whoever orders adds a row; the station that it is for takes it, does or refuses it, and writes which.

    WANTED -> DOING -> DONE
         `--------`--> REFUSED
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db.engine import as_sqlalchemys
from db.order_kinds import OrderKind, OrderState
from db.order_tables import ORDERS
from db.records import utc_now
from db.tables import STATIONS
from inspector.errors import OrderRefused

__all__ = [
    "LONGEST_PERSON",
    "NAMING",
    "GivenOrder",
    "Order",
    "OrderKind",
    "OrderState",
    "OrderStep",
    "give",
    "holds",
    "newest_by",
    "order_numbered",
    "orders",
    "require_words",
    "unsettled",
    "unsettled_numbers",
    "write_order",
    "write_step",
]

LONGEST_PERSON = 64


NAMING = {OrderKind.RECIPE, OrderKind.BUNDLE}
"""Kinds that say what is wanted; `shadow` may, and ends the shadow where it does not; so may `rollback`."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it is given."""

    station: str
    kind: OrderKind
    person: str
    reason: str
    wanted: str = ""
    at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class GivenOrder:
    """An order on record."""

    number: int
    order: Order
    state: OrderState
    actual: str
    """What is so now, or, where it was refused, why; empty before."""
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderStep:
    """What the station says of an order."""

    number: int
    state: OrderState
    actual: str
    at: datetime


def give(connection: Connection, order: Order) -> int:
    """Write an order, and return its number; raise OrderRefused for one that says too little or too much."""
    require_words(order)
    return write_order(connection, order)


def write_order(connection: Connection, order: Order) -> int:
    """Write an order that says enough, and return its number."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(STATIONS).on_conflict_do_nothing(), {"name": order.station})
    row = {name: getattr(order, name) for name in ("station", "wanted", "person", "reason", "at")}
    state = {"kind": order.kind.value, "state": OrderState.WANTED.value, "actual": ""}
    number: int = connection.execute(insert(ORDERS).values(row | state).returning(ORDERS.c.number)).scalar_one()
    return number


def require_words(order: Order) -> None:
    """Raise OrderRefused for an order that says too little or too much."""
    if not order.person.strip() or not order.reason.strip() or len(order.person) > LONGEST_PERSON:
        raise OrderRefused(
            f"order {order.kind}: expected a reason, and who gives it in at most {LONGEST_PERSON} letters"
        )
    if order.kind in NAMING and not order.wanted.strip():
        raise OrderRefused(f"order {order.kind}: expected which {order.kind} is wanted")
    if order.kind not in {*NAMING, OrderKind.SHADOW, OrderKind.ROLLBACK} and order.wanted:
        raise OrderRefused(f"order {order.kind}: {order.wanted!r} is too much; expected a reason alone")


def unsettled(connection: Connection, station: str) -> list[GivenOrder]:
    """Orders to a station that are neither done nor refused, in the order in which they were given."""
    return _read(connection, station, ORDERS.c.state.in_(_OPEN_STATES))


def unsettled_numbers(connection: Connection, station: str) -> set[int]:
    """The numbers of those orders, from a connection without a transaction.

    A running station asks four times a second, on the line's own cores: on SQLite the driver alone answers.
    """
    if connection.dialect.name != "sqlite":
        with connection.begin():
            return set(connection.scalars(_UNSETTLED, {"of_station": station}))
    driver: Any = connection.connection.driver_connection
    try:
        return {number for (number,) in driver.execute(_UNSETTLED_ON_SQLITE, (station,))}
    except sqlite3.Error as error:
        raise as_sqlalchemys(error, _UNSETTLED_ON_SQLITE) from error


def orders(connection: Connection, station: str) -> list[GivenOrder]:
    """Every order to a station, in the order in which they were given."""
    return _read(connection, station)


def order_numbered(connection: Connection, station: str, number: int) -> GivenOrder | None:
    return next(iter(_read(connection, station, ORDERS.c.number == number)), None)


def newest_by(connection: Connection, station: str, person: str) -> GivenOrder | None:
    """The order that somebody gave last; None where there is none."""
    query = select(func.max(ORDERS.c.number)).where(ORDERS.c.station == station, ORDERS.c.person == person)
    number = connection.execute(query).scalar_one()
    return None if number is None else order_numbered(connection, station, number)


def holds(connection: Connection, station: str) -> GivenOrder | None:
    """The order by which a station is held; None where it runs."""
    either = (OrderKind.RUN.value, OrderKind.HOLD.value)
    done = _read(connection, station, ORDERS.c.kind.in_(either), ORDERS.c.state == OrderState.DONE.value)
    return done[-1] if done and done[-1].order.kind is OrderKind.HOLD else None


def write_step(connection: Connection, step: OrderStep) -> None:
    """Write what the station says of an order; one that is settled stays as it is."""
    settled = step.state in (OrderState.DONE, OrderState.REFUSED)
    values = {"state": step.state.value, "actual": step.actual, "settled_at": step.at if settled else None}
    connection.execute(
        update(ORDERS).where(ORDERS.c.number == step.number, ORDERS.c.settled_at.is_(None)).values(values)
    )


def _read(connection: Connection, station: str, *chosen: ColumnElement[bool]) -> list[GivenOrder]:
    query = select(ORDERS).where(ORDERS.c.station == station, *chosen).order_by(ORDERS.c.number)
    return [_given(row) for row in connection.execute(query)]


def _given(row: Row[Any]) -> GivenOrder:
    order = Order(row.station, OrderKind(row.kind), row.person, row.reason, row.wanted, row.at)
    return GivenOrder(row.number, order, OrderState(row.state), row.actual, row.settled_at)


_OPEN_STATES = (OrderState.WANTED.value, OrderState.DOING.value)
_UNSETTLED = select(ORDERS.c.number).where(
    ORDERS.c.station == bindparam("of_station"), ORDERS.c.state.in_(_OPEN_STATES)
)
_UNSETTLED_ON_SQLITE = "SELECT number FROM orders WHERE station = ? AND state IN ('WANTED', 'DOING')"
