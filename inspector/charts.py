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
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from inspector.martingale import ReferenceFault
from inspector.piecework import Pieces, all_pieces
from inspector.risk import Rate

SUBGROUPS_LEARNT = 25
"""As textbooks advise (Montgomery, "Introduction to Statistical Quality Control")."""
REMEMBERED = 8
"""The longest run rule looks back so far."""
_SPREAD_OF_RANGE = 1.128
"""d2 for ranges of two: the mean range of two values is 1.128 standard deviations."""
_CONFIDENCE = 0.9999
"""Of the rates that learning allows for."""
_Z = NormalDist().inv_cdf(_CONFIDENCE)
_NEWTON_STEPS = 8
_TERMS = 60
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
    return all_pieces(fit_chart_in_pieces(counts, subgroup, risk))


def fit_chart_in_pieces(counts: Sequence[int], subgroup: int, risk: float) -> Pieces[PrimeChart]:
    """Fit as `fit_chart` does, in at most 24 pieces of work."""
    if len(counts) < 2 or subgroup < 1:
        raise ReferenceFault(f"a p' chart needs at least two subgroups of parts, got {len(counts)}")
    if not all(0 <= count <= subgroup for count in counts):
        raise ReferenceFault(f"a subgroup of {subgroup} parts cannot have {min(counts)} to {max(counts)} events")
    total = Rate(sum(counts), subgroup * len(counts))
    binomial = math.sqrt(total.value * (1 - total.value) / subgroup)
    sigma_z = _sigma_z([(count / subgroup - total.value) / binomial for count in counts]) if binomial > 0 else 1.0
    spread = max(1.0, sigma_z)
    yield
    above = yield from _limit(subgroup, total, risk / 2)
    below = subgroup - (yield from _limit(subgroup, Rate(total.n - total.count, total.n), risk / 2))
    centre = subgroup * total.value
    return PrimeChart(
        subgroup,
        total.value,
        binomial * sigma_z,
        2 / math.sqrt(len(counts)),
        max(-1, math.floor(centre + (below - centre) * spread)),
        min(subgroup + 1, math.ceil(centre + (above - centre) * spread)),
    )


def _limit(subgroup: int, learnt: Rate, risk: float) -> Pieces[int]:
    highest = yield from _highest_rate(learnt.count, learnt.n)
    yield
    first = yield from _first_beyond(subgroup, highest, risk)
    yield
    return first


def _sigma_z(z: Sequence[float]) -> float:
    """Return the subgroups' standard deviation in binomial ones, from the mean moving range."""
    ranges = [abs(after - before) for before, after in pairwise(z)]
    return math.fsum(ranges) / len(ranges) / _SPREAD_OF_RANGE


def _highest_rate(count: int, n: int) -> Pieces[float]:
    """Return the exact upper limit of the rate with `count` events in `n` parts; 1 less that of the rest is the lower.

    Newton's method, from Wilson's limit, on the log of P(X <= count), which is a concave function of the log odds. Of
    the sum's terms those next to `count` are taken: the others lie some twelve standard deviations off.
    """
    if count == n:
        return 1.0
    k = np.arange(max(0, count - _TERMS - math.ceil(6 * math.sqrt(n))), count + 1)
    log_chosen = _log_chosen(n)[k]
    seen = count + 0.5
    wilson = (seen + _Z**2 / 2 + _Z * math.sqrt(seen * (n - seen) / n + _Z**2 / 4)) / (n + _Z**2)
    log_odds = math.log(wilson / (1 - wilson))
    for _ in range(_NEWTON_STEPS):
        yield
        rate = 1 / (1 + math.exp(-log_odds))
        log_terms = log_chosen + k * log_odds - n * math.log1p(math.exp(log_odds))
        top = float(log_terms.max())
        log_tail = top + math.log(float(np.exp(log_terms - top).sum()))
        slope = (n - count) * rate * math.exp(float(log_terms[-1]) - log_tail)
        log_odds += (log_tail - math.log(1 - _CONFIDENCE)) / slope
    return 1 / (1 + math.exp(-log_odds))


def _first_beyond(n: int, p: float, risk: float) -> Pieces[int]:
    """Return the least k of 0..n+1 for which P(X >= k) <= risk, X ~ Binomial(n, p)."""
    if p >= 1:
        return n + 1
    k = np.arange(n + 1)
    terms = np.exp(_log_chosen(n) + k * math.log(p) + (n - k) * math.log1p(-p))
    yield
    tails = np.cumsum(terms[::-1])  # P(X >= n), P(X >= n - 1), ...
    return n + 1 - int(np.searchsorted(tails, risk, side="right"))


def prepare(subgroup: int) -> None:
    """Make the tables that fitting a chart of so large subgroups needs: they take too long for a part on the line."""
    _log_chosen(subgroup)
    _log_chosen(SUBGROUPS_LEARNT * subgroup)


@lru_cache(maxsize=64)
def _log_chosen(n: int) -> NDArray[np.float64]:
    """Return (n + 1,) log of n choose k for k = 0..n."""
    k = np.arange(1, n + 1)
    chosen = np.concatenate([[0.0], np.cumsum(np.log((n - k + 1) / k))])
    chosen.flags.writeable = False  # It is shared by all who ask for the same.
    return chosen


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
