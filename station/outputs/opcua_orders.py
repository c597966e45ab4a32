"""Orders by the methods of OPC 40100-1, and a few of ours; each becomes a row of the station's orders.

Every method of the specification's state machines is an order to hold the line or to let it run: a line that is held
accounts for parts and diverts them. Which method held it says in which state the machine is.

    ContinuousExecution -Stop-> Ready -StartContinuous-> ContinuousExecution
    any -Halt-> Halted -Reset-> Preoperational -SelectModeAutomatic-> Ready
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from asyncua import ua

from db.orders import LONGEST_PERSON, GivenOrder, Order, OrderKind, OrderState
from inspector.errors import DatabaseError, OrderRefused, PeerFault
from station.outputs.base import LineState, OrderDoor
from station.outputs.opcua_access import CALLER
from station.outputs.order_codes import NOT_NOW, refusal_code

BY_METHOD = "OPC UA"
PATIENCE_S = 2.0
"""A method answers after so long at the latest; what is not settled by then can be asked for by GetOrder."""
_LOOK_S = 0.05
_LEDGER_AWAY = 10

_HELD_BY = {"Halt": ("Halted", ""), "Reset": ("Preoperational", "")}
HELD = ("Operational", "Ready")


@dataclass(frozen=True, slots=True)
class StateMethod:
    """A method of the specification's state machines: its number there, what it orders, and from which state."""

    name: str
    number: int
    kind: OrderKind
    states: frozenset[tuple[str, str]]


RUNNING = ("Operational", "ContinuousExecution")
MACHINE_METHODS = (
    StateMethod("Halt", 7094, OrderKind.HOLD, frozenset({RUNNING, HELD, ("Preoperational", ""), ("Error", "")})),
    StateMethod("Reset", 7093, OrderKind.HOLD, frozenset({("Halted", "")})),
    StateMethod("SelectModeAutomatic", 7095, OrderKind.HOLD, frozenset({("Preoperational", "")})),
)
MODE_METHODS = (
    StateMethod("Stop", 7096, OrderKind.HOLD, frozenset({RUNNING})),
    StateMethod("StartContinuous", 7009, OrderKind.RUN, frozenset({HELD})),
)
PREPARE_RECIPE = 7015


def held_states(held: str) -> tuple[str, str]:
    """Return the states of a line that is held for these words; a challenge holds it until a person sees to it."""
    if not held.startswith("held: "):
        return "Error", ""
    return next((states for name, states in _HELD_BY.items() if held.startswith(f"held: {BY_METHOD} {name}")), HELD)


@dataclass(frozen=True, slots=True)
class Came:
    """What came of an order: its number where it is on record, whether it is settled, and the error to tell."""

    number: int
    is_settled: bool
    error: int


class OrderMethods:
    """Gives orders for whoever calls. Everything but the door's work runs on the server's asyncio loop."""

    def __init__(self, door: OrderDoor, station: str, output: str) -> None:
        self._door, self._station, self._output = door, station, output
        self.line = LineState()
        self.states = ("Preoperational", "")

    async def by_method(self, method: StateMethod, cause: str = "") -> Came:
        if self.line.state not in ("running", "restarting") or self.states not in method.states:
            return Came(0, True, -NOT_NOW)
        return await self.give(method.kind, f"{BY_METHOD} {method.name}{f': {cause}' if cause else ''}")

    async def give(self, kind: OrderKind, reason: str, wanted: str = "") -> Came:
        person = f"{self._output}: {CALLER.get()}"[:LONGEST_PERSON]
        order = Order(self._station, kind, person, reason, wanted)
        try:
            number = await asyncio.to_thread(self._door.give, order)
            return await self._await_settled(number, kind)
        except OrderRefused as fault:
            return Came(0, True, -refusal_code(kind, str(fault)))
        except (PeerFault, DatabaseError):
            return Came(0, False, -_LEDGER_AWAY)

    async def order(self, number: int) -> GivenOrder | None:
        """Return an order as it stands; raise DatabaseError."""
        return await asyncio.to_thread(self._door.order, number)

    async def _await_settled(self, number: int, kind: OrderKind) -> Came:
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            given = await self.order(number)
            if given is not None and given.settled_at is not None:
                return Came(number, True, error_of(given))
            await asyncio.sleep(_LOOK_S)
        return Came(number, False, 0)


def error_of(given: GivenOrder) -> int:
    """Return the specification's Error: 0 is well, and what is below is the station's own code of a refusal."""
    return -refusal_code(given.order.kind, given.actual) if given.state is OrderState.REFUSED else 0


# ---- what methods take and return


def argument(name: str, kind: ua.VariantType | int) -> ua.Argument:
    number = kind if isinstance(kind, int) else kind.value
    return ua.Argument(Name=name, DataType=ua.NodeId(ua.Int32(number)), ValueRank=-1)


def arguments(*named: tuple[str, ua.VariantType | int]) -> list[ua.Argument]:
    return [argument(name, kind) for name, kind in named]


CAUSE = arguments(("Cause", ua.VariantType.Int32), ("CauseDescription", ua.VariantType.String))
ERROR = arguments(("Error", ua.VariantType.Int32))
JOB = arguments(
    ("MeasId", ua.VariantType.String),
    ("PartId", ua.VariantType.String),
    ("RecipeId", ua.VariantType.String),
    ("ProductId", ua.VariantType.String),
    ("Parameters", 24),
)
JOB_AND_ERROR = [*arguments(("JobId", ua.VariantType.String)), *ERROR]
RECIPE = arguments(("ExternalId", ua.VariantType.String), ("InternalIdIn", ua.VariantType.String))
PREPARED = [
    *arguments(("InternalIdOut", ua.VariantType.String), ("IsCompleted", ua.VariantType.Boolean)),
    *ERROR,
]
ORDERED = [
    *arguments(("OrderNumber", ua.VariantType.UInt64), ("IsCompleted", ua.VariantType.Boolean)),
    *ERROR,
]
NUMBER = arguments(("OrderNumber", ua.VariantType.UInt64))
STANDING = [
    *arguments(
        ("Kind", ua.VariantType.String),
        ("Wanted", ua.VariantType.String),
        ("Person", ua.VariantType.String),
        ("Reason", ua.VariantType.String),
        ("State", ua.VariantType.String),
        ("Actual", ua.VariantType.String),
    ),
    *ERROR,
]


def texts(*words: str) -> list[ua.Variant]:
    return [ua.Variant(each, ua.VariantType.String) for each in words]


def error(number: int) -> list[ua.Variant]:
    return [ua.Variant(number, ua.VariantType.Int32)]


def ordered(came: Came) -> list[ua.Variant]:
    number = ua.Variant(came.number, ua.VariantType.UInt64)
    return [number, ua.Variant(came.is_settled, ua.VariantType.Boolean), *error(came.error)]


def cause_words(words: Sequence[ua.Variant]) -> str:
    """Return the cause that a client gives, as words for the record."""
    said = [str(each.Value) for each in words if each.Value not in (None, "", 0)]
    return " ".join(said)[:200]
