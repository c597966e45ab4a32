"""Who has a part in hand, and what is drawn with a label."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.append_only import forbid_changes
from db.columns import Document, Key, UtcMoment

revision: str = "0011"
down_revision: str | None = "0010"


def upgrade() -> None:
    op.create_table(
        "label_leases",
        sa.Column("part_id", Key(), nullable=False),
        sa.Column("holder", Key(), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("until", UtcMoment(), nullable=False),
        sa.ForeignKeyConstraint(["part_id"], ["inspections.part_id"], name=op.f("fk_label_leases_part_id_inspections")),
        sa.PrimaryKeyConstraint("part_id", name=op.f("pk_label_leases")),
    )
    op.create_index(op.f("ix_label_leases_until"), "label_leases", ["until"])
    op.create_table(
        "label_marks",
        sa.Column("label_id", Key(), nullable=False),
        sa.Column("drawing", Document, nullable=False),
        sa.ForeignKeyConstraint(["label_id"], ["labels.label_id"], name=op.f("fk_label_marks_label_id_labels")),
        sa.PrimaryKeyConstraint("label_id", name=op.f("pk_label_marks")),
    )
    forbid_changes(op.get_bind(), "label_marks")


def downgrade() -> None:
    op.drop_table("label_marks")
    op.drop_table("label_leases")
