"""Parts as the plant calls them, and an image of each view."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"

TAGS = ("part_ref", "lot", "serial")
INDEXED = {"lot": sa.text("lot IS NOT NULL"), "serial": sa.text("serial IS NOT NULL")}


def upgrade() -> None:
    """Rows of before have no tag, and no image but the part's own: NULL."""
    with op.batch_alter_table("inspections") as inspections:
        for name in TAGS:
            inspections.add_column(sa.Column(name, sa.String(length=128), nullable=True))
    with op.batch_alter_table("inspections") as inspections:
        for name, there in INDEXED.items():
            index = inspections.f(f"ix_inspections_{name}")
            inspections.create_index(index, [name], unique=False, sqlite_where=there, postgresql_where=there)
    with op.batch_alter_table("findings") as findings:
        findings.add_column(sa.Column("image_sha256", sa.String(length=64), nullable=True))
        findings.create_foreign_key(op.f("fk_findings_image_sha256_images"), "images", ["image_sha256"], ["sha256"])


def downgrade() -> None:
    with op.batch_alter_table("findings") as findings:
        findings.drop_constraint(op.f("fk_findings_image_sha256_images"), type_="foreignkey")
        findings.drop_column("image_sha256")
    with op.batch_alter_table("inspections") as inspections:
        for name in INDEXED:
            inspections.drop_index(inspections.f(f"ix_inspections_{name}"))
        for name in reversed(TAGS):
            inspections.drop_column(name)
