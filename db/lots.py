"""Lots: when a person opened and closed one. Which parts are of it, they say themselves, and they are counted there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from db.history.scope import Scope
from db.history.tallies import Tally, tally
from db.records import utc_now
from db.work_tables import LOTS
from inspector.errors import PlantRefused
from inspector.ids import new_id

_LONGEST_CODE, _LONGEST_RECIPE, _LONGEST_PERSON = 128, 200, 64


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot under a recipe; open while `closed_at` is None."""

    code: str
    """What parts say as their lot."""
    recipe: str
    opened_by: str
    opened_at: datetime = field(default_factory=utc_now)
    closed_by: str | None = None
    closed_at: datetime | None = None
    lot_id: UUID = field(default_factory=new_id, compare=False)


def open_lot(connection: Connection, lot: Lot) -> None:
    """Open a lot.

    Raises:
        PlantRefused: no code, recipe or person, one that is too long, or a lot that is there already.
    """
    _require_words(lot)
    if lot.closed_at is not None or lot.closed_by is not None:
        raise PlantRefused(f"lot {lot.code}: is opened as one that was closed; expected an open one")
    if _find(connection, lot.code, lot.recipe) is not None:
        raise PlantRefused(f"lot {lot.code} of recipe {lot.recipe}: was opened before; expected another code")
    connection.execute(insert(LOTS), {name: getattr(lot, name) for name in Lot.__slots__})


def close_lot(connection: Connection, code: str, recipe: str, person: str, at: datetime) -> None:
    """Close a lot, once; parts that name it later still count in it. Raise PlantRefused."""
    if not person.strip() or len(person) > _LONGEST_PERSON:
        raise PlantRefused(f"lot {code}: expected who closes it, in 1 to {_LONGEST_PERSON} letters")
    found = _find(connection, code, recipe)
    if found is None or found.closed_at is not None:
        state = "was never opened" if found is None else f"was closed by {found.closed_by}"
        raise PlantRefused(f"lot {code} of recipe {recipe}: {state}; expected an open one")
    mine = (LOTS.c.code == code) & (LOTS.c.recipe == recipe) & LOTS.c.closed_at.is_(None)
    connection.execute(update(LOTS).where(mine).values(closed_at=at, closed_by=person))


def lots(connection: Connection, most: int, *, open_only: bool = False) -> list[Lot]:
    """The lots that were opened last, newest first."""
    query = select(LOTS).order_by(LOTS.c.opened_at.desc(), LOTS.c.code, LOTS.c.recipe).limit(most)
    query = query.where(LOTS.c.closed_at.is_(None)) if open_only else query
    return [Lot(**row) for row in connection.execute(query).mappings()]


def lot_tally(connection: Connection, lot: Lot) -> Tally:
    """Outcomes of the lot's parts, counted now."""
    return tally(connection, Scope(recipe=lot.recipe, lot=lot.code))


def _find(connection: Connection, code: str, recipe: str) -> Lot | None:
    row = connection.execute(select(LOTS).where(LOTS.c.code == code, LOTS.c.recipe == recipe)).mappings().first()
    return None if row is None else Lot(**row)


def _require_words(lot: Lot) -> None:
    limits = ((lot.code, _LONGEST_CODE), (lot.recipe, _LONGEST_RECIPE), (lot.opened_by, _LONGEST_PERSON))
    if any(not words.strip() or len(words) > longest for words, longest in limits):
        raise PlantRefused(
            f"lot {lot.code[:_LONGEST_CODE]!r}: expected a code, a recipe and who opens it, in 1 to "
            f"{_LONGEST_CODE}, {_LONGEST_RECIPE} and {_LONGEST_PERSON} letters"
        )
