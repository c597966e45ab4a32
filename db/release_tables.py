"""The tables of releases: a bundle on its way to the line, and every step that was taken (`db.release`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.columns import BigCount, Document
from db.tables import Base, table_of

STEP_KINDS = "('approve', 'shadow', 'end shadow', 'serve', 'back', 'released', 'refused', 'went back', 'halted')"


class ReleaseRow(Base):
    """A bundle that is to reach the line, and what was asked of it when that began. Append-only."""

    __tablename__ = "releases"
    __table_args__ = (
        CheckConstraint("bundle_path <> '' AND recipe <> '' AND person <> '' AND reason <> ''", name="words"),
        Index(None, "bundle_id"),
    )

    release_id: Mapped[UUID] = mapped_column(primary_key=True)
    bundle_id: Mapped[str] = mapped_column(ForeignKey("bundles.bundle_id"))
    bundle_path: Mapped[str]
    """Where every station finds it."""
    recipe: Mapped[str] = mapped_column(String(200))
    """What the first station served when it began; orders wait until a station serves it."""
    settings: Mapped[dict[str, Any]] = mapped_column(Document)
    """An `inspector.release.settings.ReleaseSettings`."""
    person: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str]
    at: Mapped[datetime]
    audit_sequence: Mapped[int] = mapped_column(BigCount, ForeignKey("audit_log.sequence"))


class ReleaseStepRow(Base):
    """A step of a release. Its number is taken once, whoever takes the step. Append-only."""

    __tablename__ = "release_steps"
    __table_args__ = (
        CheckConstraint(f"kind IN {STEP_KINDS}", name="kind"),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("person <> '' AND reason <> ''", name="words"),
        CheckConstraint("(kind IN ('shadow', 'end shadow', 'serve', 'back')) = (station IS NOT NULL)", name="ordered"),
    )

    release_id: Mapped[UUID] = mapped_column(ForeignKey("releases.release_id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    station: Mapped[str | None] = mapped_column(String(64))
    """To which an order is left; NULL: none."""
    before: Mapped[str | None] = mapped_column(String(64))
    """The bundle that served there when the step was taken: the way back."""
    person: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str]
    at: Mapped[datetime]
    audit_sequence: Mapped[int] = mapped_column(BigCount, ForeignKey("audit_log.sequence"))
    """No step without its row in the audit log."""


RELEASES, RELEASE_STEPS = table_of(ReleaseRow), table_of(ReleaseStepRow)
