"""`inspector station relearn`: end a drift alarm and have the watch of a camera learn anew, by whom and why.

The order is a file beside the watch's memory. The watch takes it, since it alone knows what it ends: a running station
within a second of its next part, a stopped one at its next start. What was ended goes into the ledger, with the order.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field

from inspector.documents import Document, parse, read_json
from inspector.drift import WatchState
from inspector.errors import InspectorError, UserError
from station.left_orders import leave, take_away


class RelearnOrder(Document):
    """What a person wants of the watch of one camera."""

    format: Literal[1] = 1
    by: str = Field(min_length=1, max_length=64, pattern=r"\S", description="who orders it")
    why: str = Field(min_length=1, max_length=500, pattern=r"\S", description="what was found and done")
    at: AwareDatetime = Field(description="when it was given")


def order_path(memory: Path) -> Path:
    """Return where an order to the watch with this memory lies."""
    return memory.with_suffix(".order")


def give_order(memory: Path, by: str, why: str) -> tuple[str, ...]:
    """Leave the order, whole or not at all; return the figures whose alarms it ends, as far as the memory tells.

    Raises:
        UserError: no name or no reason, or a folder that cannot be written.
    """
    fields = {"by": by, "why": why, "at": datetime.now(UTC)}
    order = parse("station relearn", fields, RelearnOrder, UserError)
    leave(order_path(memory), order)
    return _alarmed(memory)


def _alarmed(memory: Path) -> tuple[str, ...]:
    try:
        state = read_json(memory, WatchState, UserError)
    except InspectorError:
        return ()
    return tuple(dict.fromkeys(alarm.figure for alarm in state.alarms))


def take_order(memory: Path) -> RelearnOrder:
    """Read the order and take it away; raise UserError for one that cannot be read, which goes too."""
    return take_away(order_path(memory), RelearnOrder)
