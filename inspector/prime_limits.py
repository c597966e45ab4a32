"""Limits of Laney's p' chart for subgroups of unequal size.

Laney, "Improved control charts for attributes", Quality Engineering 14 (2002), 531-537: the binomial limits of a
p chart are far too narrow where subgroups are large, since the rate itself wanders from one to the next. Each
subgroup's rate is standardised by its own binomial deviation; how much those vary (mean moving range / 1.128) widens
the limits.
`inspector.charts` has the drift watch's chart, of subgroups of one size, with its alarms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from inspector.errors import UndefinedFigure
from inspector.risk import Rate

SUBGROUPS_ADVISED = 20
"""With fewer, textbooks call limits provisional (Montgomery, "Introduction to Statistical Quality Control")."""
_SPREAD_OF_RANGE = 1.128
"""d2 for ranges of two."""


@dataclass(frozen=True, slots=True)
class PrimeLimits:
    """What a reference of subgroups makes usual."""

    centre: Rate
    """Events of all parts of the reference."""
    sigma_z: float
    """1: the subgroups vary as binomial ones would; more: the rate itself wanders."""
    subgroups: int

    @property
    def provisional(self) -> bool:
        return self.subgroups < SUBGROUPS_ADVISED

    def of(self, n: int) -> tuple[float, float]:
        """Return the three-sigma limits of a subgroup of `n` parts."""
        usual = self.centre.value
        reach = 3 * self.sigma_z * math.sqrt(usual * (1 - usual) / n)
        return max(0.0, usual - reach), min(1.0, usual + reach)

    def beyond(self, rate: Rate) -> bool:
        low, high = self.of(rate.n)
        return not low <= rate.value <= high


def prime_limits(reference: Sequence[Rate]) -> PrimeLimits:
    """Fit limits to subgroups in the order of time.

    Raises:
        UndefinedFigure: fewer than two subgroups, or all parts alike.
    """
    if len(reference) < 2:
        raise UndefinedFigure(f"p' chart: {len(reference)} subgroups with parts before; expected at least two")
    centre = Rate(sum(rate.count for rate in reference), sum(rate.n for rate in reference))
    if centre.count in (0, centre.n):
        raise UndefinedFigure(f"p' chart: {centre.count} events in {centre.n} parts before; limits need some of both")
    variance = centre.value * (1 - centre.value)
    z = [(rate.value - centre.value) / math.sqrt(variance / rate.n) for rate in reference]
    ranges = [abs(after - before) for before, after in pairwise(z)]
    return PrimeLimits(centre, math.fsum(ranges) / len(ranges) / _SPREAD_OF_RANGE, len(reference))
