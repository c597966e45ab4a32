"""Outcomes counted: in all, by what the parts have in common, and over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, func, literal_column, select

from db.history.scope import Scope, judged
from db.history.stretches import Stretches
from db.tables import INSPECTIONS
from inspector.risk import Rate
from inspector.values import Outcome

CONFIDENCE = 0.95
"""Of every two-sided interval."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many parts had each outcome. Rates of no parts are refused (`Rate`)."""

    passes: int = 0
    rejects: int = 0
    reviews: int = 0
    not_inspected: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)))

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """In the order of `Outcome`."""
        return self.passes, self.rejects, self.reviews, self.not_inspected

    @property
    def parts(self) -> int:
        return sum(self.counts)

    @property
    def passed(self) -> Rate:
        """The yield: what left the line as good, of all that was triggered."""
        return Rate(self.passes, self.parts)

    @property
    def stopped(self) -> Rate:
        """Everything that was diverted."""
        return Rate(self.parts - self.passes, self.parts)

    def rate(self, outcome: Outcome) -> Rate:
        return Rate(dict(zip(Outcome, self.counts, strict=True))[outcome], self.parts)


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time and what happened in it."""

    start: datetime
    end: datetime
    tally: Tally


class By(StrEnum):
    """What parts can have in common."""

    STATION = "station"
    RECIPE = "recipe"
    LOT = "lot"
    BUNDLE = "bundle_id"
    CLASS = "label"


def interval(rate: Rate, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact two-sided limits of Clopper and Pearson."""
    one_sided = 1 - (1 - confidence) / 2
    return rate.lower(one_sided), rate.upper(one_sided)


def tally(connection: Connection, scope: Scope) -> Tally:
    """Outcomes of all parts of the scope; open parts are in none."""
    return tally_of(_counts(connection, scope, ()))


def tallies(connection: Connection, scope: Scope, by: By) -> dict[str | None, Tally]:
    """Outcomes by station, recipe, lot, bundle or class, most parts first; None: parts without one."""
    key = INSPECTIONS.c[by.value]
    found: dict[str | None, Tally] = {}
    for name, outcome, count in _counts(connection, scope, (key,)):
        found[name] = found.get(name, Tally()) + tally_of([(outcome, count)])
    return dict(sorted(found.items(), key=lambda item: (-item[1].parts, item[0] or "")))


def periods(connection: Connection, scope: Scope, edges: Sequence[datetime]) -> tuple[Period, ...]:
    """Outcomes between each two neighbours of `edges`, which rise and lie on whole seconds. Also the empty ones."""
    stretches = Stretches(edges)
    sums = [Tally()] * stretches.count
    for number, outcome, count in _counts(connection, stretches.within(scope), (stretches.number(connection),)):
        sums[stretches.place(number)] += tally_of([(outcome, count)])
    return tuple(Period(edges[n], edges[n + 1], one) for n, one in enumerate(sums))


def span(connection: Connection, scope: Scope) -> tuple[datetime, datetime] | None:
    """When the first and the last part of the scope were triggered; None where there is none."""
    triggered = INSPECTIONS.c.triggered_at
    first, last = connection.execute(select(func.min(triggered), func.max(triggered)).where(judged(scope))).one()
    return None if first is None else (first, last)


def hours(since: datetime, until: datetime) -> list[datetime]:
    """Return edges by the hour: those of the clock, and the two ends."""
    first = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    count = int((until - first) / timedelta(hours=1)) + 1
    inner = [first + timedelta(hours=n) for n in range(1, count + 1)]
    return [since, *(edge for edge in inner if since < edge < until), until]


def tally_of(counts: Iterable[Sequence[Any]]) -> Tally:
    """Sum (outcome's name, count)."""
    sums = dict.fromkeys(Outcome, 0)
    for name, count in counts:
        sums[Outcome(name)] += count
    return Tally(*sums.values())


def _counts(connection: Connection, scope: Scope, keys: Sequence[ColumnElement[Any]]) -> Sequence[Any]:
    columns = (*keys, INSPECTIONS.c.outcome)
    # By place: an expression with bound values would be another one in GROUP BY than in SELECT.
    places = [literal_column(str(n), Integer) for n in range(1, len(columns) + 1)]
    return connection.execute(select(*columns, func.count()).where(judged(scope)).group_by(*places)).all()
