"""In which order parts are told, and how far each output has told them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.columns import BigCount, Key, UtcMoment

revision: str = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("position", BigCount, nullable=False),
        sa.Column("part_id", Key(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["part_id"], ["inspections.part_id"], name=op.f("fk_outbox_part_id_inspections")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox")),
        sa.UniqueConstraint("part_id", name=op.f("uq_outbox_part_id")),
    )
    op.create_table(
        "deliveries",
        sa.Column("station", sa.String(length=64), nullable=False),
        sa.Column("output", sa.String(length=64), nullable=False),
        sa.Column("position", BigCount, nullable=False),
        sa.Column("delivered", BigCount, nullable=False),
        sa.Column("updated_at", UtcMoment(), nullable=False),
        sa.CheckConstraint("position >= 0 AND delivered >= 0", name=op.f("ck_deliveries_counts")),
        sa.PrimaryKeyConstraint("station", "output", name=op.f("pk_deliveries")),
    )


def downgrade() -> None:
    op.drop_table("deliveries")
    op.drop_table("outbox")
