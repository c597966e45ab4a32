"""The plant: its audit log, and what persons decide about recipes and bundles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.append_only import allow_changes, end_any_time, end_once, forbid_changes
from db.columns import BigCount, Key, UtcMoment
from db.dispatch import stop_keeping

revision: str = "0005"
down_revision: str | None = "0004"

APPEND_ONLY = ("recipes", "audit_log", "audit_checkpoints", "recipe_revisions", "bundle_states")
NEW = (
    "audit_log",
    "audit_checkpoints",
    "recipe_revisions",
    "bundle_states",
    "dispatch",
    "parked_rows",
    "forwarding_terms",
    "accounts",
    "sessions",
)


def upgrade() -> None:
    _audit()
    _recipe_revisions()
    _bundle_states()
    _forwarding()
    _accounts()
    for table in APPEND_ONLY:
        forbid_changes(op.get_bind(), table)
    end_once(op.get_bind())


def downgrade() -> None:
    stop_keeping(op.get_bind())
    end_any_time(op.get_bind())
    allow_changes(op.get_bind(), "recipes")
    for table in reversed(NEW):
        op.drop_table(table)


def _audit() -> None:
    op.create_table(
        "audit_log",
        sa.Column("sequence", BigCount, autoincrement=False, nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=True),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_audit_log_sequence")),
        sa.CheckConstraint("person <> '' AND action <> '' AND subject <> ''", name=op.f("ck_audit_log_words")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_subject"), "audit_log", ["subject"])
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", BigCount, autoincrement=False, nullable=False),
        sa.Column("first", BigCount, nullable=False),
        sa.Column("last", BigCount, nullable=False),
        sa.Column("hashes", sa.Text(), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("previous", sa.String(128), nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.CheckConstraint("number >= 1 AND first >= 1 AND last >= first", name=op.f("ck_audit_checkpoints_counts")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_checkpoints")),
    )


def _recipe_revisions() -> None:
    op.create_table(
        "recipe_revisions",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("second_person", sa.String(64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("audit_sequence", BigCount, nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_recipe_revisions_number")),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_recipe_revisions_reason")),
        sa.CheckConstraint(
            "second_person IS NULL OR second_person <> person",
            name=op.f("ck_recipe_revisions_second_person_is_another"),
        ),
        sa.ForeignKeyConstraint(
            ["name", "revision"],
            ["recipes.name", "recipes.revision"],
            name=op.f("fk_recipe_revisions_name_revision_recipes"),
        ),
        sa.ForeignKeyConstraint(
            ["audit_sequence"], ["audit_log.sequence"], name=op.f("fk_recipe_revisions_audit_sequence_audit_log")
        ),
        sa.PrimaryKeyConstraint("name", "number", name=op.f("pk_recipe_revisions")),
    )


def _bundle_states() -> None:
    op.create_table(
        "bundle_states",
        sa.Column("audit_sequence", BigCount, autoincrement=False, nullable=False),
        sa.Column("bundle_id", sa.String(64), nullable=False),
        sa.Column("station", sa.String(64), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('CANDIDATE', 'APPROVED', 'SHADOW', 'SERVING', 'RETIRED', 'REFUSED')",
            name=op.f("ck_bundle_states_state"),
        ),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_bundle_states_reason")),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.bundle_id"], name=op.f("fk_bundle_states_bundle_id_bundles")),
        sa.ForeignKeyConstraint(["station"], ["stations.name"], name=op.f("fk_bundle_states_station_stations")),
        sa.ForeignKeyConstraint(
            ["audit_sequence"], ["audit_log.sequence"], name=op.f("fk_bundle_states_audit_sequence_audit_log")
        ),
        sa.PrimaryKeyConstraint("audit_sequence", name=op.f("pk_bundle_states")),
    )
    op.create_index(op.f("ix_bundle_states_bundle_id_audit_sequence"), "bundle_states", ["bundle_id", "audit_sequence"])


def _forwarding() -> None:
    op.create_table(
        "dispatch",
        sa.Column("number", BigCount, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("key", Key(), nullable=False),
        sa.CheckConstraint("kind IN ('run', 'part', 'event', 'end')", name=op.f("ck_dispatch_kind")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_dispatch")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "parked_rows",
        sa.Column("station", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("key", Key(), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("station", "kind", "key", name=op.f("pk_parked_rows")),
    )
    terms = op.create_table(
        "forwarding_terms",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("oldest_station", sa.String(32), nullable=False),
        sa.CheckConstraint("number = 1", name=op.f("ck_forwarding_terms_one_row")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_forwarding_terms")),
    )
    op.bulk_insert(terms, [{"number": 1, "oldest_station": "0005"}])


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", Key(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("created_at", UtcMoment(), nullable=False),
        sa.Column("password_at", UtcMoment(), nullable=False),
        sa.Column("disabled_at", UtcMoment(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", UtcMoment(), nullable=True),
        sa.CheckConstraint("role IN ('operator', 'engineer', 'quality', 'admin')", name=op.f("ck_accounts_role")),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_accounts_failures")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
    )
    op.create_table(
        "sessions",
        sa.Column("session_id", Key(), nullable=False),
        sa.Column("account_id", Key(), nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("began_at", UtcMoment(), nullable=False),
        sa.Column("seen_at", UtcMoment(), nullable=False),
        sa.Column("ended_at", UtcMoment(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_sessions_account_id_accounts")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token", name=op.f("uq_sessions_token")),
    )
    op.create_index(op.f("ix_sessions_account_id"), "sessions", ["account_id"])
