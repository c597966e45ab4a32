"""An EWMA chart of a figure by stretches of time: has its level moved, also by little at a time?

Roberts, "Control chart tests based on geometric moving averages", Technometrics 1 (1959); the exact limits, which
widen from the first point on, are those of Lucas and Saccucci, Technometrics 32 (1990). What is usual is read off the
charted values themselves (mean moving range / 1.128), so it is a look back and alarms nobody; `inspector.drift` does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from inspector.errors import UndefinedFigure

WEIGHT = 0.2
WIDTH = 3.0
"""Limits lie so many standard deviations of the level from the centre."""
_SPREAD_OF_RANGE = 1.128
"""d2 for ranges of two."""


@dataclass(frozen=True, slots=True)
class Level:
    """One point of the chart."""

    value: float
    low: float
    high: float

    @property
    def beyond(self) -> bool:
        return not self.low <= self.value <= self.high


@dataclass(frozen=True, slots=True)
class MovingAverage:
    """Levels in the order of time, about one centre."""

    centre: float
    levels: tuple[Level, ...]


def moving_average(values: Sequence[float], weight: float = WEIGHT) -> MovingAverage:
    """Chart values in the order of time.

    Raises:
        UndefinedFigure: fewer than two values, or one that is no number.
    """
    if len(values) < 2 or not all(map(math.isfinite, values)):
        raise UndefinedFigure(f"EWMA chart: expected at least two finite values, got {len(values)}")
    centre = math.fsum(values) / len(values)
    ranges = [abs(after - before) for before, after in pairwise(values)]
    sigma = math.fsum(ranges) / len(ranges) / _SPREAD_OF_RANGE
    level, levels = centre, []
    for number, value in enumerate(values, 1):
        level += weight * (value - level)
        reach = WIDTH * sigma * math.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * number)))
        levels.append(Level(level, centre - reach, centre + reach))
    return MovingAverage(centre, tuple(levels))
