"""Pareto of defects: which classes are rejected most."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from db.history.scope import Scope, judged
from db.history.tallies import tally
from db.tables import INSPECTIONS
from inspector.risk import Rate
from inspector.values import Outcome


@dataclass(frozen=True, slots=True)
class Bar:
    """One class of rejects. `share` is of all parts, `cumulated` of the rejects up to this bar."""

    label: str | None
    share: Rate
    cumulated: Rate


@dataclass(frozen=True, slots=True)
class Pareto:
    """Rejects by class, the most frequent first."""

    parts: int
    rejects: int
    bars: tuple[Bar, ...]


def pareto(connection: Connection, scope: Scope) -> Pareto:
    """Count rejects by the class that the verdict names."""
    parts = tally(connection, scope).parts
    counts = select(INSPECTIONS.c.label, func.count()).where(judged(scope))
    rejected = counts.where(INSPECTIONS.c.outcome == Outcome.REJECT.value).group_by(INSPECTIONS.c.label)
    found = sorted(connection.execute(rejected).all(), key=lambda row: (-row[1], row[0] or ""))
    rejects, so_far, bars = sum(count for _, count in found), 0, []
    for label, count in found:
        so_far += count
        bars.append(Bar(label, Rate(count, parts), Rate(so_far, rejects)))
    return Pareto(parts, rejects, tuple(bars))
