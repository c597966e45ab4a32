"""`inspector station relearn`: end a drift alarm and have the watch of a camera learn anew, by whom and why.

The order is a file beside the watch's memory. The watch takes it, since it alone knows what it ends: a running station
within a second of its next part, a stopped one at its next start. What was ended goes into the ledger, with the order.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field

from inspector.documents import Document, parse, read_json
from inspector.drift import WatchState
from inspector.errors import ConfigError, InspectorError, StorageFault, UserError


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
    file = order_path(memory)
    new = file.with_suffix(".new-order")
    try:
        file.parent.mkdir(exist_ok=True)
        new.write_text(order.model_dump_json(), encoding="utf-8")
        os.replace(new, file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error.strerror}); expected the folder of a station") from error
    return _alarmed(memory)


def _alarmed(memory: Path) -> tuple[str, ...]:
    try:
        state = read_json(memory, WatchState, UserError)
    except InspectorError:
        return ()
    return tuple(dict.fromkeys(alarm.figure for alarm in state.alarms))


def take_order(memory: Path) -> RelearnOrder:
    """Read the order and take it away; raise UserError for one that cannot be read, which goes too."""
    file = order_path(memory)
    try:
        return read_json(file, RelearnOrder, UserError)
    finally:
        _remove(file)


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise StorageFault(f"{file}: cannot be taken away ({error.strerror})") from error
