"""First tables: stations, recipes, bundles, runs, images, inspections, findings, events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.columns import Key, UtcMoment

revision: str = "0001"
down_revision: str | None = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
BIG_COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
HAS_IMAGE = sa.text("image_sha256 IS NOT NULL")
IS_OPEN = sa.text("outcome IS NULL")
OUTCOMES = "outcome IN ('PASS', 'REJECT', 'REVIEW', 'NOT_INSPECTED')"
PROBABILITY = "defect_probability >= 0 AND defect_probability <= 1"
ENDED_WITH_CLEAN = "(ended_at IS NULL) = (clean IS NULL)"
COMPLETED_WITH_OUTCOME = "(outcome IS NULL) = (completed_at IS NULL)"
PASS_HAS_PROBABILITY = "outcome IS NULL OR outcome <> 'PASS' OR defect_probability IS NOT NULL"


def upgrade() -> None:
    _bundles_images_recipes_stations()
    _events()
    _runs()
    _inspections()
    _findings()


def downgrade() -> None:
    op.drop_table("findings")
    with op.batch_alter_table("inspections", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_inspections_triggered_at"))
        batch_op.drop_index("ix_inspections_open", sqlite_where=IS_OPEN, postgresql_where=IS_OPEN)
        batch_op.drop_index(
            batch_op.f("ix_inspections_image_sha256"),
            sqlite_where=HAS_IMAGE,
            postgresql_where=HAS_IMAGE,
        )

    op.drop_table("inspections")
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_runs_station_started_at"))

    op.drop_table("runs")
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_events_at"))

    op.drop_table("events")
    op.drop_table("stations")
    op.drop_table("recipes")
    op.drop_table("images")
    op.drop_table("bundles")


def _bundles_images_recipes_stations() -> None:
    op.create_table(
        "bundles",
        sa.Column("bundle_id", sa.String(length=64), nullable=False),
        sa.Column("task", sa.String(length=32), nullable=False),
        sa.Column(
            "classes",
            DOCUMENT,
            nullable=False,
        ),
        sa.Column(
            "manifest",
            DOCUMENT,
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("bundle_id", name=op.f("pk_bundles")),
    )
    op.create_table(
        "images",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size_bytes", BIG_COUNT, nullable=False),
        sa.Column("stored_at", UtcMoment(), nullable=False),
        sa.CheckConstraint("size_bytes > 0", name=op.f("ck_images_size_bytes")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_images")),
    )
    op.create_table(
        "recipes",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "revision", name=op.f("pk_recipes")),
    )
    op.create_table(
        "stations",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_stations")),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("event_id", Key(), nullable=False),
        sa.Column("station", sa.String(length=64), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.CheckConstraint("severity IN ('INFO', 'WARNING', 'ALARM')", name=op.f("ck_events_severity")),
        sa.ForeignKeyConstraint(["station"], ["stations.name"], name=op.f("fk_events_station_stations")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_events")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_events_at"), ["at"], unique=False)


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("station", sa.String(length=64), nullable=False),
        sa.Column("recipe", sa.String(length=200), nullable=False),
        sa.Column("recipe_revision", sa.String(length=64), nullable=False),
        sa.Column("bundle_id", sa.String(length=64), nullable=False),
        sa.Column("started_at", UtcMoment(), nullable=False),
        sa.Column("ended_at", UtcMoment(), nullable=True),
        sa.Column("clean", sa.Boolean(), nullable=True),
        sa.CheckConstraint(ENDED_WITH_CLEAN, name=op.f("ck_runs_ended_with_clean")),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.bundle_id"], name=op.f("fk_runs_bundle_id_bundles")),
        sa.ForeignKeyConstraint(
            ["recipe", "recipe_revision"],
            ["recipes.name", "recipes.revision"],
            name=op.f("fk_runs_recipe_recipe_revision_recipes"),
        ),
        sa.ForeignKeyConstraint(["station"], ["stations.name"], name=op.f("fk_runs_station_stations")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
    )
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_runs_station_started_at"), ["station", "started_at"], unique=False)


def _inspections() -> None:
    op.create_table(
        "inspections",
        sa.Column("part_id", Key(), nullable=False),
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("station", sa.String(length=64), nullable=False),
        sa.Column("recipe", sa.String(length=200), nullable=False),
        sa.Column("bundle_id", sa.String(length=64), nullable=False),
        sa.Column("trigger", BIG_COUNT, nullable=False),
        sa.Column("sequence", BIG_COUNT, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("triggered_at", UtcMoment(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column(
            "reasons",
            DOCUMENT,
            nullable=False,
        ),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("defect_probability", sa.Double(), nullable=True),
        sa.Column("latency_ms", sa.Double(), nullable=True),
        sa.Column("completed_at", UtcMoment(), nullable=True),
        sa.Column("image_sha256", sa.String(length=64), nullable=True),
        sa.CheckConstraint(OUTCOMES, name=op.f("ck_inspections_outcome")),
        sa.CheckConstraint(
            PASS_HAS_PROBABILITY,
            name=op.f("ck_inspections_pass_has_probability"),
        ),
        sa.CheckConstraint('"trigger" >= 1 AND sequence >= 0', name=op.f("ck_inspections_counts")),
        sa.CheckConstraint(COMPLETED_WITH_OUTCOME, name=op.f("ck_inspections_outcome_with_completed_at")),
        sa.CheckConstraint(PROBABILITY, name=op.f("ck_inspections_defect_probability")),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.bundle_id"], name=op.f("fk_inspections_bundle_id_bundles")),
        sa.ForeignKeyConstraint(["image_sha256"], ["images.sha256"], name=op.f("fk_inspections_image_sha256_images")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_inspections_run_id_runs")),
        sa.ForeignKeyConstraint(["station"], ["stations.name"], name=op.f("fk_inspections_station_stations")),
        sa.PrimaryKeyConstraint("part_id", name=op.f("pk_inspections")),
        sa.UniqueConstraint("run_id", "trigger", name=op.f("uq_inspections_run_id_trigger")),
    )
    with op.batch_alter_table("inspections", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_inspections_image_sha256"),
            ["image_sha256"],
            unique=False,
            sqlite_where=HAS_IMAGE,
            postgresql_where=HAS_IMAGE,
        )
        batch_op.create_index(
            "ix_inspections_open",
            ["run_id"],
            unique=False,
            sqlite_where=IS_OPEN,
            postgresql_where=IS_OPEN,
        )
        batch_op.create_index(batch_op.f("ix_inspections_triggered_at"), ["triggered_at"], unique=False)


def _findings() -> None:
    op.create_table(
        "findings",
        sa.Column("part_id", Key(), nullable=False),
        sa.Column("view", sa.Integer(), nullable=False),
        sa.Column("camera", sa.String(length=64), nullable=False),
        sa.Column("sequence", BIG_COUNT, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column(
            "reasons",
            DOCUMENT,
            nullable=False,
        ),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("defect_probability", sa.Double(), nullable=True),
        sa.Column("predicted_label", sa.Text(), nullable=True),
        sa.Column("predicted_probability", sa.Double(), nullable=True),
        sa.Column(
            "class_probabilities",
            DOCUMENT,
            nullable=True,
        ),
        sa.Column(
            "scores",
            DOCUMENT,
            nullable=True,
        ),
        sa.Column("focus", sa.Double(), nullable=False),
        sa.Column("brightness", sa.Double(), nullable=False),
        sa.Column("dark_share", sa.Double(), nullable=False),
        sa.Column("saturated_share", sa.Double(), nullable=False),
        sa.Column(
            "quality_faults",
            DOCUMENT,
            nullable=False,
        ),
        sa.Column(
            "timings_ms",
            DOCUMENT,
            nullable=False,
        ),
        sa.CheckConstraint(OUTCOMES, name=op.f("ck_findings_outcome")),
        sa.CheckConstraint(PROBABILITY, name=op.f("ck_findings_defect_probability")),
        sa.ForeignKeyConstraint(["part_id"], ["inspections.part_id"], name=op.f("fk_findings_part_id_inspections")),
        sa.PrimaryKeyConstraint("part_id", "view", name=op.f("pk_findings")),
    )
