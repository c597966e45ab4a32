"""Images that are uploaded, dropped and why; monthly partitions of inspections and findings on PostgreSQL."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.columns import UtcMoment
from db.partitions import join, split

revision: str = "0010"
down_revision: str | None = "0009"

HAS_IMAGE = sa.text("image_sha256 IS NOT NULL")
IS_WAITING = sa.text("uploaded_at IS NULL AND drop_reason IS NULL")
WITH_REASON = "dropped_at IS NULL OR drop_reason IS NOT NULL"


def upgrade() -> None:
    with op.batch_alter_table("images") as images:
        images.add_column(sa.Column("uploaded_at", UtcMoment(), nullable=True))
        images.add_column(sa.Column("dropped_at", UtcMoment(), nullable=True))
        images.add_column(sa.Column("drop_reason", sa.Text(), nullable=True))
        images.create_check_constraint(op.f("ck_images_dropped_with_reason"), WITH_REASON)
    op.create_index(op.f("ix_images_stored_at"), "images", ["stored_at"])
    op.create_index(
        "ix_images_not_uploaded", "images", ["stored_at"], sqlite_where=IS_WAITING, postgresql_where=IS_WAITING
    )
    op.create_index(
        op.f("ix_findings_image_sha256"),
        "findings",
        ["image_sha256"],
        sqlite_where=HAS_IMAGE,
        postgresql_where=HAS_IMAGE,
    )
    op.create_index(op.f("ix_label_tasks_part_id"), "label_tasks", ["part_id"])
    split(op.get_bind())


def downgrade() -> None:
    """Rows of images that were dropped stay: their files are gone as before."""
    join(op.get_bind())
    op.drop_index(op.f("ix_label_tasks_part_id"), "label_tasks")
    op.drop_index(op.f("ix_findings_image_sha256"), "findings")
    op.drop_index("ix_images_not_uploaded", "images")
    op.drop_index(op.f("ix_images_stored_at"), "images")
    with op.batch_alter_table("images") as images:
        images.drop_constraint(op.f("ck_images_dropped_with_reason"), type_="check")
        images.drop_column("drop_reason")
        images.drop_column("dropped_at")
        images.drop_column("uploaded_at")
