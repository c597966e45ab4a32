"""The tables of what is wanted of a station from outside, what it serves, and what a shadow bundle says.

Orders and servings stay at the station; shadow verdicts are forwarded (`db.dispatch`).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.columns import BigCount, Document
from db.tables import OUTCOMES, Base, table_of

KINDS = "('run', 'hold', 'recipe', 'bundle', 'shadow', 'rollback', 'self-test')"


class OrderRow(Base):
    """What a person, or the plant, wants of a station, and what came of it (`db.orders`)."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint("state IN ('WANTED', 'DOING', 'DONE', 'REFUSED')", name="state"),
        CheckConstraint("person <> '' AND reason <> ''", name="words"),
        CheckConstraint("(state IN ('DONE', 'REFUSED')) = (settled_at IS NOT NULL)", name="settled"),
        Index(None, "station", "state"),
    )

    number: Mapped[int] = mapped_column(BigCount, primary_key=True)
    """Their order, whatever the clock does. Rows are never deleted."""
    station: Mapped[str] = mapped_column(ForeignKey("stations.name"))
    kind: Mapped[str] = mapped_column(String(16))
    wanted: Mapped[str]
    """Path of a bundle, or name of a recipe; empty for the other kinds."""
    person: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str]
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(8))
    actual: Mapped[str]
    """What is so now, or, where the order was refused, why; empty before."""
    settled_at: Mapped[datetime | None]


class ServingRow(Base):
    """Where the bundle of a run lay, and which order made it serve; written with the run."""

    __tablename__ = "servings"
    __table_args__ = (UniqueConstraint("run_id"),)

    number: Mapped[int] = mapped_column(BigCount, primary_key=True)
    """In which order they served."""
    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.run_id"))
    bundle_path: Mapped[str]
    order_number: Mapped[int | None] = mapped_column(BigCount, ForeignKey("orders.number"))
    """NULL: the station's configuration."""


class ShadowVerdictRow(Base):
    """What a bundle in the shadow said of a view of a part. Nothing acts on it and no figure counts it."""

    __tablename__ = "shadow_verdicts"
    __table_args__ = (CheckConstraint(f"outcome IN {OUTCOMES}", name="outcome"),)

    part_id: Mapped[UUID] = mapped_column(ForeignKey("inspections.part_id"), primary_key=True)
    camera: Mapped[str] = mapped_column(String(64), primary_key=True)
    bundle_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """It need not be in `bundles`, where those are that have served."""
    outcome: Mapped[str] = mapped_column(String(16))
    reasons: Mapped[list[str]] = mapped_column(Document)
    label: Mapped[str | None]
    defect_probability: Mapped[float | None]
    judged_at: Mapped[datetime]


ORDERS, SERVINGS, SHADOW_VERDICTS = table_of(OrderRow), table_of(ServingRow), table_of(ShadowVerdictRow)
