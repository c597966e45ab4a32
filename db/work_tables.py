"""The tables of a plant's own work: its lines, its lots, alarms that persons have seen, and what is learned.

`db.plant_tables` has who decides and what was written down about it, `db.tables` what a line makes by itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.columns import BigCount, Document
from db.tables import Base, table_of

JOB_STATES = "('QUEUED', 'LEASED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')"
HELD_STATES = "('LEASED', 'RUNNING')"
ENDED_STATES = "('SUCCEEDED', 'FAILED', 'CANCELLED')"


class LineRow(Base):
    """Stations in order (`db.lines`)."""

    __tablename__ = "lines"
    __table_args__ = (CheckConstraint("name <> ''", name="name"),)

    name: Mapped[str] = mapped_column(String(64), primary_key=True)


class LinePlaceRow(Base):
    """Where a station stands. It belongs to one line at most."""

    __tablename__ = "line_places"
    __table_args__ = (UniqueConstraint("line", "place"), CheckConstraint("place >= 1", name="place"))

    station: Mapped[str] = mapped_column(ForeignKey("stations.name"), primary_key=True)
    line: Mapped[str] = mapped_column(ForeignKey("lines.name"))
    place: Mapped[int]
    """Counts from 1 in the order in which parts pass."""


class LotRow(Base):
    """Parts made together, as a person opened and closed them; parts name their lot themselves (`db.lots`)."""

    __tablename__ = "lots"
    __table_args__ = (
        CheckConstraint("code <> '' AND recipe <> '' AND opened_by <> ''", name="words"),
        CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name="closed_by_somebody"),
        UniqueConstraint("lot_id"),
        Index(None, "opened_at"),
    )

    code: Mapped[str] = mapped_column(String(128), primary_key=True)
    """What `inspections.lot` says."""
    recipe: Mapped[str] = mapped_column(String(200), primary_key=True)
    """A lot that passes stations of several recipes is opened for each."""
    lot_id: Mapped[UUID]
    """Tells a lot that was opened here from one of the same code that was opened elsewhere."""
    opened_at: Mapped[datetime]
    opened_by: Mapped[str] = mapped_column(String(64))
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(String(64))


class AcknowledgementRow(Base):
    """A person has seen an event. Append-only."""

    __tablename__ = "acknowledgements"
    __table_args__ = (CheckConstraint("person <> ''", name="person"), Index(None, "event_id"))

    audit_sequence: Mapped[int] = mapped_column(
        BigCount, ForeignKey("audit_log.sequence"), primary_key=True, autoincrement=False
    )
    """No acknowledgement without its row in the audit log."""
    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.event_id"))
    person: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    note: Mapped[str]


class StationAcknowledgementRow(Base):
    """A person has seen an event at the station's own screen; a copy at the plant. Append-only."""

    __tablename__ = "station_acknowledgements"
    __table_args__ = (CheckConstraint("person <> ''", name="person"),)

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.event_id"), primary_key=True)
    audit_sequence: Mapped[int] = mapped_column(BigCount, primary_key=True, autoincrement=False)
    """Of its row in the audit log of that station's file."""
    person: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    note: Mapped[str]


class SnapshotRow(Base):
    """A data set as it was frozen to be learned from (`db.snapshots`). Append-only."""

    __tablename__ = "dataset_snapshots"
    __table_args__ = (
        UniqueConstraint("content_hash"),
        CheckConstraint("recipe <> '' AND person <> ''", name="words"),
        Index(None, "recipe", "made_at"),
    )

    snapshot_id: Mapped[UUID] = mapped_column(primary_key=True)
    recipe: Mapped[str] = mapped_column(String(200))
    person: Mapped[str] = mapped_column(String(64))
    """Who had it made; a worker says so itself."""
    made_at: Mapped[datetime]
    label_cutoff: Mapped[datetime]
    """Labels given later are not in it."""
    content_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of `manifest`."""
    manifest: Mapped[str]
    """JSON as text, since a database's own JSON type would write 1.0 as 1 and lose the hash."""
    counts: Mapped[dict[str, Any]] = mapped_column(Document)


class TrainingJobRow(Base):
    """A training that is wanted, and how far it is (`db.jobs`). Never removed."""

    __tablename__ = "training_jobs"
    __table_args__ = (
        CheckConstraint(f"state IN {JOB_STATES}", name="state"),
        CheckConstraint("recipe <> '' AND person <> '' AND reason <> ''", name="words"),
        CheckConstraint("attempt >= 0 AND most_attempts >= 1 AND attempt <= most_attempts", name="attempts"),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress"),
        CheckConstraint("(lease_owner IS NULL) = (lease_until IS NULL)", name="lease_with_end"),
        CheckConstraint(f"(state IN {HELD_STATES}) = (lease_owner IS NOT NULL)", name="held_by_somebody"),
        CheckConstraint(f"(state IN {ENDED_STATES}) = (ended_at IS NOT NULL)", name="ended"),
        CheckConstraint("(state = 'SUCCEEDED') = (bundle_id IS NOT NULL)", name="success_has_bundle"),
        Index(None, "state", "queued_at"),
    )

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    recipe: Mapped[str] = mapped_column(String(200))
    person: Mapped[str] = mapped_column(String(64))
    """Who wants it, or which rule."""
    reason: Mapped[str]
    queued_at: Mapped[datetime]
    settings: Mapped[dict[str, Any]] = mapped_column(Document)
    """What the worker needs beyond the recipe's name: task, minutes, seed and the like."""
    parent_bundle_id: Mapped[str | None] = mapped_column(ForeignKey("bundles.bundle_id"))
    """The bundle that the new one is held against."""
    snapshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("dataset_snapshots.snapshot_id"))
    most_attempts: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    attempt: Mapped[int]
    """How often a worker has taken it."""
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    progress: Mapped[float]
    message: Mapped[str]
    """What it does, or why it ended."""
    bundle_id: Mapped[str | None] = mapped_column(ForeignKey("bundles.bundle_id"))
    """What came of it."""
    ended_at: Mapped[datetime | None]


LINES, LINE_PLACES, LOTS = table_of(LineRow), table_of(LinePlaceRow), table_of(LotRow)
ACKNOWLEDGEMENTS, STATION_ACKNOWLEDGEMENTS = table_of(AcknowledgementRow), table_of(StationAcknowledgementRow)
DATASET_SNAPSHOTS, TRAINING_JOBS = table_of(SnapshotRow), table_of(TrainingJobRow)
