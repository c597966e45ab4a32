"""Where a defect was seen in a view, for persons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"


def upgrade() -> None:
    op.add_column("findings", sa.Column("heat_png", sa.LargeBinary()))


def downgrade() -> None:
    op.drop_column("findings", "heat_png")
