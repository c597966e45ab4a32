"""The tables. Times are UTC, keys are UUIDs of version 7, every constraint has a name that both engines agree on."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.columns import BigCount, Document, Key, UtcMoment

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

IS_OPEN = text("outcome IS NULL")
HAS_IMAGE = text("image_sha256 IS NOT NULL")
HAS_LOT = text("lot IS NOT NULL")
HAS_SERIAL = text("serial IS NOT NULL")
IS_REVIEW = text("outcome = 'REVIEW'")
IS_STOPPED = text("outcome IN ('REJECT', 'REVIEW')")
IS_WAITING = text("uploaded_at IS NULL AND drop_reason IS NULL")
IS_CHALLENGE = text("challenge_id IS NOT NULL")
IS_AUDIT = text("kind = 'AUDIT'")
IS_ALARM = text("severity = 'ALARM'")
IS_ANSWER = text("task_id IS NOT NULL AND supersedes IS NULL")
BY_STATION = ("station", "triggered_at", "outcome", "simulated", "challenge_id")
"""It holds all that counts of a station are made of: the rows are not read (docs/queries.md)."""
OUTCOMES = "('PASS', 'REJECT', 'REVIEW', 'NOT_INSPECTED')"


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - read by the declarative base
        UUID: Key,
        datetime: UtcMoment,
        str: Text,
        int: Integer,
        float: Double,
        bool: Boolean,
    }


class StationRow(Base):
    """One box with cameras."""

    __tablename__ = "stations"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)


class RecipeRow(Base):
    """One revision of a recipe, kept word for word; a changed recipe is a further row."""

    __tablename__ = "recipes"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    revision: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Hash of the text."""
    text: Mapped[str]


class BundleRow(Base):
    """A bundle that has served, known by the hash of its content."""

    __tablename__ = "bundles"

    bundle_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    task: Mapped[str] = mapped_column(String(32))
    classes: Mapped[list[str]] = mapped_column(Document)
    manifest: Mapped[dict[str, Any]] = mapped_column(Document)


class RunRow(Base):
    """A station's work with one recipe and one bundle. Running while `ended_at` is NULL."""

    __tablename__ = "runs"
    __table_args__ = (
        ForeignKeyConstraint(["recipe", "recipe_revision"], ["recipes.name", "recipes.revision"]),
        CheckConstraint("(ended_at IS NULL) = (clean IS NULL)", name="ended_with_clean"),
        Index(None, "station", "started_at"),
    )

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    station: Mapped[str] = mapped_column(ForeignKey("stations.name"))
    recipe: Mapped[str] = mapped_column(String(200))
    recipe_revision: Mapped[str] = mapped_column(String(64))
    bundle_id: Mapped[str] = mapped_column(ForeignKey("bundles.bundle_id"))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    clean: Mapped[bool | None]
    """False where the station died and the next start closed the run."""


class ImageRow(Base):
    """An image file in the store. Registered before, or with, the row that points to it."""

    __tablename__ = "images"
    __table_args__ = (
        CheckConstraint("size_bytes > 0", name="size_bytes"),
        CheckConstraint("dropped_at IS NULL OR drop_reason IS NOT NULL", name="dropped_with_reason"),
        Index(None, "stored_at"),
        Index("ix_images_not_uploaded", "stored_at", sqlite_where=IS_WAITING, postgresql_where=IS_WAITING),
    )

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    path: Mapped[str]
    """Relative to the root of the store, with forward slashes."""
    size_bytes: Mapped[int] = mapped_column(BigCount)
    stored_at: Mapped[datetime]
    uploaded_at: Mapped[datetime | None]
    """When the plant's store had it (`db.remote_images`)."""
    dropped_at: Mapped[datetime | None]
    """When a sweep removed the file (`db.sweep`). The row stays, and says why."""
    drop_reason: Mapped[str | None]
    """Alone, without `dropped_at`: a sweep is about to."""


