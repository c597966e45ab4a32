"""Releases: a bundle on its way to the line, and every step that was taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.append_only import forbid_changes
from db.columns import BigCount, Document, Key, UtcMoment

revision: str = "0014"
down_revision: str | None = "0013"

STEP_KINDS = "('approve', 'shadow', 'end shadow', 'serve', 'back', 'released', 'refused', 'went back', 'halted')"
STEP_RULES = {
    "kind": f"kind IN {STEP_KINDS}",
    "number": "number >= 1",
    "words": "person <> '' AND reason <> ''",
    "ordered": "(kind IN ('shadow', 'end shadow', 'serve', 'back')) = (station IS NOT NULL)",
}


def upgrade() -> None:
    op.create_table(
        "releases",
        sa.Column("release_id", Key(), nullable=False),
        sa.Column("bundle_id", sa.String(64), nullable=False),
        sa.Column("bundle_path", sa.Text(), nullable=False),
        sa.Column("recipe", sa.String(200), nullable=False),
        sa.Column("settings", Document, nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("audit_sequence", BigCount, nullable=False),
        sa.CheckConstraint(
            "bundle_path <> '' AND recipe <> '' AND person <> '' AND reason <> ''", name=op.f("ck_releases_words")
        ),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.bundle_id"], name=op.f("fk_releases_bundle_id_bundles")),
        sa.ForeignKeyConstraint(
            ["audit_sequence"], ["audit_log.sequence"], name=op.f("fk_releases_audit_sequence_audit_log")
        ),
        sa.PrimaryKeyConstraint("release_id", name=op.f("pk_releases")),
    )
    op.create_index(op.f("ix_releases_bundle_id"), "releases", ["bundle_id"])
    op.create_table(
        "release_steps",
        sa.Column("release_id", Key(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("station", sa.String(64), nullable=True),
        sa.Column("before", sa.String(64), nullable=True),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("audit_sequence", BigCount, nullable=False),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_release_steps_{name}")) for name, rule in STEP_RULES.items()),
        sa.ForeignKeyConstraint(
            ["release_id"], ["releases.release_id"], name=op.f("fk_release_steps_release_id_releases")
        ),
        sa.ForeignKeyConstraint(
            ["audit_sequence"], ["audit_log.sequence"], name=op.f("fk_release_steps_audit_sequence_audit_log")
        ),
        sa.PrimaryKeyConstraint("release_id", "number", name=op.f("pk_release_steps")),
    )
    for table in ("releases", "release_steps"):
        forbid_changes(op.get_bind(), table)


def downgrade() -> None:
    op.drop_table("release_steps")
    op.drop_index(op.f("ix_releases_bundle_id"), table_name="releases")
    op.drop_table("releases")
