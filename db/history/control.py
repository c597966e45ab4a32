"""The p' chart of a station: is the share of stopped parts in this period what it was in the ones before?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from db.history.scope import Scope
from db.history.tallies import Period, periods
from inspector.prime_limits import PrimeLimits, prime_limits

REFERENCE = 25
"""How many periods before the one that is judged say what is usual."""


@dataclass(frozen=True, slots=True)
class Control:
    """The newest period, held against limits from the ones before that have parts."""

    reference: tuple[Period, ...]
    judged: Period
    limits: PrimeLimits

    @property
    def beyond(self) -> bool:
        return self.limits.beyond(self.judged.tally.stopped)


def control(connection: Connection, scope: Scope, edges: Sequence[datetime]) -> Control | None:
    """Judge the last of the periods between `edges`; None where it has no part.

    Raises:
        UndefinedFigure: the periods before it define no limits.
    """
    *before, judged = periods(connection, scope, edges)
    if not judged.tally.parts:
        return None
    reference = tuple(period for period in before if period.tally.parts)
    return Control(reference, judged, prime_limits([period.tally.stopped for period in reference]))