class ChallengePartRow(Base):
    """A part of known truth. Append-only: of rows with one code the newest holds."""

    __tablename__ = "challenge_parts"
    __table_args__ = (
        CheckConstraint("expected IN ('PASS', 'REJECT', 'REVIEW')", name="expected"),
        CheckConstraint("code <> '' AND registered_by <> ''", name="words"),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="validity"),
        Index(None, "station", "code"),
    )

    challenge_id: Mapped[UUID] = mapped_column(primary_key=True)
    station: Mapped[str] = mapped_column(ForeignKey("stations.name"))
    code: Mapped[str] = mapped_column(String(128))
    """Its serial number, or its id in the plant's own numbering."""
    expected: Mapped[str] = mapped_column(String(16))
    label: Mapped[str | None]
    """The defect class that it must be given; NULL: any."""
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    registered_by: Mapped[str] = mapped_column(String(64))
    registered_at: Mapped[datetime]
    note: Mapped[str]


class LineHoldRow(Base):
    """A station's line was held, or released. Append-only; the newest row of a station holds."""

    __tablename__ = "line_holds"
    __table_args__ = (CheckConstraint("reason <> ''", name="reason"),)

    number: Mapped[int] = mapped_column(BigCount, primary_key=True)
    """The order, whatever the clock does."""
    station: Mapped[str] = mapped_column(ForeignKey("stations.name"))
    at: Mapped[datetime]
    held: Mapped[bool]
    reason: Mapped[str]
    person: Mapped[str | None] = mapped_column(String(64))
    """Who released it; NULL where the line did so by itself."""
    recipe: Mapped[str] = mapped_column(String(200))
    bundle_id: Mapped[str] = mapped_column(String(64))


