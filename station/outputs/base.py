"""The seams to the line and to the plant. Two natures, and an output has one of them.

An **act** output moves something (a gate). It acts at once or not at all: a command that comes late would hit the next
part, so none is ever repeated, and what is not acted on is diverted by whoever is at the other end.
A **tell** output tells somebody (a broker, a server) of every part, in order, also after an outage. It reads the ledger
in a process of its own and never holds up the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, Self, runtime_checkable
from uuid import UUID

from pydantic import Field

from db.records import Report
from inspector.documents import Document
from inspector.errors import RuntimeUnavailable
from inspector.values import Outcome, Verdict

if TYPE_CHECKING:  # the vision process knows outputs' settings, and loads no database
    from db.orders import GivenOrder, Order
    from station.order_book import OrderBook

Nature = Literal["act", "tell"]


class OutputSettings(Document):
    """What every output's block may say; each kind adds its own fields."""

    nature: ClassVar[Nature] = "act"

    kind: str = Field(default="log", description="output plug-in: log, modbus, gate, mqtt, sparkplug, opcua, webhook")
    name: str | None = Field(
        default=None, min_length=1, max_length=64, description="name in records and messages; unset: its kind"
    )

    @property
    def called(self) -> str:
        return self.name or self.kind

    @property
    def recipes_known(self) -> tuple[str, ...]:
        """Recipes that its peer knows by a number."""
        return ()


class TellSettings(OutputSettings):
    """What every output that tells has in common."""

    nature: ClassVar[Nature] = "tell"

    batch: int = Field(default=64, ge=1, le=1000, description="parts told in one go")
    timeout_s: float = Field(
        default=5.0, gt=0, le=120, description="a peer that does not answer for so long is at fault"
    )
    failures: int = Field(default=3, ge=1, le=100, description="faults in a row after which the peer is left alone")
    pause_s: float = Field(default=1.0, gt=0, le=3600, description="first pause before it is tried again; then doubled")
    longest_pause_s: float = Field(
        default=60.0, gt=0, le=3600, description="pauses grow up to this, and tries never end"
    )


@dataclass(frozen=True, slots=True)
class TriggeredPart:
    """A part that is here and has no verdict yet."""

    part_id: UUID
    trigger: int
    triggered_ns: int
    """time.monotonic_ns() at the trigger: when the part was at the camera."""
    simulated: bool = False
    lot: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """A part with its verdict, at the moment of the verdict."""

    part: TriggeredPart
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class OutputState:
    """How an output does: read by the screen and by whoever watches the station."""

    output: str
    nature: Nature
    well: bool
    words: str
    """What is wrong, or "well"."""
    delivered: int = 0
    """Parts acted on, or told, in this run."""
    missed: int = 0
    """Act: parts on which it did not act in time. Tell: parts that the peer refused for good."""
    waiting: int = 0
    """Tell: parts that the peer does not have yet."""
    down_since: datetime | None = None


class Earlier(Protocol):
    """A station's parts, for a peer that asks for those that it missed. Called on a thread of the telling process."""

    def reports(self, after: int, limit: int) -> Sequence[Report]:
        """Return the parts behind a position, at most `limit`, in order; raise DatabaseError."""
        ...


class OrderDoor(Protocol):
    """The way of a peer's orders to the station. Called on a thread of the telling process; each call may wait."""

    def give(self, order: Order) -> int:
        """Put an order on record, and return its number; raise OrderRefused or PeerFault."""
        ...

    def order(self, number: int) -> GivenOrder | None:
        """Return an order as it stands; raise DatabaseError."""
        ...


@dataclass(frozen=True, slots=True)
class About:
    """What an output may say of the station that it speaks for."""

    station: str
    recipe: str
    bundle_id: str
    earlier: Earlier | None = None
    """The ledger; None where the output is only tried."""
    recipes: tuple[str, ...] = ()
    """Every recipe that can serve."""
    folder: Path | None = None
    """Where the station keeps what is its own."""
    orders: OrderDoor | None = None
    """None where the output is only tried."""


@dataclass(frozen=True, slots=True)
class LineState:
    """What the line does: starting, running, restarting, ending, ended or offline, and what is wrong with it."""

    state: str = "starting"
    fault: str | None = None
    recipe: str = ""
    """Under which parts are judged; empty before that is known."""
    bundle_id: str = ""
    held: str = ""
    """Why every part is diverted; empty while the line is not held."""


class Output(Protocol):
    """An act output. The line loop's thread calls it, and it never makes the loop wait: it hands over and returns."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def expect(self, part: TriggeredPart) -> None:
        """A part was triggered. Called once per part, before `act`."""
        ...

    def act(self, judged: JudgedPart) -> None:
        """Divert the part, or let it go: only PASS lets it go. Called once per part, in time or never."""
        ...

    def pulse(self, line: LineState) -> Sequence[OutputState]:
        """Be told that the loop goes round, ten times a second or more; a heartbeat rests on it. Says how it does."""
        ...


@runtime_checkable
class TakesOrders(Protocol):
    """An act output whose peer may give orders too."""

    def take_orders(self, book: OrderBook) -> None:
        """Called once, before the output is opened."""
        ...


class Teller(Protocol):
    """A tell output. One thread of the telling process opens, calls and closes it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def attend(self, line: LineState) -> None:
        """See to the connection, and say what the line does; called before each `tell` and twice a second.

        Raises:
            PeerFault: the peer is not there.
        """
        ...

    def tell(self, reports: Sequence[Report]) -> None:
        """Return when the peer has them all.

        Raises:
            PeerFault: it has only the first `told`; the others are told again later.
            ReportRefused: likewise, but the one behind those is never told again.
        """
        ...


def diverts(verdict: Verdict) -> bool:
    """Everything that is not PASS is diverted: the line fails safe."""
    return verdict.outcome is not Outcome.PASS


def require_library(module: str, kind: str) -> None:
    """Refuse an output whose protocol library is missing, without loading it; raise RuntimeUnavailable."""
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise RuntimeUnavailable(f"output {kind}: {module} is missing; install open-inspector[industrial]")
