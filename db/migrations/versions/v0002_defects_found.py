"""What a view shows: the defects found in it, and how unlike the training set it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Rows of before have neither: NULL, as for a view that no network judged."""
    with op.batch_alter_table("findings") as findings:
        findings.add_column(sa.Column("defects", DOCUMENT, nullable=True))
        findings.add_column(sa.Column("novelty", sa.Double(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("findings") as findings:
        findings.drop_column("novelty")
        findings.drop_column("defects")