class InspectionRow(Base):
    """One part. Open while `outcome` is NULL; completed once, then never changed."""

    __tablename__ = "inspections"
    __table_args__ = (
        # On PostgreSQL each monthly partition has it for itself (`db.partitions`).
        UniqueConstraint("run_id", "trigger").ddl_if(dialect="sqlite"),
        CheckConstraint(f"outcome IN {OUTCOMES}", name="outcome"),
        CheckConstraint("(outcome IS NULL) = (completed_at IS NULL)", name="outcome_with_completed_at"),
        CheckConstraint(
            "outcome IS NULL OR outcome <> 'PASS' OR defect_probability IS NOT NULL", name="pass_has_probability"
        ),
        CheckConstraint("defect_probability >= 0 AND defect_probability <= 1", name="defect_probability"),
        CheckConstraint('"trigger" >= 1 AND sequence >= 0', name="counts"),
        Index(None, "triggered_at"),
        Index("ix_inspections_by_station", *BY_STATION),
        Index("ix_inspections_review", "triggered_at", sqlite_where=IS_REVIEW, postgresql_where=IS_REVIEW),
        Index("ix_inspections_stopped", "triggered_at", sqlite_where=IS_STOPPED, postgresql_where=IS_STOPPED),
        Index("ix_inspections_open", "run_id", sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
        Index(None, "image_sha256", sqlite_where=HAS_IMAGE, postgresql_where=HAS_IMAGE),
        Index(None, "lot", sqlite_where=HAS_LOT, postgresql_where=HAS_LOT),
        Index(None, "serial", sqlite_where=HAS_SERIAL, postgresql_where=HAS_SERIAL),
        CheckConstraint("challenge_met IS NULL OR challenge_id IS NOT NULL", name="met_is_of_a_challenge"),
        Index(None, "challenge_id", sqlite_where=IS_CHALLENGE, postgresql_where=IS_CHALLENGE),
    )

    part_id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.run_id"))
    station: Mapped[str] = mapped_column(ForeignKey("stations.name"))
    recipe: Mapped[str] = mapped_column(String(200))
    bundle_id: Mapped[str] = mapped_column(ForeignKey("bundles.bundle_id"))
    trigger: Mapped[int] = mapped_column(BigCount)
    sequence: Mapped[int] = mapped_column(BigCount)
    """Frame sequence number that the trigger announced."""
    source: Mapped[str]
    part_ref: Mapped[str | None] = mapped_column(String(128))
    """The part's id in the plant's own numbering, as it came with the trigger."""
    lot: Mapped[str | None] = mapped_column(String(128))
    serial: Mapped[str | None] = mapped_column(String(128))
    triggered_at: Mapped[datetime]
    outcome: Mapped[str | None] = mapped_column(String(16))
    reasons: Mapped[list[str]] = mapped_column(Document)
    label: Mapped[str | None]
    defect_probability: Mapped[float | None]
    latency_ms: Mapped[float | None]
    completed_at: Mapped[datetime | None]
    image_sha256: Mapped[str | None] = mapped_column(ForeignKey("images.sha256"))
    """Of several views' images, that of one which says what the part's verdict says."""
    simulated: Mapped[bool] = mapped_column(server_default=false())
    """Not of production: a rendered part, or one of known truth."""
    challenge_id: Mapped[UUID | None] = mapped_column(ForeignKey("challenge_parts.challenge_id"))
    """The part of known truth that this one is: no count of production has it (`IS_PRODUCTION`)."""
    challenge_met: Mapped[bool | None]
    """Whether it was judged as it had to be; NULL for any other part, and for one that nobody judged."""


class FindingRow(Base):
    """One view of a part, judged. Columns from `predicted_label` to `novelty` are NULL where no network judged it."""

    __tablename__ = "findings"
    __table_args__ = (
        CheckConstraint(f"outcome IN {OUTCOMES}", name="outcome"),
        CheckConstraint("defect_probability >= 0 AND defect_probability <= 1", name="defect_probability"),
        Index(None, "image_sha256", sqlite_where=HAS_IMAGE, postgresql_where=HAS_IMAGE),
    )

    part_id: Mapped[UUID] = mapped_column(ForeignKey("inspections.part_id"), primary_key=True)
    view: Mapped[int] = mapped_column(primary_key=True)
    """Counts from 0 in the order of the part's views."""
    camera: Mapped[str] = mapped_column(String(64))
    sequence: Mapped[int] = mapped_column(BigCount)
    source: Mapped[str]
    outcome: Mapped[str] = mapped_column(String(16))
    reasons: Mapped[list[str]] = mapped_column(Document)
    label: Mapped[str | None]
    defect_probability: Mapped[float | None]
    predicted_label: Mapped[str | None]
    predicted_probability: Mapped[float | None]
    """The network's calibrated defect probability, also where the verdict did not use it."""
    class_probabilities: Mapped[list[float] | None] = mapped_column(Document)
    scores: Mapped[list[float] | None] = mapped_column(Document)
    defects: Mapped[list[dict[str, Any]] | None] = mapped_column(Document)
    """Each defect that was found: fields of `inspector.values.Finding`, in frame pixels."""
    novelty: Mapped[float | None]
    focus: Mapped[float]
    brightness: Mapped[float]
    dark_share: Mapped[float]
    saturated_share: Mapped[float]
    quality_faults: Mapped[list[str]] = mapped_column(Document)
    timings_ms: Mapped[dict[str, float]] = mapped_column(Document)
    image_sha256: Mapped[str | None] = mapped_column(ForeignKey("images.sha256"))
    """The view's stored image; NULL where none was kept, and in rows of before migration 6."""
    heat_png: Mapped[bytes | None]
    """Where the defect was seen, a small grey PNG over the whole frame; for views that did not pass."""


class EventRow(Base):
    """Something that happened at a station and is no part: a fault, a start, a change."""

    __tablename__ = "events"
    __table_args__ = (
        CheckConstraint("severity IN ('INFO', 'WARNING', 'ALARM')", name="severity"),
        Index(None, "at"),
        Index("ix_events_alarms", "at", sqlite_where=IS_ALARM, postgresql_where=IS_ALARM),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    station: Mapped[str] = mapped_column(ForeignKey("stations.name"))
    at: Mapped[datetime]
    severity: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(64))
    message: Mapped[str]


class OutboxRow(Base):
    """A part's place in the order in which parts are told: that of their openings. Written when the part is opened."""

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("part_id"),)

    position: Mapped[int] = mapped_column(BigCount, primary_key=True)
    """Rises from part to part; of another station's parts some may lie between. Whoever deletes rows leaves the newest:
    SQLite gives the number behind the largest that is there."""
    part_id: Mapped[UUID] = mapped_column(ForeignKey("inspections.part_id"))


class DeliveryRow(Base):
    """How far an output of a station has told its peer. An output begins behind the parts that were there before it."""

    __tablename__ = "deliveries"
    __table_args__ = (CheckConstraint("position >= 0 AND delivered >= 0", name="counts"),)

    station: Mapped[str] = mapped_column(String(64), primary_key=True)
    output: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[int] = mapped_column(BigCount)
    """The last place in `outbox` that was told."""
    delivered: Mapped[int] = mapped_column(BigCount)
    """How many parts were told since the output was there."""
    updated_at: Mapped[datetime]


