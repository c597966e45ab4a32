"""What screens say of orders to stations."""

from __future__ import annotations

from db.orders import GivenOrder, OrderKind, OrderState
from gui.naming import day_and_time
from gui.words import tr


def order_word(kind: OrderKind) -> str:
    return {
        OrderKind.RUN: tr("run"),
        OrderKind.HOLD: tr("hold"),
        OrderKind.RECIPE: tr("change recipe"),
        OrderKind.BUNDLE: tr("let serve"),
        OrderKind.SHADOW: tr("shadow"),
        OrderKind.ROLLBACK: tr("roll back"),
        OrderKind.SELF_TEST: tr("self-test"),
    }[kind]


def order_state_word(state: OrderState) -> str:
    return {
        OrderState.WANTED: tr("wanted"),
        OrderState.DOING: tr("being done"),
        OrderState.DONE: tr("done"),
        OrderState.REFUSED: tr("refused by the station"),
    }[state]


def order_line(given: GivenOrder) -> str:
    """One order: what was wanted, how far it is, by whom and why."""
    order = given.order
    wanted = f" {order.wanted.rpartition('/')[2]}" if order.wanted else ""
    actual = f" ({given.actual})" if given.actual else ""
    when = day_and_time(order.at)
    said = f"{when}  {order_word(order.kind)}{wanted}: {order_state_word(given.state)}{actual}"
    return f"{said}; {order.person}: {order.reason}"
