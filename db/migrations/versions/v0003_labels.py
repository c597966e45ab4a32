"""Labels and their tasks, and how passed parts are drawn for audit. Rows are added, never changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.append_only import forbid_changes, forget_function
from db.columns import Key, UtcMoment

revision: str = "0003"
down_revision: str | None = "0002"

TABLES = ("audit_strata", "label_tasks", "labels")
IS_AUDIT = sa.text("kind = 'AUDIT'")
IS_ANSWER = sa.text("task_id IS NOT NULL AND supersedes IS NULL")
SHARE = "share > 0 AND share <= 1"
SCORES = "score_from >= 0 AND (score_below IS NULL OR score_below > score_from)"
KIND = "kind IN ('REVIEW', 'REPEAT', 'AUDIT')"
INCLUSION = "inclusion_probability > 0 AND inclusion_probability <= 1"
DRAWN = "kind = 'REVIEW' OR inclusion_probability IS NOT NULL"


def upgrade() -> None:
    _audit_strata()
    _label_tasks()
    _labels()
    for table in TABLES:
        forbid_changes(op.get_bind(), table)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    forget_function(op.get_bind())


def _audit_strata() -> None:
    op.create_table(
        "audit_strata",
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("stratum", sa.String(length=64), nullable=False),
        sa.Column("score_from", sa.Double(), nullable=False),
        sa.Column("score_below", sa.Double(), nullable=True),
        sa.Column("share", sa.Double(), nullable=False),
        sa.CheckConstraint(SHARE, name=op.f("ck_audit_strata_share")),
        sa.CheckConstraint(SCORES, name=op.f("ck_audit_strata_scores")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_audit_strata_run_id_runs")),
        sa.PrimaryKeyConstraint("run_id", "stratum", name=op.f("pk_audit_strata")),
    )


def _label_tasks() -> None:
    op.create_table(
        "label_tasks",
        sa.Column("task_id", Key(), nullable=False),
        sa.Column("part_id", Key(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.Column("inclusion_probability", sa.Double(), nullable=True),
        sa.Column("stratum", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcMoment(), nullable=False),
        sa.CheckConstraint(KIND, name=op.f("ck_label_tasks_kind")),
        sa.CheckConstraint(INCLUSION, name=op.f("ck_label_tasks_inclusion_probability")),
        sa.CheckConstraint(DRAWN, name=op.f("ck_label_tasks_draw_has_probability")),
        sa.ForeignKeyConstraint(["part_id"], ["inspections.part_id"], name=op.f("fk_label_tasks_part_id_inspections")),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_label_tasks")),
        sa.UniqueConstraint("task_id", "part_id", name=op.f("uq_label_tasks_task_id_part_id")),
    )
    with op.batch_alter_table("label_tasks") as tasks:
        tasks.create_index(
            "ix_label_tasks_audit", ["part_id"], unique=True, sqlite_where=IS_AUDIT, postgresql_where=IS_AUDIT
        )
        tasks.create_index(tasks.f("ix_label_tasks_kind_created_at"), ["kind", "created_at"], unique=False)


def _labels() -> None:
    op.create_table(
        "labels",
        sa.Column("label_id", Key(), nullable=False),
        sa.Column("part_id", Key(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("is_defect", sa.Boolean(), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("task_id", Key(), nullable=True),
        sa.Column("supersedes", Key(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("label <> '' AND person <> ''", name=op.f("ck_labels_words")),
        sa.CheckConstraint("supersedes IS NULL OR supersedes <> label_id", name=op.f("ck_labels_supersedes_another")),
        sa.ForeignKeyConstraint(["part_id"], ["inspections.part_id"], name=op.f("fk_labels_part_id_inspections")),
        sa.ForeignKeyConstraint(
            ["task_id", "part_id"],
            ["label_tasks.task_id", "label_tasks.part_id"],
            name=op.f("fk_labels_task_id_part_id_label_tasks"),
        ),
        sa.ForeignKeyConstraint(
            ["supersedes", "part_id"],
            ["labels.label_id", "labels.part_id"],
            name=op.f("fk_labels_supersedes_part_id_labels"),
        ),
        sa.PrimaryKeyConstraint("label_id", name=op.f("pk_labels")),
        sa.UniqueConstraint("label_id", "part_id", name=op.f("uq_labels_label_id_part_id")),
        sa.UniqueConstraint("supersedes", name=op.f("uq_labels_supersedes")),
    )
    with op.batch_alter_table("labels") as labels:
        labels.create_index(
            "ix_labels_answer", ["task_id"], unique=True, sqlite_where=IS_ANSWER, postgresql_where=IS_ANSWER
        )
        labels.create_index(labels.f("ix_labels_part_id_at"), ["part_id", "at"], unique=False)
        labels.create_index(labels.f("ix_labels_at"), ["at"], unique=False)
