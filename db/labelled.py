"""The labelled parts of a recipe up to a moment: what a snapshot is made of.

A label counts from the moment `at` that stands with it. Whoever writes labels of the past into a database that was
frozen before makes another database, and another snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, func, select

from db.labels import TaskKind
from db.tables import IMAGES, INSPECTIONS, IS_PRODUCTION, LABEL_TASKS, LABELS
from inspector.values import Outcome


@dataclass(frozen=True, slots=True)
class GivenLabel:
    """What a person said of a part."""

    label_id: UUID
    label: str
    is_defect: bool
    person: str
    at: datetime
    supersedes: UUID | None


@dataclass(frozen=True, slots=True)
class LabelledPart:
    """A part of production with all that was said of it, the oldest label first."""

    part_id: UUID
    station: str
    lot: str | None
    serial: str | None
    triggered_at: datetime
    outcome: Outcome
    image_sha256: str | None
    """None: no picture was kept, or it was swept away."""
    image_path: str | None
    drawn: float | None
    """With what probability it was drawn for audit; None where it was not."""
    labels: tuple[GivenLabel, ...]


def labelled_parts(connection: Connection, recipe: str, until: datetime) -> list[LabelledPart]:
    """Return completed parts that somebody had labelled by then, in the order of their ids."""
    labels = _labels(connection, recipe, until)
    query = (
        select(INSPECTIONS, IMAGES.c.path, IMAGES.c.dropped_at, LABEL_TASKS.c.inclusion_probability)
        .outerjoin(IMAGES, IMAGES.c.sha256 == INSPECTIONS.c.image_sha256)
        .outerjoin(
            LABEL_TASKS,
            and_(LABEL_TASKS.c.part_id == INSPECTIONS.c.part_id, LABEL_TASKS.c.kind == TaskKind.AUDIT.value),
        )
        .where(_inspected(recipe, until), INSPECTIONS.c.part_id.in_(_labelled(until)))
        .order_by(INSPECTIONS.c.part_id)
    )
    return [_part(row, labels[row.part_id]) for row in connection.execute(query)]


def inspected_counts(connection: Connection, recipe: str, until: datetime) -> Mapping[Outcome, int]:
    """How many parts of production had each outcome by then, labelled or not."""
    query = select(INSPECTIONS.c.outcome, func.count()).where(_inspected(recipe, until))
    return {Outcome(name): count for name, count in connection.execute(query.group_by(INSPECTIONS.c.outcome))}


def _inspected(recipe: str, until: datetime) -> Any:
    mine = (INSPECTIONS.c.recipe == recipe, INSPECTIONS.c.completed_at <= until)
    return and_(*mine, INSPECTIONS.c.outcome.is_not(None), INSPECTIONS.c.simulated.is_(False), IS_PRODUCTION)


def _labelled(until: datetime) -> Any:
    return select(LABELS.c.part_id).where(LABELS.c.at <= until)


def _labels(connection: Connection, recipe: str, until: datetime) -> dict[UUID, list[GivenLabel]]:
    query = (
        select(LABELS)
        .join(INSPECTIONS, INSPECTIONS.c.part_id == LABELS.c.part_id)
        .where(INSPECTIONS.c.recipe == recipe, LABELS.c.at <= until)
        .order_by(LABELS.c.at, LABELS.c.label_id)
    )
    found: dict[UUID, list[GivenLabel]] = {}
    for row in connection.execute(query):
        given = GivenLabel(row.label_id, row.label, row.is_defect, row.person, row.at, row.supersedes)
        found.setdefault(row.part_id, []).append(given)
    return found


def _part(row: Any, labels: list[GivenLabel]) -> LabelledPart:
    kept = row.path is not None and row.dropped_at is None
    return LabelledPart(
        part_id=row.part_id,
        station=row.station,
        lot=row.lot,
        serial=row.serial,
        triggered_at=row.triggered_at,
        outcome=Outcome(row.outcome),
        image_sha256=row.image_sha256 if kept else None,
        image_path=row.path if kept else None,
        drawn=row.inclusion_probability,
        labels=tuple(labels),
    )
