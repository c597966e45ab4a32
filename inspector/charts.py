"""Review and reject rate in subgroups: Laney's p' chart with run rules, and an exact limit that alarms.

p' (Laney, "Improved control charts for attributes", Quality Engineering 14, 2002) widens the binomial limits of a p
chart by how much more the subgroups really vary. The run rules are the Western Electric ones (1956). With nothing
wrong they call about once in 90 subgroups by their nature, so they warn. What alarms is a limit with a stated
false-alarm rate: even at the highest rate that learning allows for, so many events in one subgroup are that unlikely.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from inspector.martingale import ReferenceFault
from inspector.risk import Rate, binomial_cdf

SUBGROUPS_LEARNT = 25
"""As textbooks advise (Montgomery, "Introduction to Statistical Quality Control")."""
REMEMBERED = 8
"""The longest run rule looks back so far."""
_SPREAD_OF_RANGE = 1.128
"""d2 for ranges of two: the mean range of two values is 1.128 standard deviations."""
_CONFIDENCE = 0.9999
"""Of the rates that learning allows for."""
RULES = {
    "one point beyond 3 sigma": (1, 1, 3.0),
    "2 of 3 points beyond 2 sigma": (2, 3, 2.0),
    "4 of 5 points beyond 1 sigma": (4, 5, 1.0),
    "8 points on one side": (8, 8, 0.0),
}
"""Points needed, of so many, beyond so many sigma on one side."""


@dataclass(frozen=True, slots=True)
class PrimeChart:
    """What the subgroups learnt make of one rate."""

    subgroup: int
    """Parts in a subgroup."""
    centre: float
    sigma: float
    """Standard deviation of a subgroup's rate, binomial times Laney's sigma of z; 0 where no event was seen."""
    margin: float
    """How far the centre itself may be off: two standard errors, in sigma."""
    alarm_below: int
    """A subgroup with at most so many events alarms; -1: none does."""
    alarm_above: int
    """A subgroup with at least so many events alarms; subgroup + 1: none does."""

    def z(self, count: int) -> float:
        """Return by how many sigma a subgroup's rate lies above the centre; 0 where there is no sigma."""
        return (count / self.subgroup - self.centre) / self.sigma if self.sigma > 0 else 0.0

    def alarms(self, count: int) -> bool:
        return count >= self.alarm_above or count <= self.alarm_below


def fit_chart(counts: Sequence[int], subgroup: int, risk: float) -> PrimeChart:
    """Fit centre and limits to the events of each subgroup learnt. `risk` is of a false alarm, for one subgroup.

    Raises:
        ReferenceFault: fewer than two subgroups, or a count that no subgroup can have.
    """
    if len(counts) < 2 or subgroup < 1:
        raise ReferenceFault(f"a p' chart needs at least two subgroups of parts, got {len(counts)}")
    if not all(0 <= count <= subgroup for count in counts):
        raise ReferenceFault(f"a subgroup of {subgroup} parts cannot have {min(counts)} to {max(counts)} events")
    total = Rate(sum(counts), subgroup * len(counts))
    binomial = math.sqrt(total.value * (1 - total.value) / subgroup)
    sigma_z = _sigma_z([(count / subgroup - total.value) / binomial for count in counts]) if binomial > 0 else 1.0
    spread = max(1.0, sigma_z)
    above = _first_beyond(subgroup, total.upper(_CONFIDENCE), risk / 2)
    below = subgroup - _first_beyond(subgroup, 1 - total.lower(_CONFIDENCE), risk / 2)
    centre = subgroup * total.value
    return PrimeChart(
        subgroup,
        total.value,
        binomial * sigma_z,
        2 / math.sqrt(len(counts)),
        max(-1, math.floor(centre + (below - centre) * spread)),
        min(subgroup + 1, math.ceil(centre + (above - centre) * spread)),
    )


def _sigma_z(z: Sequence[float]) -> float:
    """Return the subgroups' standard deviation in binomial ones, from the mean moving range."""
    ranges = [abs(after - before) for before, after in pairwise(z)]
    return math.fsum(ranges) / len(ranges) / _SPREAD_OF_RANGE


def _first_beyond(n: int, p: float, risk: float) -> int:
    """Return the least k of 0..n+1 for which P(X >= k) <= risk, X ~ Binomial(n, p)."""
    low, high = 0, n + 1
    while low < high:
        middle = (low + high) // 2
        # The upper tail of p is the lower tail of 1 - p, which is summed and not subtracted from 1.
        tail = binomial_cdf(n - middle, n, 1 - p)
        low, high = (low, middle) if tail <= risk else (middle + 1, high)
    return low


def broken_rule(z: Sequence[float], margin: float = 0.0) -> str | None:
    """Return the first run rule that the newest points break, oldest first; None where they keep all.

    `margin` is how far the centre itself may be off, in sigma: points count from there on.
    """
    for name, (needed, window, beyond) in RULES.items():
        newest = z[-window:]
        for side in (1, -1):
            if sum(side * point > beyond + margin for point in newest) >= needed:
                return name
    return None
