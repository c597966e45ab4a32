"""Which recorded parts can be inspected again: those of production with a stored picture of every view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, and_, func, select

from db.images import StoredImage
from db.labels import current
from db.tables import FINDINGS, IMAGES, INSPECTIONS, IS_PRODUCTION, LABELS
from inspector.values import Outcome
from training.backtest.parts import RecordedPart, RecordedView

_FEW = 500


@dataclass(frozen=True, slots=True)
class Period:
    """Which parts are asked for."""

    since: datetime
    until: datetime | None = None
    recipe: str | None = None
    station: str | None = None

    def holds(self) -> Any:
        """The condition on `inspections`."""
        wanted = [INSPECTIONS.c.triggered_at >= self.since, INSPECTIONS.c.outcome != Outcome.NOT_INSPECTED.value]
        if self.until is not None:
            wanted.append(INSPECTIONS.c.triggered_at < self.until)
        if self.recipe is not None:
            wanted.append(INSPECTIONS.c.recipe == self.recipe)
        if self.station is not None:
            wanted.append(INSPECTIONS.c.station == self.station)
        return and_(*wanted, IS_PRODUCTION)


def recorded_parts(connection: Connection, period: Period) -> list[RecordedPart]:
    """Return the parts that can be inspected again, in the order of their ids."""
    found = []
    for _, rows in groupby(connection.execute(_views(period)), key=lambda row: row.part_id):
        views = list(rows)
        if all(row.path is not None and row.dropped_at is None for row in views):
            found.append(views)
    truths = _truths(connection, [views[0].part_id for views in found])
    return [_part(views, truths.get(views[0].part_id)) for views in found]


def inspected_count(connection: Connection, period: Period) -> int:
    """How many parts there are, with pictures or without."""
    return int(connection.execute(select(func.count()).select_from(INSPECTIONS).where(period.holds())).scalar_one())


def _views(period: Period) -> Select[Any]:
    names = ("part_id", "station", "lot", "triggered_at", "outcome", "label")
    columns = [*(INSPECTIONS.c[name] for name in names), FINDINGS.c.camera, FINDINGS.c.sequence]
    image = (IMAGES.c.sha256, IMAGES.c.path, IMAGES.c.size_bytes, IMAGES.c.dropped_at)
    joined = INSPECTIONS.join(FINDINGS, FINDINGS.c.part_id == INSPECTIONS.c.part_id)
    joined = joined.outerjoin(IMAGES, IMAGES.c.sha256 == FINDINGS.c.image_sha256)
    query = select(*columns, *image).select_from(joined).where(period.holds())
    return query.order_by(INSPECTIONS.c.part_id, FINDINGS.c.view)


def _part(views: Sequence[Any], is_defect: bool | None) -> RecordedPart:
    first = views[0]
    shown = tuple(
        RecordedView(row.camera, row.sequence, StoredImage(row.sha256, row.path, row.size_bytes)) for row in views
    )
    outcome = Outcome(first.outcome)
    return RecordedPart(
        first.part_id, first.station, first.lot, first.triggered_at, outcome, first.label, is_defect, shown
    )


def _truths(connection: Connection, part_ids: Sequence[UUID]) -> dict[UUID, bool]:
    """What the newest label of each part says."""
    truths: dict[UUID, bool] = {}
    for few in _chunks(part_ids):
        rows = connection.execute(
            select(LABELS).where(LABELS.c.part_id.in_(few)).order_by(LABELS.c.at, LABELS.c.label_id)
        )
        truths |= {row.part_id: row.is_defect for row in current(rows)}
    return truths


def _chunks(part_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(part_ids), _FEW):
        yield part_ids[start : start + _FEW]
