"""Lines, lots, acknowledged alarms, snapshots of data sets, and training jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.append_only import forbid_changes
from db.columns import BigCount, Document, Key, UtcMoment

revision: str = "0012"
down_revision: str | None = "0011"

IS_ALARM = sa.text("severity = 'ALARM'")
JOB_STATES = "('QUEUED', 'LEASED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')"
HELD_STATES = "('LEASED', 'RUNNING')"
ENDED_STATES = "('SUCCEEDED', 'FAILED', 'CANCELLED')"
JOB_RULES = {
    "state": f"state IN {JOB_STATES}",
    "words": "recipe <> '' AND person <> '' AND reason <> ''",
    "attempts": "attempt >= 0 AND most_attempts >= 1 AND attempt <= most_attempts",
    "progress": "progress >= 0 AND progress <= 1",
    "lease_with_end": "(lease_owner IS NULL) = (lease_until IS NULL)",
    "held_by_somebody": f"(state IN {HELD_STATES}) = (lease_owner IS NOT NULL)",
    "ended": f"(state IN {ENDED_STATES}) = (ended_at IS NOT NULL)",
    "success_has_bundle": "(state = 'SUCCEEDED') = (bundle_id IS NOT NULL)",
}


def upgrade() -> None:
    _make_lines()
    _make_lots()
    _make_acknowledgements()
    _make_snapshots()
    _make_jobs()


def downgrade() -> None:
    op.drop_index(op.f("ix_training_jobs_state_queued_at"), table_name="training_jobs")
    op.drop_table("training_jobs")
    op.drop_index(op.f("ix_dataset_snapshots_recipe_made_at"), table_name="dataset_snapshots")
    op.drop_table("dataset_snapshots")
    op.drop_index("ix_events_alarms", table_name="events")
    op.drop_index(op.f("ix_acknowledgements_event_id"), table_name="acknowledgements")
    op.drop_table("acknowledgements")
    op.drop_index(op.f("ix_lots_opened_at"), table_name="lots")
    op.drop_table("lots")
    op.drop_table("line_places")
    op.drop_table("lines")


def _make_lines() -> None:
    op.create_table(
        "lines",
        sa.Column("name", sa.String(64), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_lines_name")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lines")),
    )
    op.create_table(
        "line_places",
        sa.Column("station", sa.String(64), nullable=False),
        sa.Column("line", sa.String(64), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.CheckConstraint("place >= 1", name=op.f("ck_line_places_place")),
        sa.ForeignKeyConstraint(["station"], ["stations.name"], name=op.f("fk_line_places_station_stations")),
        sa.ForeignKeyConstraint(["line"], ["lines.name"], name=op.f("fk_line_places_line_lines")),
        sa.PrimaryKeyConstraint("station", name=op.f("pk_line_places")),
        sa.UniqueConstraint("line", "place", name=op.f("uq_line_places_line_place")),
    )


def _make_lots() -> None:
    op.create_table(
        "lots",
        sa.Column("code", sa.String(128), nullable=False),
        sa.Column("recipe", sa.String(200), nullable=False),
        sa.Column("opened_at", UtcMoment(), nullable=False),
        sa.Column("opened_by", sa.String(64), nullable=False),
        sa.Column("closed_at", UtcMoment(), nullable=True),
        sa.Column("closed_by", sa.String(64), nullable=True),
        sa.CheckConstraint("code <> '' AND recipe <> '' AND opened_by <> ''", name=op.f("ck_lots_words")),
        sa.CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name=op.f("ck_lots_closed_by_somebody")),
        sa.PrimaryKeyConstraint("code", "recipe", name=op.f("pk_lots")),
    )
    op.create_index(op.f("ix_lots_opened_at"), "lots", ["opened_at"])


def _make_acknowledgements() -> None:
    op.create_table(
        "acknowledgements",
        sa.Column("audit_sequence", BigCount, autoincrement=False, nullable=False),
        sa.Column("event_id", Key(), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("person <> ''", name=op.f("ck_acknowledgements_person")),
        sa.ForeignKeyConstraint(
            ["audit_sequence"], ["audit_log.sequence"], name=op.f("fk_acknowledgements_audit_sequence_audit_log")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["events.event_id"], name=op.f("fk_acknowledgements_event_id_events")),
        sa.PrimaryKeyConstraint("audit_sequence", name=op.f("pk_acknowledgements")),
    )
    op.create_index(op.f("ix_acknowledgements_event_id"), "acknowledgements", ["event_id"])
    op.create_index("ix_events_alarms", "events", ["at"], sqlite_where=IS_ALARM, postgresql_where=IS_ALARM)
    forbid_changes(op.get_bind(), "acknowledgements")


def _make_snapshots() -> None:
    op.create_table(
        "dataset_snapshots",
        sa.Column("snapshot_id", Key(), nullable=False),
        sa.Column("recipe", sa.String(200), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("made_at", UtcMoment(), nullable=False),
        sa.Column("label_cutoff", UtcMoment(), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("counts", Document, nullable=False),
        sa.CheckConstraint("recipe <> '' AND person <> ''", name=op.f("ck_dataset_snapshots_words")),
        sa.PrimaryKeyConstraint("snapshot_id", name=op.f("pk_dataset_snapshots")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_dataset_snapshots_content_hash")),
    )
    op.create_index(op.f("ix_dataset_snapshots_recipe_made_at"), "dataset_snapshots", ["recipe", "made_at"])
    forbid_changes(op.get_bind(), "dataset_snapshots")


def _make_jobs() -> None:
    op.create_table(
        "training_jobs",
        sa.Column("job_id", Key(), nullable=False),
        sa.Column("recipe", sa.String(200), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("queued_at", UtcMoment(), nullable=False),
        sa.Column("settings", Document, nullable=False),
        sa.Column("parent_bundle_id", sa.String(64), nullable=True),
        sa.Column("snapshot_id", Key(), nullable=True),
        sa.Column("most_attempts", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(128), nullable=True),
        sa.Column("lease_until", UtcMoment(), nullable=True),
        sa.Column("heartbeat_at", UtcMoment(), nullable=True),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("bundle_id", sa.String(64), nullable=True),
        sa.Column("ended_at", UtcMoment(), nullable=True),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_training_jobs_{name}")) for name, rule in JOB_RULES.items()),
        sa.ForeignKeyConstraint(
            ["parent_bundle_id"], ["bundles.bundle_id"], name=op.f("fk_training_jobs_parent_bundle_id_bundles")
        ),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.bundle_id"], name=op.f("fk_training_jobs_bundle_id_bundles")),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["dataset_snapshots.snapshot_id"],
            name=op.f("fk_training_jobs_snapshot_id_dataset_snapshots"),
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_training_jobs")),
    )
    op.create_index(op.f("ix_training_jobs_state_queued_at"), "training_jobs", ["state", "queued_at"])
