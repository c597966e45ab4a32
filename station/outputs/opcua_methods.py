"""The methods by which clients give orders, as nodes: those of the specification by its names, and ours."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.common.node import Node
from asyncua.ua.status_codes import StatusCodes

from db.orders import OrderKind
from inspector.errors import DatabaseError
from station.outputs import opcua_orders as signatures
from station.outputs.base import LineState
from station.outputs.opcua_orders import (
    BY_METHOD,
    MACHINE_METHODS,
    MODE_METHODS,
    OrderMethods,
    StateMethod,
    cause_words,
    error,
    error_of,
    ordered,
    texts,
)
from station.outputs.order_codes import NOT_NOW

Method = Callable[..., Coroutine[Any, Any, list[ua.Variant] | ua.StatusCode]]


@dataclass(frozen=True, slots=True)
class Nodes:
    """What the methods hang at."""

    system: Node
    machine: Node
    automatic: Node


class OrderNodes:
    """Methods of one vision system. Everything runs on the server's asyncio loop."""

    def __init__(self, orders: OrderMethods) -> None:
        self._orders = orders

    def show(self, line: LineState, states: tuple[str, str]) -> None:
        """Know the line's state, which says what may be called."""
        self._orders.line, self._orders.states = line, states

    async def add(self, nodes: Nodes, theirs: int, ours: int) -> None:
        for method in MACHINE_METHODS:
            takes = [] if method.name == "SelectModeAutomatic" else signatures.CAUSE
            await _add(nodes.machine, method.name, theirs, ours, self._holding(method), takes, signatures.ERROR)
        for method in MODE_METHODS:
            if method.kind is OrderKind.RUN:
                takes, gives, call = signatures.JOB, signatures.JOB_AND_ERROR, self._starting(method)
            else:
                takes, gives, call = signatures.CAUSE, signatures.ERROR, self._holding(method)
            await _add(nodes.automatic, method.name, theirs, ours, call, takes, gives)
        for name, kind in (("Rollback", OrderKind.ROLLBACK), ("SelfTest", OrderKind.SELF_TEST)):
            await _add(nodes.system, name, ours, ours, self._plain(name, kind), [], signatures.ORDERED)
        await _add(nodes.system, "GetOrder", ours, ours, self._get_order, signatures.NUMBER, signatures.STANDING)

    async def add_recipe(self, management: Node, theirs: int, ours: int) -> None:
        name, takes, gives = "PrepareRecipe", signatures.RECIPE, signatures.PREPARED
        await _add(management, name, theirs, ours, self._prepare_recipe, takes, gives)

    def _holding(self, method: StateMethod) -> Method:
        async def call(_parent: ua.NodeId, *cause: ua.Variant) -> list[ua.Variant]:
            return error((await self._orders.by_method(method, cause_words(cause))).error)

        return call

    def _starting(self, method: StateMethod) -> Method:
        async def call(_parent: ua.NodeId, *job: ua.Variant) -> list[ua.Variant]:
            """A recipe that is named has to be in force; the other ids are those of single jobs, and left alone."""
            wanted = job[2].Value if len(job) > 2 else None
            if wanted and wanted != self._orders.line.recipe:
                return [*texts(""), *error(-NOT_NOW)]
            return [*texts(""), *error((await self._orders.by_method(method)).error)]

        return call

    def _plain(self, name: str, kind: OrderKind) -> Method:
        async def call(_parent: ua.NodeId) -> list[ua.Variant]:
            return ordered(await self._orders.give(kind, f"{BY_METHOD} {name}"))

        return call

    async def _prepare_recipe(self, _parent: ua.NodeId, external: ua.Variant, internal: ua.Variant) -> list[ua.Variant]:
        """Method: a recipe's name, the beginning of its revision -> the name, whether it is in force, error."""
        name, revision = external.Value or "", internal.Value or ""
        wanted = f"{name}@{revision}" if revision else name
        came = await self._orders.give(OrderKind.RECIPE, f"{BY_METHOD} PrepareRecipe", wanted)
        return [*texts(name), *ordered(came)[1:]]

    async def _get_order(self, _parent: ua.NodeId, number: ua.Variant) -> list[ua.Variant] | ua.StatusCode:
        try:
            given = await self._orders.order(min(number.Value, 2**63 - 1))
        except DatabaseError:
            return ua.StatusCode(ua.UInt32(StatusCodes.BadResourceUnavailable))
        if given is None:
            return ua.StatusCode(ua.UInt32(StatusCodes.BadNoMatch))
        order = given.order
        words = texts(str(order.kind), order.wanted, order.person, order.reason, str(given.state), given.actual)
        return [*words, *error(error_of(given))]


async def _add(
    parent: Node,
    name: str,
    namespace: int,
    ours: int,
    call: Method,
    takes: list[ua.Argument],
    gives: list[ua.Argument],
) -> None:
    identity = ua.NodeId(NamespaceIndex=ua.Int16(ours))
    await parent.add_method(identity, ua.QualifiedName(name, namespace), call, takes, gives)
