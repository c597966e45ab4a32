"""Shadow verdicts, closed lots and alarms seen at a station go to its plant; stopped parts are found by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

from db.append_only import forbid_changes
from db.columns import BigCount, Key, UtcMoment
from inspector.ids import new_id

revision: str = "0013"
down_revision: str | None = "0012"

KINDS = "kind IN ('run', 'part', 'event', 'end', 'shadow', 'lot', 'seen')"
FORMER_KINDS = "kind IN ('run', 'part', 'event', 'end')"
IS_STOPPED = sa.text("outcome IN ('REJECT', 'REVIEW')")
LOTS = sa.table("lots", sa.column("code", sa.String), sa.column("recipe", sa.String), sa.column("lot_id", Key()))


def upgrade() -> None:
    op.create_index(
        "ix_inspections_stopped", "inspections", ["triggered_at"], sqlite_where=IS_STOPPED, postgresql_where=IS_STOPPED
    )
    _allow_kinds(KINDS)
    op.add_column("lots", sa.Column("lot_id", Key(), nullable=True))
    for code, recipe in op.get_bind().execute(sa.select(LOTS.c.code, LOTS.c.recipe)).all():
        this_one = (LOTS.c.code == code) & (LOTS.c.recipe == recipe)
        op.execute(LOTS.update().where(this_one).values(lot_id=new_id()))
    with op.batch_alter_table("lots") as lots:
        lots.alter_column("lot_id", existing_type=Key(), nullable=False)
        lots.create_unique_constraint(op.f("uq_lots_lot_id"), ["lot_id"])
    op.create_table(
        "station_acknowledgements",
        sa.Column("event_id", Key(), nullable=False),
        sa.Column("audit_sequence", BigCount, autoincrement=False, nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("person <> ''", name=op.f("ck_station_acknowledgements_person")),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.event_id"], name=op.f("fk_station_acknowledgements_event_id_events")
        ),
        sa.PrimaryKeyConstraint("event_id", "audit_sequence", name=op.f("pk_station_acknowledgements")),
    )
    forbid_changes(op.get_bind(), "station_acknowledgements")


def downgrade() -> None:
    """Notes of the further kinds are lost: what they are about stays at the station."""
    op.drop_table("station_acknowledgements")
    with op.batch_alter_table("lots") as lots:
        lots.drop_constraint(op.f("uq_lots_lot_id"), type_="unique")
        lots.drop_column("lot_id")
    op.execute(f"DELETE FROM dispatch WHERE NOT ({FORMER_KINDS})")
    _allow_kinds(FORMER_KINDS)
    op.drop_index("ix_inspections_stopped", table_name="inspections")


def _allow_kinds(kinds: str) -> None:
    with _without_triggers(), op.batch_alter_table("dispatch", table_kwargs={"sqlite_autoincrement": True}) as dispatch:
        dispatch.drop_constraint(op.f("ck_dispatch_kind"), type_="check")
        dispatch.create_check_constraint(op.f("ck_dispatch_kind"), kinds)


@contextmanager
def _without_triggers() -> Iterator[None]:
    """SQLite moves no table that a trigger writes to. What the former schema had no tables for is not put back."""
    if op.get_bind().dialect.name != "sqlite":
        yield
        return
    found = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'dispatch~_%' ESCAPE '~'"
    triggers = op.get_bind().exec_driver_sql(found).all()
    for name, _ in triggers:
        op.execute(f"DROP TRIGGER {name}")
    yield
    for name, words in triggers:
        if name in ("dispatch_run", "dispatch_end", "dispatch_part", "dispatch_event"):
            op.get_bind().exec_driver_sql(words)
