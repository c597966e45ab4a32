"""Orders to a station, what served when, and verdicts of shadow bundles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.columns import BigCount, Document, Key, UtcMoment

revision: str = "0007"
down_revision: str | None = "0006"

KINDS = "('run', 'hold', 'recipe', 'bundle', 'shadow', 'rollback', 'self-test')"
OUTCOMES = "('PASS', 'REJECT', 'REVIEW', 'NOT_INSPECTED')"


def upgrade() -> None:
    """Runs of before 0007 have no row in `servings`: what they served cannot be rolled back to."""
    op.create_table(
        "orders",
        sa.Column("number", BigCount, nullable=False),
        sa.Column("station", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("actual", sa.Text(), nullable=False),
        sa.Column("settled_at", UtcMoment(), nullable=True),
        sa.CheckConstraint(f"kind IN {KINDS}", name=op.f("ck_orders_kind")),
        sa.CheckConstraint("state IN ('WANTED', 'DOING', 'DONE', 'REFUSED')", name=op.f("ck_orders_state")),
        sa.CheckConstraint("person <> '' AND reason <> ''", name=op.f("ck_orders_words")),
        sa.CheckConstraint("(state IN ('DONE', 'REFUSED')) = (settled_at IS NOT NULL)", name=op.f("ck_orders_settled")),
        sa.ForeignKeyConstraint(["station"], ["stations.name"], name=op.f("fk_orders_station_stations")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_orders")),
    )
    op.create_index(op.f("ix_orders_station_state"), "orders", ["station", "state"])
    op.create_table(
        "servings",
        sa.Column("number", BigCount, nullable=False),
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("bundle_path", sa.Text(), nullable=False),
        sa.Column("order_number", BigCount, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_servings_run_id_runs")),
        sa.ForeignKeyConstraint(["order_number"], ["orders.number"], name=op.f("fk_servings_order_number_orders")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_servings")),
        sa.UniqueConstraint("run_id", name=op.f("uq_servings_run_id")),
    )
    op.create_table(
        "shadow_verdicts",
        sa.Column("part_id", Key(), nullable=False),
        sa.Column("camera", sa.String(64), nullable=False),
        sa.Column("bundle_id", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reasons", Document, nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("defect_probability", sa.Double(), nullable=True),
        sa.Column("judged_at", UtcMoment(), nullable=False),
        sa.CheckConstraint(f"outcome IN {OUTCOMES}", name=op.f("ck_shadow_verdicts_outcome")),
        sa.ForeignKeyConstraint(
            ["part_id"], ["inspections.part_id"], name=op.f("fk_shadow_verdicts_part_id_inspections")
        ),
        sa.PrimaryKeyConstraint("part_id", "camera", "bundle_id", name=op.f("pk_shadow_verdicts")),
    )


def downgrade() -> None:
    op.drop_table("shadow_verdicts")
    op.drop_table("servings")
    op.drop_index(op.f("ix_orders_station_state"), table_name="orders")
    op.drop_table("orders")
