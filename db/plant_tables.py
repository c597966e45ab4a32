"""The tables of a plant: what persons decide, who they are, and what was written down about it.

`db.tables` has what a line makes by itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db import order_tables, release_tables, work_tables  # noqa: F401 - their tables are of the schema too
from db.columns import BigCount, Document
from db.tables import Base, table_of

STATES = "('CANDIDATE', 'APPROVED', 'SHADOW', 'SERVING', 'RETIRED', 'REFUSED')"

ROLES = "('operator', 'engineer', 'quality', 'admin')"


class AuditLogRow(Base):
    """One change, chained to the one before by its hash. Append-only."""

    __tablename__ = "audit_log"
    __table_args__ = (
        CheckConstraint("sequence >= 1", name="sequence"),
        CheckConstraint("person <> '' AND action <> '' AND subject <> ''", name="words"),
        Index(None, "subject"),
    )

    sequence: Mapped[int] = mapped_column(BigCount, primary_key=True, autoincrement=False)
    """Counts from 1 without a gap."""
    at: Mapped[datetime]
    person: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(300))
    reason: Mapped[str]
    old: Mapped[str | None]
    """JSON as text, since a database's own JSON type would write 1.0 as 1 and lose the hash."""
    new: Mapped[str | None]
    previous: Mapped[str] = mapped_column(String(64))
    """`hash` of the row before; zeros in the first."""
    hash: Mapped[str] = mapped_column(String(64))


class AuditCheckpointRow(Base):
    """A signature over a stretch of the audit log. Append-only."""

    __tablename__ = "audit_checkpoints"
    __table_args__ = (CheckConstraint("number >= 1 AND first >= 1 AND last >= first", name="counts"),)

    number: Mapped[int] = mapped_column(BigCount, primary_key=True, autoincrement=False)
    first: Mapped[int] = mapped_column(BigCount)
    last: Mapped[int] = mapped_column(BigCount)
    hashes: Mapped[str]
    """Those of the rows from `first` to `last`, one after the other, 64 digits each."""
    at: Mapped[datetime]
    key_id: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the public key."""
    previous: Mapped[str] = mapped_column(String(128))
    """`signature` of the checkpoint before; empty in the first."""
    signature: Mapped[str] = mapped_column(String(128))


class RecipeRevisionRow(Base):
    """A recipe as a person saved it, counted by name. Append-only; the text is in `recipes`."""

    __tablename__ = "recipe_revisions"
    __table_args__ = (
        ForeignKeyConstraint(["name", "revision"], ["recipes.name", "recipes.revision"]),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("reason <> ''", name="reason"),
        CheckConstraint("second_person IS NULL OR second_person <> person", name="second_person_is_another"),
    )

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    person: Mapped[str] = mapped_column(String(64))
    second_person: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str]
    audit_sequence: Mapped[int] = mapped_column(BigCount, ForeignKey("audit_log.sequence"))
    """No revision without its row in the audit log."""


class BundleStateRow(Base):
    """What a person, or the gate, made of a bundle. The newest row of a bundle and station holds. Append-only."""

    __tablename__ = "bundle_states"
    __table_args__ = (
        CheckConstraint(f"state IN {STATES}", name="state"),
        CheckConstraint("reason <> ''", name="reason"),
        Index(None, "bundle_id", "audit_sequence"),
    )

    audit_sequence: Mapped[int] = mapped_column(
        BigCount, ForeignKey("audit_log.sequence"), primary_key=True, autoincrement=False
    )
    """No state without its row in the audit log, and the order of states."""
    bundle_id: Mapped[str] = mapped_column(ForeignKey("bundles.bundle_id"))
    station: Mapped[str | None] = mapped_column(ForeignKey("stations.name"))
    """Where it holds; NULL: everywhere."""
    state: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]
    person: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str]


class DispatchRow(Base):
    """What a station has still to forward to its plant, in the order in which it was written (`db.dispatch`)."""

    __tablename__ = "dispatch"
    __table_args__ = (
        CheckConstraint("kind IN ('run', 'part', 'event', 'end', 'shadow', 'lot', 'seen')", name="kind"),
        {"sqlite_autoincrement": True},  # numbers never come twice, also when all rows are gone
    )

    number: Mapped[int] = mapped_column(BigCount, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    key: Mapped[UUID]


class ParkedRow(Base):
    """What a station forwarded and the plant's rules refused, with the reason: nothing is lost, nothing is held up."""

    __tablename__ = "parked_rows"

    station: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    key: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    reason: Mapped[str]
    content: Mapped[str]
    """The rows as JSON text, by table."""


class ForwardingTermsRow(Base):
    """Which stations a plant takes rows from. One row, written by the migrations."""

    __tablename__ = "forwarding_terms"
    __table_args__ = (CheckConstraint("number = 1", name="one_row"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    oldest_station: Mapped[str] = mapped_column(String(32))
    """The oldest schema revision of a station whose rows the tables still take."""


class AccountRow(Base):
    """A person who may sign in. Never removed, since the audit log names it: it is disabled."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("name"),
        CheckConstraint(f"role IN {ROLES}", name="role"),
        CheckConstraint("failures >= 0", name="failures"),
    )

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    """What the person signs in with, and what labels and the audit log say."""
    full_name: Mapped[str]
    role: Mapped[str] = mapped_column(String(16))
    password: Mapped[str]
    """argon2id, encoded with its parameters and salt."""
    created_at: Mapped[datetime]
    password_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    failures: Mapped[int]
    """Wrong passwords since the last right one."""
    locked_until: Mapped[datetime | None]


class SessionRow(Base):
    """A person signed in at a screen. Its token is known to that screen alone; here is its SHA-256."""

    __tablename__ = "sessions"
    __table_args__ = (UniqueConstraint("token"), Index(None, "account_id"))

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.account_id"))
    token: Mapped[str] = mapped_column(String(64))
    place: Mapped[str]
    """Which screen."""
    began_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class LabelLeaseRow(Base):
    """A part that somebody has in hand at a screen, until then (`db.leases`)."""

    __tablename__ = "label_leases"
    __table_args__ = (Index(None, "until"),)

    part_id: Mapped[UUID] = mapped_column(ForeignKey("inspections.part_id"), primary_key=True)
    holder: Mapped[UUID]
    """The session of the screen."""
    person: Mapped[str] = mapped_column(String(64))
    until: Mapped[datetime]


class LabelMarkRow(Base):
    """What was drawn with a label. Append-only."""

    __tablename__ = "label_marks"

    label_id: Mapped[UUID] = mapped_column(ForeignKey("labels.label_id"), primary_key=True)
    drawing: Mapped[dict[str, Any]] = mapped_column(Document)
    """An `inspector.drawn.Drawing`: shapes in frame pixels."""


AUDIT_LOG, AUDIT_CHECKPOINTS = table_of(AuditLogRow), table_of(AuditCheckpointRow)
RECIPE_REVISIONS, BUNDLE_STATES = table_of(RecipeRevisionRow), table_of(BundleStateRow)
DISPATCH, PARKED_ROWS, FORWARDING_TERMS = table_of(DispatchRow), table_of(ParkedRow), table_of(ForwardingTermsRow)
ACCOUNTS, SESSIONS = table_of(AccountRow), table_of(SessionRow)
LABEL_LEASES, LABEL_MARKS = table_of(LabelLeaseRow), table_of(LabelMarkRow)

METADATA = Base.metadata
"""Every table of the schema."""
