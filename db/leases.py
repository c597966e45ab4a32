"""Who has a part in hand: two persons, or two windows, never label one part at the same time.

A lease ends by itself, so that a screen that died holds nothing up. Every function takes a connection and leaves the
transaction to its caller.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from db.plant_tables import LABEL_LEASES
from inspector.errors import LabelRefused

LASTS = timedelta(minutes=3)
"""A screen that is in use renews it in time."""


def take(connection: Connection, part_id: UUID, holder: UUID, person: str, now: datetime) -> bool:
    """Take the part in hand, or go on holding it; False where another has it. `holder` is a screen's session."""
    values = {"holder": holder, "person": person, "until": now + LASTS}
    free = or_(LABEL_LEASES.c.until <= now, LABEL_LEASES.c.holder == holder)
    mine = update(LABEL_LEASES).where(LABEL_LEASES.c.part_id == part_id, free).values(values)
    if connection.execute(mine).rowcount:
        return True
    if connection.execute(select(LABEL_LEASES.c.part_id).where(LABEL_LEASES.c.part_id == part_id)).first():
        return False
    try:
        with connection.begin_nested():
            connection.execute(insert(LABEL_LEASES), values | {"part_id": part_id})
    except IntegrityError:  # another was first since we looked
        return False
    return True


def require(connection: Connection, part_id: UUID, holder: UUID, person: str, now: datetime) -> None:
    """Renew the lease, also one that has ended and that nobody took.

    Raises:
        LabelRefused: another has the part in hand now.
    """
    if not take(connection, part_id, holder, person, now):
        query = select(LABEL_LEASES.c.person).where(LABEL_LEASES.c.part_id == part_id)
        other = connection.execute(query).scalar()
        raise LabelRefused(
            f"part {part_id}: {other} has taken it meanwhile; your work is kept, go on with another part"
        )


def release(connection: Connection, part_id: UUID, holder: UUID, now: datetime) -> None:
    held = (LABEL_LEASES.c.part_id == part_id) & (LABEL_LEASES.c.holder == holder)
    connection.execute(update(LABEL_LEASES).where(held).values(until=now))


def held_by_others(connection: Connection, holder: UUID, now: datetime) -> set[UUID]:
    held = (LABEL_LEASES.c.until > now) & (LABEL_LEASES.c.holder != holder)
    return set(connection.execute(select(LABEL_LEASES.c.part_id).where(held)).scalars())
