"""Indexes that screens and reports are answered from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

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


def downgrade() -> None:
    for name in ("ix_inspections_review", "ix_inspections_by_station"):
        op.drop_index(name, "inspections")
