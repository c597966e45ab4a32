"""Who has a part of the review queue on a screen, so that two persons do not judge the same one."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, delete, or_
from sqlalchemy.dialects import postgresql, sqlite

from db.plant_tables import REVIEW_LEASES
from inspector.errors import LabelRefused

LEASE = timedelta(minutes=10)


def hold(connection: Connection, part_id: UUID, person: str, now: datetime, lease: timedelta = LEASE) -> datetime:
    """Take a part, or keep it for longer; return until when. One statement, so that of two persons one gets it.

    Raises:
        LabelRefused: another person holds it.
    """
    until = now + lease
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = insert(REVIEW_LEASES).values(part_id=part_id, person=person, held_until=until)
    free = or_(REVIEW_LEASES.c.person == person, REVIEW_LEASES.c.held_until <= now)
    taken = row.on_conflict_do_update(
        index_elements=["part_id"], set_={"person": person, "held_until": until}, where=free
    )
    if connection.execute(taken.returning(REVIEW_LEASES.c.part_id)).first() is None:
        raise LabelRefused(f"part {part_id}: another person holds it; expected one that is free")
    return until


def give_back(connection: Connection, part_id: UUID, person: str) -> None:
    """Hold a part no longer; what somebody else holds stays held."""
    mine = (REVIEW_LEASES.c.part_id == part_id) & (REVIEW_LEASES.c.person == person)
    connection.execute(delete(REVIEW_LEASES).where(mine))
