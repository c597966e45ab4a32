"""What a controller orders by its registers, and what it is answered.

    0 -> n: on record -> being done -> done
             `------------`---------> refused, with a code

An order is new when its number is. The answer bears that number and lasts until the next one.
"""

from __future__ import annotations

from typing import Protocol

from db.orders import LONGEST_PERSON, OrderKind, OrderState
from station.order_book import Entry, OrderBook
from station.outputs.modbus_map import ORDERS, Answer, PlcBlock
from station.outputs.order_codes import STOOD_THERE, UNKNOWN_KIND, refusal_code


class ControllerAt(Protocol):
    """Who the controller is, and by which numbers it knows recipes."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def called(self) -> str: ...

    @property
    def recipes_known(self) -> tuple[str, ...]: ...


class ControllerOrders:
    """The act thread calls it, between parts; it never waits."""

    def __init__(self, settings: ControllerAt, book: OrderBook) -> None:
        self._settings, self._book = settings, book
        self._person = f"{settings.called} ({settings.host}:{settings.port})"[:LONGEST_PERSON]
        self._looked = False
        self._stood_there = 0

    def answer(self, said: PlcBlock) -> Answer:
        """Take an order that is new, and answer the one that stands there."""
        entry = self._book.newest(self._person)
        if entry is None:
            return Answer()  # the ledger was not looked into yet, and what stands there may be done
        if not self._looked:
            self._looked = True
            self._stood_there = said.order if entry.reason != _reason(said.order) else 0
        if said.order == 0:
            self._stood_there = 0
            return Answer()
        if said.order == self._stood_there:
            return Answer(said.order, OrderState.REFUSED, STOOD_THERE)
        self._stood_there = 0
        if entry.reason == _reason(said.order):
            return _answer(said.order, entry)
        return self._take(said)

    def _take(self, said: PlcBlock) -> Answer:
        kind, reason = ORDERS.get(said.kind), _reason(said.order)
        if kind is None:
            self._book.refuse(self._person, reason, f"kind {said.kind} is none")
            return Answer(said.order, OrderState.REFUSED, UNKNOWN_KIND)
        self._book.give(self._person, reason, kind, self._recipe(said.recipe) if kind is OrderKind.RECIPE else "")
        return Answer()

    def _recipe(self, number: int) -> str:
        """Return the name of a recipe; of a number without one, what will be refused by that name."""
        recipes = self._settings.recipes_known
        return recipes[number - 1] if 1 <= number <= len(recipes) else f"number {number}"


def _reason(order: int) -> str:
    return f"order {order} of the controller"


def _answer(order: int, entry: Entry) -> Answer:
    if entry.state is None:
        return Answer()  # not on record yet
    if entry.state is not OrderState.REFUSED:
        return Answer(order, entry.state)
    code = UNKNOWN_KIND if entry.kind is None else refusal_code(entry.kind, entry.actual)
    return Answer(order, entry.state, code)
