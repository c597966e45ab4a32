"""Parts of known truth, what became of them, and when the line was held for them; `simulated` moves to the part."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.append_only import allow_changes, forbid_changes
from db.columns import BigCount, Key, UtcMoment

revision: str = "0008"
down_revision: str | None = "0007"

IS_CHALLENGE = sa.text("challenge_id IS NOT NULL")
_COPY_DOWN = "UPDATE outbox SET simulated = (SELECT simulated FROM inspections WHERE part_id = outbox.part_id)"
_COPY_UP = (
    "UPDATE inspections SET simulated = :yes WHERE part_id IN (SELECT part_id FROM outbox WHERE simulated = :yes)"
)


def upgrade() -> None:
    """Parts of before are none of known truth; a plant does not know which of them were simulated."""
    op.create_table(
        "challenge_parts",
        sa.Column("challenge_id", Key(), nullable=False),
        sa.Column("station", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=128), nullable=False),
        sa.Column("expected", sa.String(length=16), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("valid_from", UtcMoment(), nullable=False),
        sa.Column("valid_to", UtcMoment(), nullable=True),
        sa.Column("registered_by", sa.String(length=64), nullable=False),
        sa.Column("registered_at", UtcMoment(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("expected IN ('PASS', 'REJECT', 'REVIEW')", name=op.f("ck_challenge_parts_expected")),
        sa.CheckConstraint("code <> '' AND registered_by <> ''", name=op.f("ck_challenge_parts_words")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_challenge_parts_validity")),
        sa.ForeignKeyConstraint(["station"], ["stations.name"], name=op.f("fk_challenge_parts_station_stations")),
        sa.PrimaryKeyConstraint("challenge_id", name=op.f("pk_challenge_parts")),
    )
    op.create_index(op.f("ix_challenge_parts_station_code"), "challenge_parts", ["station", "code"], unique=False)
    forbid_changes(op.get_bind(), "challenge_parts")
    _holds()
    with op.batch_alter_table("inspections") as inspections:
        inspections.add_column(sa.Column("simulated", sa.Boolean(), nullable=False, server_default=sa.false()))
        inspections.add_column(sa.Column("challenge_id", Key(), nullable=True))
        inspections.add_column(sa.Column("challenge_met", sa.Boolean(), nullable=True))
        name = op.f("fk_inspections_challenge_id_challenge_parts")
        inspections.create_foreign_key(name, "challenge_parts", ["challenge_id"], ["challenge_id"])
        inspections.create_check_constraint(
            op.f("ck_inspections_met_is_of_a_challenge"), "challenge_met IS NULL OR challenge_id IS NOT NULL"
        )
    with op.batch_alter_table("inspections") as inspections:
        index = inspections.f("ix_inspections_challenge_id")
        there = {"sqlite_where": IS_CHALLENGE, "postgresql_where": IS_CHALLENGE}
        inspections.create_index(index, ["challenge_id"], unique=False, **there)
    op.get_bind().execute(sa.text(_COPY_UP), {"yes": True})
    with op.batch_alter_table("outbox") as outbox:
        outbox.drop_column("simulated")


def _holds() -> None:
    op.create_table(
        "line_holds",
        sa.Column("number", BigCount, nullable=False),
        sa.Column("station", sa.String(length=64), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.Column("recipe", sa.String(length=200), nullable=False),
        sa.Column("bundle_id", sa.String(length=64), nullable=False),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_line_holds_reason")),
        sa.ForeignKeyConstraint(["station"], ["stations.name"], name=op.f("fk_line_holds_station_stations")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_line_holds")),
    )
    forbid_changes(op.get_bind(), "line_holds")


def downgrade() -> None:
    with op.batch_alter_table("outbox") as outbox:
        outbox.add_column(sa.Column("simulated", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.get_bind().execute(sa.text(_COPY_DOWN))
    with op.batch_alter_table("outbox") as outbox:
        outbox.alter_column("simulated", server_default=None)
    with op.batch_alter_table("inspections") as inspections:
        inspections.drop_index(inspections.f("ix_inspections_challenge_id"))
    with op.batch_alter_table("inspections") as inspections:
        inspections.drop_constraint(op.f("ck_inspections_met_is_of_a_challenge"), type_="check")
        inspections.drop_constraint(op.f("fk_inspections_challenge_id_challenge_parts"), type_="foreignkey")
        for name in ("challenge_met", "challenge_id", "simulated"):
            inspections.drop_column(name)
    for table in ("line_holds", "challenge_parts"):
        allow_changes(op.get_bind(), table)
        op.drop_table(table)
