"""Parts as the plant calls them, an image of each view, and orders to a station."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.columns import Key, UtcMoment

revision: str = "0006"
down_revision: str | None = "0004"

TAGS = ("part_ref", "lot", "serial")
INDEXED = {"lot": sa.text("lot IS NOT NULL"), "serial": sa.text("serial IS NOT NULL")}
IS_WAITING = sa.text("taken_at IS NULL")


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
    _orders()


def downgrade() -> None:
    op.drop_table("orders")
    with op.batch_alter_table("findings") as findings:
        findings.drop_constraint(op.f("fk_findings_image_sha256_images"), type_="foreignkey")
        findings.drop_column("image_sha256")
    with op.batch_alter_table("inspections") as inspections:
        for name in INDEXED:
            inspections.drop_index(inspections.f(f"ix_inspections_{name}"))
        for name in reversed(TAGS):
            inspections.drop_column(name)


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("order_id", Key(), nullable=False),
        sa.Column("station", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("taken_at", UtcMoment(), nullable=True),
        sa.Column("answer", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(taken_at IS NULL) = (answer IS NULL)", name=op.f("ck_orders_taken_with_answer")),
        sa.CheckConstraint("answer IN ('DONE', 'REFUSED')", name=op.f("ck_orders_answer")),
        sa.ForeignKeyConstraint(["station"], ["stations.name"], name=op.f("fk_orders_station_stations")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_orders")),
    )
    with op.batch_alter_table("orders") as orders:
        orders.create_index(
            "ix_orders_waiting", ["station"], unique=False, sqlite_where=IS_WAITING, postgresql_where=IS_WAITING
        )
