"""Is a candidate at most so much worse? An exact test on pairs: both bundles judged the same parts.

Of n things, `lost` go wrong with the candidate only, `gained` with the serving bundle only; where both do the same,
nothing is learnt of the difference. The counts are trinomial, and the question is about the difference of the two
shares. The test is the unconditional exact one for non-inferiority of paired binary endpoints (Hsueh, Liu and Chen,
Biometrics 57, 2001): outcomes are ordered by the score statistic of Tango (Statistics in Medicine 17, 1998), and the
p-value is the greatest over the unknown share of pairs that differ, so that an inferior candidate passes with at most
probability alpha, whatever that share is and however few the parts are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, gammaln, xlog1py, xlogy

from inspector.errors import UndefinedFigure

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

GRID = 60
"""Shares of differing pairs that are tried; the greatest is then looked for between its neighbours."""
NEGLIGIBLE = 1e-18
"""Outcomes less probable than this are left out."""


@dataclass(frozen=True, slots=True)
class Paired:
    """What pairs of verdicts on the same n things say."""

    n: int
    lost: int
    """Wrong with the candidate, right with the serving bundle."""
    gained: int
    """The other way round."""

    def __post_init__(self) -> None:
        if min(self.lost, self.gained) < 0 or self.lost + self.gained > self.n or self.n < 1:
            raise UndefinedFigure(
                f"paired test: expected lost + gained of at least one pair, got {self.lost} + {self.gained} of {self.n}"
            )

    @property
    def difference(self) -> float:
        """How much more often the candidate goes wrong, as a share of all."""
        return (self.lost - self.gained) / self.n


def p_value(seen: Paired, margin: float) -> float:
    """Return the exact p-value of "the candidate goes wrong more often by `margin` or more"."""
    _require_share("margin", margin)
    least_gained = _least_gained(seen, margin)
    shares = np.linspace(margin, 1.0, GRID)
    chances = _chances(least_gained, seen.n, shares, margin)
    top = int(chances.argmax())
    between = np.linspace(shares[max(0, top - 1)], shares[min(GRID - 1, top + 1)], GRID // 4)
    finer = _chances(least_gained, seen.n, between, margin).max()
    return min(1.0, float(max(chances[top], finer)))


def at_most(seen: Paired, error: float) -> float:
    """Return the exact one-sided upper bound on the difference: the least margin that would be shown.

    It is only looked for above 0: a candidate that is better by so much needs no number.
    """
    _require_share("error", error)
    low, high = 0.0, 1.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if p_value(seen, middle) <= error else (middle, high)
    return high


def statistic(lost: Counts, gained: Counts, n: int, margin: float) -> Floats:
    """Tango's score statistic, equations 7 and 9, for a difference of `margin`; smaller speaks for the candidate."""
    linear = -(lost + gained) + (2 * n - lost + gained) * margin
    constant = -gained * margin * (1 - margin)
    root = np.sqrt(np.maximum(linear**2 - 8.0 * n * constant, 0.0))
    least_share = np.maximum((root - linear) / (4.0 * n), 0.0)
    deviation = np.sqrt(n * (2 * least_share + margin * (1 - margin)))
    return np.asarray((lost - gained - n * margin) / deviation)


def _least_gained(seen: Paired, margin: float) -> Counts:
    """(n + 1,) for each number lost, the fewest gained that speak as much for the candidate; beyond n: none do.

    More gained always speaks more for it (Hsueh, Liu and Chen, theorem 1), so that halving finds the place.
    """
    bound = float(statistic(np.array([seen.lost]), np.array([seen.gained]), seen.n, margin)[0]) + 1e-9
    lost = np.arange(seen.n + 1)
    low, high = np.zeros_like(lost), seen.n - lost + 1
    while (low < high).any():
        middle = (low + high) // 2
        enough = statistic(lost, middle, seen.n, margin) <= bound
        low, high = np.where(enough | (low >= high), low, middle + 1), np.where(enough & (low < high), middle, high)
    return high


def _chances(least_gained: Counts, n: int, differing: Floats, margin: float) -> Floats:
    """For each share (S,) of differing pairs, how probable it is that a candidate worse by just `margin` looks so well.

    Summed over the numbers lost; given one, the gained are binomial among the rest.
    """
    lost = np.arange(n + 1)
    more, less = (differing + margin) / 2, (differing - margin) / 2
    rest = np.divide(less, 1 - more, out=np.zeros_like(less), where=more < 1).clip(0, 1)
    chosen = gammaln(n + 1) - gammaln(lost + 1) - gammaln(n - lost + 1)
    parts = np.exp(chosen + xlogy(lost, more[:, None]) + xlog1py(n - lost, -more[:, None]))
    share, number = np.nonzero((parts > NEGLIGIBLE) & (least_gained <= n - lost))
    tails = bdtrc(least_gained[number] - 1.0, n - lost[number], rest[share])
    return np.asarray(np.bincount(share, parts[share, number] * tails, minlength=len(differing)), np.float64)


def _require_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise UndefinedFigure(f"paired test: {name}: expected more than 0 and less than 1, got {value:g}")
