"""Parts grouped by the stretch of time in which they were triggered, by the database itself."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from math import gcd

from sqlalchemy import BigInteger, ColumnElement, Connection, Integer, String, cast, extract, func

from db.history.scope import Scope
from db.tables import INSPECTIONS


class Stretches:
    """The stretches between each two neighbours of `edges`, which rise and lie on whole seconds."""

    def __init__(self, edges: Sequence[datetime]) -> None:
        self._seconds = [_second(edge) for edge in edges]
        if len(edges) < 2 or any(after <= before for before, after in pairwise(self._seconds)):
            raise ValueError(f"expected at least two edges that rise, got {len(edges)}")
        self._first, self._last = edges[0], edges[-1]
        self._origin_s, self._width_s = _slots(self._seconds)

    @property
    def count(self) -> int:
        return len(self._seconds) - 1

    def within(self, scope: Scope) -> Scope:
        return scope.between(self._first, self._last)

    def number(self, connection: Connection) -> ColumnElement[int]:
        """A number that parts of one stretch have in common; `place` makes the stretch of it."""
        moment = INSPECTIONS.c.triggered_at
        if connection.dialect.name == "sqlite":
            second = cast(func.strftime("%s", moment, type_=String), Integer)
        else:
            second = cast(func.floor(extract("epoch", moment)), BigInteger)
        return ((second - self._origin_s) // self._width_s).label("slot")

    def place(self, number: int) -> int:
        return max(0, bisect_right(self._seconds, self._origin_s + number * self._width_s) - 1)


def _second(moment: datetime) -> int:
    if moment.tzinfo is None or moment.microsecond:
        raise ValueError(f"{moment.isoformat()}: expected a whole second with a time zone")
    return int(moment.timestamp())


def _slots(seconds: Sequence[int]) -> tuple[int, int]:
    """Return the origin and the width of the widest slots that no inner edge cuts; the scope cuts at the ends."""
    inner = seconds[1:-1] or seconds[:1]
    width_s = gcd(*(second - inner[0] for second in inner)) or seconds[-1] - seconds[0]
    return inner[0] - -(-(inner[0] - seconds[0]) // width_s) * width_s, width_s
