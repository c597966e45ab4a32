"""How far bundles in the shadow have come: what they judged, what they had no time for, and how they agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Case, ColumnElement, Connection, case, func, select

from db.order_tables import SHADOW_VERDICTS
from db.tables import INSPECTIONS
from inspector.risk import Rate
from inspector.values import Outcome

URGENT = (Outcome.REJECT, Outcome.NOT_INSPECTED, Outcome.REVIEW, Outcome.PASS)
"""As `inspector.verdict.combine` has it: the most urgent view's outcome is the part's."""


@dataclass(frozen=True, slots=True)
class ShadowProgress:
    """One bundle in the shadow of another at a station, part by part, whatever becomes of it."""

    bundle_id: str
    station: str
    serving: str
    judged: int
    """Parts of which it judged at least one view."""
    skipped: int
    """Parts between its first one and its last that it had no time for."""
    same: int
    """Parts whose outcome the most urgent of the views that it judged has too."""
    last_at: datetime

    @property
    def agreement(self) -> Rate:
        return Rate(self.same, self.judged)


def urgency(outcome: ColumnElement[str]) -> Case[int]:
    """The place of an outcome in `URGENT`."""
    return case(*((outcome == each.value, number) for number, each in enumerate(URGENT)))


def shadow_progress(connection: Connection) -> tuple[ShadowProgress, ...]:
    """Every bundle that was in a shadow, by bundle, station and what served there."""
    said, parts = SHADOW_VERDICTS.c, INSPECTIONS.c
    by_part = (
        select(
            said.bundle_id.label("shadow"),
            parts.part_id,
            parts.station,
            parts.bundle_id.label("serving"),
            parts.triggered_at,
            func.min(urgency(said.outcome)).label("worst"),
            urgency(parts.outcome).label("own"),
        )
        .join(INSPECTIONS, parts.part_id == said.part_id)
        .group_by(said.bundle_id, parts.part_id, parts.station, parts.bundle_id, parts.triggered_at, parts.outcome)
        .subquery("by_part")
    )
    row = by_part.c
    same = row.worst == row.own
    named = (row.shadow, row.station, row.serving)
    query = select(
        *named,
        func.count().label("judged"),
        func.count().filter(same).label("same"),
        func.min(row.triggered_at).label("since"),
        func.max(row.triggered_at).label("until"),
    )
    rows = connection.execute(query.group_by(*named).order_by(*named)).all()
    return tuple(
        ShadowProgress(
            bundle_id=each.shadow,
            station=each.station,
            serving=each.serving,
            judged=each.judged,
            skipped=_inspected(connection, each.station, each.serving, each.since, each.until) - each.judged,
            same=each.same,
            last_at=each.until,
        )
        for each in rows
    )


def _inspected(connection: Connection, station: str, bundle_id: str, since: datetime, until: datetime) -> int:
    parts = INSPECTIONS.c
    within = (parts.triggered_at >= since, parts.triggered_at <= until, parts.outcome.is_not(None))
    query = select(func.count()).where(parts.station == station, parts.bundle_id == bundle_id, *within)
    return connection.execute(query).scalar_one()
