"""What a plant learns from its parts: snapshots of data sets, and training jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.append_only import forbid_changes
from db.columns import Document, Key, UtcMoment

revision: str = "0012"
down_revision: str | None = "0011"

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
    _make_snapshots()
    _make_jobs()


def downgrade() -> None:
    op.drop_index(op.f("ix_training_jobs_state_queued_at"), table_name="training_jobs")
    op.drop_table("training_jobs")
    op.drop_index(op.f("ix_dataset_snapshots_recipe_made_at"), table_name="dataset_snapshots")
    op.drop_table("dataset_snapshots")


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
