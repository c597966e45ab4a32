"""Figures by stretches of time: the share of parts that were stopped, and means of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, Integer, case, func, literal_column, select

from db.history.scope import Scope, judged
from db.history.stretches import Stretches
from db.tables import FINDINGS, INSPECTIONS
from inspector.risk import Rate
from inspector.values import Outcome

WIDTHS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400, 7 * 86400, 28 * 86400)
_FIRST_SLOT = literal_column("1", Integer)


class Measure(StrEnum):
    """What every view of a part has as a number; the values are columns of `findings`."""

    BRIGHTNESS = "brightness"
    FOCUS = "focus"
    NOVELTY = "novelty"
    PROBABILITY = "predicted_probability"


@dataclass(frozen=True, slots=True)
class Stopped:
    """Parts that were stopped in a stretch of time; None where it has no part."""

    start: datetime
    end: datetime
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a measure over `n` views in a stretch of time."""

    start: datetime
    end: datetime
    n: int
    value: float


def even_edges(first: datetime, last: datetime, most: int) -> list[datetime]:
    """Return edges of at most `most` stretches of one width, at whole multiples of it, that hold both moments."""
    span_s = (last - first).total_seconds()
    width_s = next((width for width in WIDTHS_S if span_s / width <= most - 1), WIDTHS_S[-1])
    start_s = int(first.timestamp()) // width_s * width_s
    count = int(last.timestamp() - start_s) // width_s + 1
    return [datetime.fromtimestamp(start_s, UTC) + timedelta(seconds=n * width_s) for n in range(count + 1)]


def stopped_over_time(
    connection: Connection, scope: Scope, edges: Sequence[datetime], label: str | None = None
) -> tuple[Stopped, ...]:
    """Count parts that did not pass between each two edges, of `label` where one is named, of all parts."""
    stretches = Stretches(edges)
    stops = INSPECTIONS.c.outcome != Outcome.PASS.value
    stops = stops if label is None else stops & (INSPECTIONS.c.label == label)
    columns = (stretches.number(connection), func.count(), func.sum(case((stops, 1), else_=0)))
    query = select(*columns).where(judged(stretches.within(scope))).group_by(_FIRST_SLOT)
    sums = [(0, 0)] * stretches.count
    for number, parts, stopped in connection.execute(query):
        place = stretches.place(number)
        sums[place] = (sums[place][0] + int(stopped), sums[place][1] + parts)
    return tuple(
        Stopped(edges[n], edges[n + 1], Rate(count, parts) if parts else None) for n, (count, parts) in enumerate(sums)
    )


def means_over_time(
    connection: Connection, scope: Scope, edges: Sequence[datetime], measure: Measure
) -> tuple[Mean, ...]:
    """Average a measure over the views between each two edges; stretches without one are left out."""
    stretches, value = Stretches(edges), FINDINGS.c[measure.value]
    joined = INSPECTIONS.join(FINDINGS, FINDINGS.c.part_id == INSPECTIONS.c.part_id)
    columns = (stretches.number(connection), func.count(), func.sum(value))
    within = judged(stretches.within(scope)) & value.is_not(None)
    query = select(*columns).select_from(joined).where(within).group_by(_FIRST_SLOT)
    sums = [(0, 0.0)] * stretches.count
    for number, count, total in connection.execute(query):
        place = stretches.place(number)
        sums[place] = (sums[place][0] + count, sums[place][1] + float(total))
    return tuple(Mean(edges[n], edges[n + 1], count, total / count) for n, (count, total) in enumerate(sums) if count)