class AuditStratumRow(Base):
    """How the passes of a run are drawn for audit: those with `score_from <= defect_probability < score_below`.

    Written with the run. It tells how many parts could be drawn, which the drawn ones alone do not. Append-only.
    """

    __tablename__ = "audit_strata"
    __table_args__ = (
        CheckConstraint("share > 0 AND share <= 1", name="share"),
        CheckConstraint("score_from >= 0 AND (score_below IS NULL OR score_below > score_from)", name="scores"),
    )

    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    stratum: Mapped[str] = mapped_column(String(64), primary_key=True)
    score_from: Mapped[float]
    score_below: Mapped[float | None]
    """NULL: no upper end."""
    share: Mapped[float]


class LabelTaskRow(Base):
    """A part that a person is asked to label. Append-only: what is being answered, and by whom, belongs elsewhere."""

    __tablename__ = "label_tasks"
    __table_args__ = (
        UniqueConstraint("task_id", "part_id"),
        CheckConstraint("kind IN ('REVIEW', 'REPEAT', 'AUDIT')", name="kind"),
        CheckConstraint("inclusion_probability > 0 AND inclusion_probability <= 1", name="inclusion_probability"),
        CheckConstraint("kind = 'REVIEW' OR inclusion_probability IS NOT NULL", name="draw_has_probability"),
        Index("ix_label_tasks_audit", "part_id", unique=True, sqlite_where=IS_AUDIT, postgresql_where=IS_AUDIT),
        Index(None, "kind", "created_at"),
        Index(None, "part_id"),
    )

    task_id: Mapped[UUID] = mapped_column(primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("inspections.part_id"))
    kind: Mapped[str] = mapped_column(String(16))
    person: Mapped[str | None] = mapped_column(String(64))
    """Who is asked; NULL: anybody."""
    inclusion_probability: Mapped[float | None]
    """With what probability the part was drawn; NULL where nothing was drawn."""
    stratum: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


class LabelRow(Base):
    """What a person said of a part. Append-only: a label that was wrong is superseded by a further one."""

    __tablename__ = "labels"
    __table_args__ = (
        ForeignKeyConstraint(["task_id", "part_id"], ["label_tasks.task_id", "label_tasks.part_id"]),
        ForeignKeyConstraint(["supersedes", "part_id"], ["labels.label_id", "labels.part_id"]),
        UniqueConstraint("label_id", "part_id"),
        UniqueConstraint("supersedes"),
        CheckConstraint("label <> '' AND person <> ''", name="words"),
        CheckConstraint("supersedes IS NULL OR supersedes <> label_id", name="supersedes_another"),
        Index("ix_labels_answer", "task_id", unique=True, sqlite_where=IS_ANSWER, postgresql_where=IS_ANSWER),
        Index(None, "part_id", "at"),
        Index(None, "at"),
    )

    label_id: Mapped[UUID] = mapped_column(primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("inspections.part_id"))
    label: Mapped[str]
    is_defect: Mapped[bool]
    """Whether the label meant a defective part when it was given."""
    person: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    blind: Mapped[bool]
    """The person did not know what the machine, or anybody else, had said."""
    task_id: Mapped[UUID | None]
    """The task that it answers."""
    supersedes: Mapped[UUID | None]
    note: Mapped[str]


def table_of(row: type[Base]) -> Table:
    table = row.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{row.__name__} is no plain table")
    return table


# For statements: the writer and the queries speak SQLAlchemy Core, at a fraction of the ORM's time per row.
STATIONS, RECIPES, BUNDLES, RUNS = table_of(StationRow), table_of(RecipeRow), table_of(BundleRow), table_of(RunRow)
INSPECTIONS, FINDINGS = table_of(InspectionRow), table_of(FindingRow)
IMAGES, EVENTS = table_of(ImageRow), table_of(EventRow)
CHALLENGE_PARTS, LINE_HOLDS = table_of(ChallengePartRow), table_of(LineHoldRow)
OUTBOX, DELIVERIES = table_of(OutboxRow), table_of(DeliveryRow)
AUDIT_STRATA, LABEL_TASKS, LABELS = table_of(AuditStratumRow), table_of(LabelTaskRow), table_of(LabelRow)

IS_PRODUCTION = INSPECTIONS.c.challenge_id.is_(None)
"""The parts that are counted: every query that counts parts, or learns from them, asks for this."""
