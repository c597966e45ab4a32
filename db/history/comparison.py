"""Two bundles on the same parts: where do their verdicts differ?

Either both served, and parts are known by their serial numbers; or one said in the shadow what it would have done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Subquery, case, func, select

from db.history.scope import Scope, judged
from db.history.shadowing import URGENT, urgency
from db.order_tables import SHADOW_VERDICTS
from db.tables import FINDINGS, INSPECTIONS
from inspector.risk import Rate
from inspector.values import Outcome

MOST_FLIPS = 200


@dataclass(frozen=True, slots=True)
class Flip:
    """A part that one bundle passes and the other stops."""

    serial: str | None
    first: Outcome
    second: Outcome
    first_probability: float | None
    second_probability: float | None
    at: datetime
    """When the later one of them judged it."""
    part_id: UUID | None = None
    """The inspection, where both judged the very same one."""


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
    """Compare the bundles' last verdicts on every part, known by its serial number, that both judged in the scope.

    Quickest where `second` is the one that judged fewer.
    """
    return _compared(connection, paired_by_serial(scope, first, second))


def shadow_comparison(connection: Connection, scope: Scope, shadow: str) -> Comparison:
    """Compare the verdicts of parts, first, with what bundle `shadow` said in the shadow of the same exposures.

    Parts count that were inspected and of which it saw every view: it skips views where the line has no time for it.
    """
    return _compared(connection, _shadowed(scope, shadow))


def _compared(connection: Connection, pairs: Subquery) -> Comparison:
    alike = (pairs.c.first, pairs.c.second)
    place = func.row_number().over(partition_by=alike, order_by=(pairs.c.at.desc(), pairs.c.serial))
    parts = func.count().over(partition_by=alike)
    placed = select(*pairs.c, parts.label("parts"), place.label("place")).subquery()
    differ = (placed.c.first == Outcome.PASS.value) != (placed.c.second == Outcome.PASS.value)
    shown = select(*placed.c).where(placed.c.place <= case((differ, MOST_FLIPS), else_=1))
    rows = connection.execute(shown.order_by(placed.c.at.desc(), placed.c.serial)).mappings().all()
    counts = [(row["first"], row["second"], row["parts"]) for row in rows if row["place"] == 1]
    return compared(counts, rows)


def compared(counts: Iterable[tuple[str, str, int]], pairs: Iterable[Mapping[Any, Any]]) -> Comparison:
    """Make a comparison of (outcome, other outcome, parts), and of the newest pairs with the fields of `Flip`."""
    cells = dict.fromkeys(((a, b) for a in (True, False) for b in (True, False)), 0)
    for first, second, count in counts:
        cells[first == Outcome.PASS.value, second == Outcome.PASS.value] += count
    flips = [flip for flip in map(_flip, pairs) if (flip.first is Outcome.PASS) != (flip.second is Outcome.PASS)]
    counted = (cells[True, True], cells[False, True], cells[True, False], cells[False, False])
    return Comparison(*counted, tuple(flips[:MOST_FLIPS]))


def _flip(row: Mapping[Any, Any]) -> Flip:
    named = {name: row[name] for name in Flip.__slots__ if name not in ("first", "second") and name in row}
    return Flip(first=Outcome(row["first"]), second=Outcome(row["second"]), **named)


def paired_by_serial(scope: Scope, first: str, second: str) -> Subquery:
    """Parts that both bundles judged. Grouped, since SQLite joins by looking through one list for each of the other."""
    parts = INSPECTIONS.c
    newest = func.row_number().over(
        partition_by=(parts.recipe, parts.serial, parts.bundle_id),
        order_by=(parts.triggered_at.desc(), parts.part_id.desc()),
    )
    columns = (parts.recipe, parts.serial, parts.bundle_id, parts.outcome, parts.defect_probability, parts.triggered_at)
    by_second = select(parts.serial).where(judged(scope), parts.bundle_id == second, parts.serial.is_not(None))
    of_both = judged(scope) & parts.bundle_id.in_([first, second]) & parts.serial.in_(by_second)
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


def _shadowed(scope: Scope, shadow: str) -> Subquery:
    parts, said = INSPECTIONS.c, SHADOW_VERDICTS.c
    own = (parts.part_id, parts.serial, parts.outcome, parts.defect_probability, parts.triggered_at)
    views = select(func.count()).where(FINDINGS.c.part_id == parts.part_id).scalar_subquery()
    most_urgent = func.min(urgency(said.outcome))
    worst = case({place: outcome.value for place, outcome in enumerate(URGENT)}, value=most_urgent)
    query = select(
        parts.part_id,
        parts.serial,
        parts.outcome.label("first"),
        worst.label("second"),
        parts.defect_probability.label("first_probability"),
        func.max(said.defect_probability).label("second_probability"),
        parts.triggered_at.label("at"),
    ).select_from(INSPECTIONS.join(SHADOW_VERDICTS, said.part_id == parts.part_id))
    seen = query.where(judged(scope), parts.outcome != Outcome.NOT_INSPECTED.value, said.bundle_id == shadow)
    return seen.group_by(*own).having(func.count() == views).subquery("shadowed")
