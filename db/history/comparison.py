"""Two bundles on the same parts: where do their verdicts differ?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Subquery, func, select

from db.history.scope import Scope, judged
from db.tables import INSPECTIONS
from inspector.risk import Rate
from inspector.values import Outcome

MOST_FLIPS = 200


@dataclass(frozen=True, slots=True)
class Flip:
    """A part that one bundle passes and the other stops."""

    serial: str
    first: Outcome
    second: Outcome
    first_probability: float | None
    second_probability: float | None
    at: datetime
    """When the second bundle judged it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Parts by what two bundles made of them; everything but PASS is a stop."""

    both_pass: int
    first_stops: int
    """Stopped by the first bundle only."""
    second_stops: int
    both_stop: int
    flips: tuple[Flip, ...]
    """The newest ones, at most `MOST_FLIPS`."""

    @property
    def parts(self) -> int:
        return self.both_pass + self.first_stops + self.second_stops + self.both_stop

    @property
    def differ(self) -> Rate:
        """Refused where no part was judged by both."""
        return Rate(self.first_stops + self.second_stops, self.parts)


def comparison(connection: Connection, scope: Scope, first: str, second: str) -> Comparison:
    """Compare the bundles' last verdicts on every part, known by its serial number, that both judged in the scope."""
    one, other = _last(scope, first, "one"), _last(scope, second, "other")
    pairs = one.join(other, (one.c.serial == other.c.serial) & (one.c.recipe == other.c.recipe))
    outcomes = (one.c.outcome, other.c.outcome)
    counts = connection.execute(select(*outcomes, func.count()).select_from(pairs).group_by(*outcomes)).all()
    stops = ((one.c.outcome == Outcome.PASS.value), (other.c.outcome == Outcome.PASS.value))
    differing = (
        select(
            one.c.serial,
            one.c.outcome.label("first"),
            other.c.outcome.label("second"),
            one.c.defect_probability.label("first_probability"),
            other.c.defect_probability.label("second_probability"),
            other.c.triggered_at.label("at"),
        )
        .select_from(pairs)
        .where(stops[0] != stops[1])
        .order_by(other.c.triggered_at.desc(), one.c.serial)
        .limit(MOST_FLIPS)
    )
    return compared(counts, connection.execute(differing).mappings())


def compared(counts: Iterable[Any], flips: Iterable[Any]) -> Comparison:
    """Make a comparison of (outcome, other outcome, parts) and of rows with the fields of `Flip`."""
    cells = dict.fromkeys(((a, b) for a in (True, False) for b in (True, False)), 0)
    for first, second, count in counts:
        cells[first == Outcome.PASS.value, second == Outcome.PASS.value] += count
    listed = tuple(Flip(**{**row, "first": Outcome(row["first"]), "second": Outcome(row["second"])}) for row in flips)
    return Comparison(cells[True, True], cells[False, True], cells[True, False], cells[False, False], listed)


def _last(scope: Scope, bundle_id: str, name: str) -> Subquery:
    """The last verdict of one bundle on each serial number."""
    parts = INSPECTIONS.c
    newest = func.row_number().over(
        partition_by=(parts.recipe, parts.serial), order_by=(parts.triggered_at.desc(), parts.part_id.desc())
    )
    columns = (parts.serial, parts.recipe, parts.outcome, parts.defect_probability, parts.triggered_at)
    of_bundle = judged(scope) & (parts.bundle_id == bundle_id) & parts.serial.is_not(None)
    ranked = select(*columns, newest.label("newest")).where(of_bundle).subquery()
    return select(*(ranked.c[column.name] for column in columns)).where(ranked.c.newest == 1).subquery(name)
