"""Two bundles on the same parts: where do their verdicts differ?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, case, func, select

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
    """When the later one of them judged it."""


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
    pairs = _pairs(scope, first, second)
    outcomes = (pairs.c.first, pairs.c.second)
    counts = connection.execute(select(*outcomes, func.count()).group_by(*outcomes)).all()
    one_passes, other_passes = (outcome == Outcome.PASS.value for outcome in outcomes)
    differing = select(pairs).where(one_passes != other_passes).order_by(pairs.c.at.desc(), pairs.c.serial)
    return compared(counts, connection.execute(differing.limit(MOST_FLIPS)).mappings())


def compared(counts: Iterable[Any], flips: Iterable[Any]) -> Comparison:
    """Make a comparison of (outcome, other outcome, parts) and of rows with the fields of `Flip`."""
    cells = dict.fromkeys(((a, b) for a in (True, False) for b in (True, False)), 0)
    for first, second, count in counts:
        cells[first == Outcome.PASS.value, second == Outcome.PASS.value] += count
    listed = tuple(Flip(**{**row, "first": Outcome(row["first"]), "second": Outcome(row["second"])}) for row in flips)
    return Comparison(cells[True, True], cells[False, True], cells[True, False], cells[False, False], listed)


def _pairs(scope: Scope, first: str, second: str) -> Subquery:
    """Parts that both bundles judged. Grouped, since SQLite joins by looking through one list for each of the other."""
    parts = INSPECTIONS.c
    newest = func.row_number().over(
        partition_by=(parts.recipe, parts.serial, parts.bundle_id),
        order_by=(parts.triggered_at.desc(), parts.part_id.desc()),
    )
    columns = (parts.recipe, parts.serial, parts.bundle_id, parts.outcome, parts.defect_probability, parts.triggered_at)
    of_both = judged(scope) & parts.bundle_id.in_([first, second]) & parts.serial.is_not(None)
    last = select(*columns, newest.label("newest")).where(of_both).subquery("last")

    def of(bundle_id: str, name: str) -> ColumnElement[Any]:
        return func.max(case((last.c.bundle_id == bundle_id, last.c[name])))

    return (
        select(
            last.c.serial,
            of(first, "outcome").label("first"),
            of(second, "outcome").label("second"),
            of(first, "defect_probability").label("first_probability"),
            of(second, "defect_probability").label("second_probability"),
            func.max(last.c.triggered_at).label("at"),
        )
        .where(last.c.newest == 1)
        .group_by(last.c.recipe, last.c.serial)
        .having(func.count() == 2)
        .subquery("pairs")
    )
