"""How long parts waited for their verdict."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from db.history.scope import Scope, judged
from db.tables import INSPECTIONS
from inspector.errors import UndefinedFigure

_PERMILLE = (500, 950, 990, 1000)


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles by nearest rank: each is the latency of a part."""

    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    worst_ms: float


def latency(connection: Connection, scope: Scope) -> Latency:
    """Trigger to verdict, over the parts that have one.

    Raises:
        UndefinedFigure: no part has one.
    """
    waited = INSPECTIONS.c.latency_ms
    timed = select(waited).where(judged(scope), waited.is_not(None))
    n = connection.execute(select(func.count()).select_from(timed.subquery())).scalar_one()
    if n == 0:
        raise UndefinedFigure("latency: no part of these was timed; expected at least one")
    ranks = [-(-n * share // 1000) for share in _PERMILLE]
    ranked = timed.add_columns(func.row_number().over(order_by=waited).label("rank")).subquery()
    query = select(ranked.c.rank, ranked.c.latency_ms).where(ranked.c.rank.in_(ranks))
    found = {rank: float(ms) for rank, ms in connection.execute(query)}
    return Latency(n, *(found[rank] for rank in ranks))
