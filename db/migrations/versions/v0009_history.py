"""Indexes that screens and reports are answered from, and leases of the review queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.columns import Key, UtcMoment

revision: str = "0009"
down_revision: str | None = "0008"

BY_STATION = ("station", "triggered_at", "outcome", "simulated", "challenge_id")
IS_REVIEW = sa.text("outcome = 'REVIEW'")


def upgrade() -> None:
    """Rows stay as they are; on a large database the indexes take a while."""
    op.create_index("ix_inspections_by_station", "inspections", list(BY_STATION))
    op.create_index(
        "ix_inspections_review", "inspections", ["triggered_at"], sqlite_where=IS_REVIEW, postgresql_where=IS_REVIEW
    )
    op.create_table(
        "review_leases",
        sa.Column("part_id", Key(), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("held_until", UtcMoment(), nullable=False),
        sa.CheckConstraint("person <> ''", name=op.f("ck_review_leases_person")),
        sa.ForeignKeyConstraint(
            ["part_id"], ["inspections.part_id"], name=op.f("fk_review_leases_part_id_inspections")
        ),
        sa.PrimaryKeyConstraint("part_id", name=op.f("pk_review_leases")),
    )


def downgrade() -> None:
    op.drop_table("review_leases")
    for name in ("ix_inspections_review", "ix_inspections_by_station"):
        op.drop_index(name, "inspections")
