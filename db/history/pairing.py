"""What two bundles said of the same parts, outcome by outcome, and the parts behind each pair of outcomes.

Parts are the same because both bundles judged the very frames (one served, the other was in the shadow), or because
their serial number says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Subquery, and_, case, func, literal, or_, select, union_all

from db.history.comparison import paired_by_serial
from db.history.scope import Scope, judged
from db.history.shadowing import URGENT, urgency
from db.order_tables import SHADOW_VERDICTS
from db.tables import FINDINGS, INSPECTIONS
from inspector.risk import Rate
from inspector.values import Outcome

MOST_PAIRS = 200
Pair = tuple[Outcome, Outcome]
"""What the first bundle said, and the second."""


class Basis(StrEnum):
    """Why two verdicts are of the same part."""

    SHADOW = "shadow"
    """One bundle served while the other was in the shadow."""
    SERIAL = "serial"
    """Both served, and the parts have one serial number."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Two bundles that are to be compared."""

    first: str
    second: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class Pairing:
    """How many parts had each pair of outcomes. Pairs that no part had are missing."""

    compared: Compared
    simulated: bool
    """Rendered parts, since there are no others."""
    cells: dict[Pair, int]

    @property
    def parts(self) -> int:
        return sum(self.cells.values())

    @property
    def same(self) -> Rate | None:
        """Parts of which both said the same; None where there is no part."""
        alike = sum(count for (first, second), count in self.cells.items() if first is second)
        return Rate(alike, self.parts) if self.parts else None

    @property
    def flips(self) -> int:
        """Parts that one passes and the other stops."""
        return sum(count for pair, count in self.cells.items() if is_flip(pair))


@dataclass(frozen=True, slots=True)
class PairedPart:
    """A part that both judged. Of two inspections it is the later one, whose picture is shown."""

    part_id: UUID
    station: str
    trigger: int
    at: datetime
    first: Outcome
    second: Outcome
    first_probability: float | None
    second_probability: float | None


@dataclass(frozen=True, slots=True)
class PairedParts:
    """The newest ones, at most `MOST_PAIRS`, and how many there are."""

    parts: tuple[PairedPart, ...]
    of: int


def is_flip(pair: Pair) -> bool:
    return (pair[0] is Outcome.PASS) != (pair[1] is Outcome.PASS)


def pairing(connection: Connection, compared: Compared) -> Pairing:
    """Count pairs of outcomes; rendered parts only where there are no others."""
    cells = _cells(connection, compared, simulated=False)
    simulated = not cells and bool(cells := _cells(connection, compared, simulated=True))
    return Pairing(compared, simulated, cells)


def paired_parts(connection: Connection, counted: Pairing, wanted: Pair | None) -> PairedParts:
    """Parts with a pair of outcomes; None: all flips."""
    pairs = _pairs(counted.compared, Scope(simulated=counted.simulated))
    chosen = _flipped(pairs) if wanted is None else and_(pairs.c.first == wanted[0], pairs.c.second == wanted[1])
    newest = select(pairs).where(chosen).order_by(pairs.c.at.desc()).limit(MOST_PAIRS).subquery("newest")
    rows = connection.execute(_with_parts(newest, counted.compared)).all()
    of = counted.flips if wanted is None else counted.cells.get(wanted, 0)
    return PairedParts(tuple(_part(row) for row in rows), of)


def _cells(connection: Connection, compared: Compared, *, simulated: bool) -> dict[Pair, int]:
    pairs = _pairs(compared, Scope(simulated=simulated))
    query = select(pairs.c.first, pairs.c.second, func.count()).group_by(pairs.c.first, pairs.c.second)
    return {(Outcome(first), Outcome(second)): count for first, second, count in connection.execute(query)}


def _pairs(compared: Compared, scope: Scope) -> Subquery:
    """Rows of `first`, `second`, their probabilities, `at`, and what tells the part: `part_id` or `serial`."""
    first, second = compared.first, compared.second
    if compared.basis is Basis.SERIAL:
        return paired_by_serial(scope, first, second)
    forth = _shadowed(scope, serving=first, shadow=second, serving_is_first=True)
    back = _shadowed(scope, serving=second, shadow=first, serving_is_first=False)
    return union_all(forth, back).subquery("pairs")


def _shadowed(scope: Scope, *, serving: str, shadow: str, serving_is_first: bool) -> Any:
    """Parts of which the shadow judged every view."""
    said = SHADOW_VERDICTS.c
    of_parts = (
        select(
            said.part_id,
            func.min(urgency(said.outcome)).label("rank"),
            func.max(said.defect_probability).label("probability"),
            func.count().label("views"),
        )
        .where(said.bundle_id == shadow)
        .group_by(said.part_id)
        .subquery("said")
    )
    parts = INSPECTIONS.c
    views = select(func.count()).where(FINDINGS.c.part_id == parts.part_id).scalar_subquery()
    worst = case(*((of_parts.c.rank == number, literal(outcome.value)) for number, outcome in enumerate(URGENT)))
    own, other = (parts.outcome, parts.defect_probability), (worst, of_parts.c.probability)
    one, two = (own, other) if serving_is_first else (other, own)
    columns = [one[0].label("first"), two[0].label("second")]
    columns += [one[1].label("first_probability"), two[1].label("second_probability")]
    whole = and_(judged(scope), parts.bundle_id == serving, of_parts.c.views == views)
    query = select(parts.part_id, parts.triggered_at.label("at"), *columns)
    return query.join(of_parts, of_parts.c.part_id == parts.part_id).where(whole)


def _flipped(pairs: Subquery) -> ColumnElement[bool]:
    passes = (pairs.c.first == Outcome.PASS.value, pairs.c.second == Outcome.PASS.value)
    return or_(and_(passes[0], ~passes[1]), and_(~passes[0], passes[1]))


def _with_parts(newest: Subquery, compared: Compared) -> Any:
    parts = INSPECTIONS.c
    if compared.basis is Basis.SHADOW:
        same: ColumnElement[bool] = parts.part_id == newest.c.part_id
    else:
        of_either = parts.bundle_id.in_([compared.first, compared.second])
        same = and_(parts.serial == newest.c.serial, parts.triggered_at == newest.c.at, of_either)
    said = [newest.c[name] for name in ("first", "second", "first_probability", "second_probability", "at")]
    query = select(parts.part_id, parts.station, parts.trigger, *said).join(newest, same)
    return query.order_by(newest.c.at.desc(), parts.part_id)


def _part(row: Any) -> PairedPart:
    named = dict(row._mapping)
    return PairedPart(**{**named, "first": Outcome(named["first"]), "second": Outcome(named["second"])})
