"""What persons order of the line's challenges: files in the station's folder, which a running line takes away.

"The next part is challenge part X", and "the line is released". A line that is killed on the way has not taken it, or
has taken it without effect: then the line is still held, or the part is one of production that will not pass.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import AwareDatetime, Field

from inspector.documents import Document, parse
from inspector.errors import ConfigError, UserError
from station.left_orders import leave, take_away


class NextOrder(Document):
    """The next part that is triggered is this challenge part."""

    format: Literal[1] = 1
    code: str = Field(min_length=1, max_length=128, pattern=r"\S", description="code of the registered part")
    by: str = Field(min_length=1, max_length=64, pattern=r"\S", description="who orders it")
    at: AwareDatetime = Field(description="when it was given")


class ReleaseOrder(Document):
    """The held line is released, by a person who may."""

    format: Literal[1] = 1
    by: str = Field(min_length=1, max_length=64, pattern=r"\S", description="who releases it")
    why: str = Field(min_length=1, max_length=500, pattern=r"\S", description="what was found and done")
    at: AwareDatetime = Field(description="when it was given")


Order = TypeVar("Order", NextOrder, ReleaseOrder)
_FILES: dict[type[Document], str] = {NextOrder: "next.order", ReleaseOrder: "release.order"}


def order_path(folder: Path, kind: type[Document]) -> Path:
    """Return where an order of a kind lies in a station's folder."""
    return folder / "challenge" / _FILES[kind]


def give(folder: Path, kind: type[Order], fields: dict[str, object]) -> Order:
    """Leave an order, whole or not at all; a later one of its kind replaces it.

    Raises:
        UserError: no name, no reason, or no folder of a station.
    """
    order = parse("station challenge", fields, kind, UserError)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: station.folder: no such folder; expected a station that has run")
    leave(order_path(folder, kind), order)
    return order


def take(folder: Path, kind: type[Order]) -> Order | None:
    """Take the order away and return it; None where there is none.

    Raises:
        UserError: one that cannot be read, which goes too.
        StorageFault: one that cannot be taken away: it would be obeyed again and again.
    """
    file = order_path(folder, kind)
    return take_away(file, kind) if file.exists() else None
