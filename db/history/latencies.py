"""How long parts waited for their verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, Integer, cast, func, literal_column, select

from db.history.scope import Scope, judged
from db.tables import INSPECTIONS
from inspector.errors import UndefinedFigure

_PERMILLE = (500, 950, 990, 1000)
_STEPS_PER_MS = 100.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles by nearest rank: each is the latency of a part."""

    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    worst_ms: float


def latency(connection: Connection, scope: Scope) -> Latency:
    """Trigger to verdict, over the parts that have one. Parts are counted by steps, and those of few steps are read.

    Raises:
        UndefinedFigure: no part has one.
    """
    waited = INSPECTIONS.c.latency_ms
    # One engine cuts and the other rounds: all that counts is that it rises with the latency.
    step = cast(waited * _STEPS_PER_MS, BigInteger).label("step")
    timed = (judged(scope), waited.is_not(None))
    counted = connection.execute(select(step, func.count()).where(*timed).group_by(literal_column("1", Integer))).all()
    if not counted:
        raise UndefinedFigure("latency: no part of these was timed; expected at least one")
    counts = sorted((int(number), int(count)) for number, count in counted)
    n = sum(count for _, count in counts)
    places = [_place(counts, -(-n * share // 1000)) for share in _PERMILLE]
    query = select(step, waited).where(*timed, step.in_({number for number, _ in places})).order_by(waited)
    values: dict[int, list[float]] = {}
    for number, value in connection.execute(query):
        values.setdefault(int(number), []).append(float(value))
    return Latency(n, *(values[number][rank - 1] for number, rank in places))


def _place(counts: Sequence[tuple[int, int]], rank: int) -> tuple[int, int]:
    """The step in which a rank falls, and which of its parts it is; ranks count from 1."""
    for number, count in counts:
        if rank <= count:
            return number, rank
        rank -= count
    raise ValueError(f"rank {rank} beyond all parts")
