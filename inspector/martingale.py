"""Has a figure's distribution changed? Evidence that grows only when it has, whatever the distribution is.

A part's figure has a rank among n reference figures: a conformal p-value (Vovk, Gammerman and Shafer, 2005), here as
the normal score z of the rank. Eight bets are laid on it, exp(+-slope * z) with slopes from slight to large changes,
each divided by the most that it can be expected to pay while nothing has changed. Stakes are kept as the
Shiryaev-Roberts statistic does, R <- (R + 1) * payment: an e-detector (Shin, Ramdas and Rinaldo, "E-detectors", 2022;
Vovk, "Testing randomness online", 2021). While nothing has changed R - t is a supermartingale, so that by Doob's
inequality a mean of such R reaches a limit c within T steps with a probability of at most T / c: no asymptotics.

A *finite* reference is never quite the truth, and the p-values of a long stream would find that out. The n + 1 gaps
between its values have Dirichlet(1, ..., 1) probabilities, whatever the distribution; the divisor is the upper limit of
their weighted mean by Chernoff's inequality (its exponent is Owen's empirical likelihood ratio). It holds for all
references but a share of `REFERENCE_RISK` for each bet. Ties count against the bet.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

SLOPES = (0.25, 0.5, 1.0, 2.0)
"""A bet of slope s is the best one against a shift by s standard deviations."""
REFERENCE_RISK = 1e-4
"""Share of references for which a bet pays more than its divisor says; for all bets on thirteen figures: 1 %."""
LEAST_REFERENCE = 60
_HALVINGS = 30
_LEAST_STEP = 1e-9
"""Of Newton's method, which then has twice as many digits; it takes some twelve steps."""
_BETS = 2 * len(SLOPES)
_KEPT = 512
"""Tables of so many lengths are kept: a watch may need 77."""

Payments = tuple[float, ...]
"""What each bet pays at one rank: the slopes upwards, then downwards."""


class ReferenceFault(ValueError):
    """Values that cannot say what is usual: too few, constant, or no numbers."""


def require_reference(values: Sequence[float], may_be_constant: bool = False) -> list[float]:
    """Return the values sorted; raise ReferenceFault saying what is wrong with them."""
    if not all(map(math.isfinite, values)):
        raise ReferenceFault("reference holds a value that is no finite number")
    ordered = sorted(values)
    require_ordered(ordered, may_be_constant)
    return ordered


def require_ordered(ordered: Sequence[float], may_be_constant: bool = False) -> None:
    """Raise ReferenceFault saying what is wrong with values that are finite and sorted."""
    if len(ordered) < LEAST_REFERENCE:
        raise ReferenceFault(f"too few reference parts: {len(ordered)}, expected at least {LEAST_REFERENCE}")
    if ordered[0] == ordered[-1] and not may_be_constant:
        raise ReferenceFault(f"constant reference: all {len(ordered)} parts have {ordered[0]:g}")


@lru_cache(maxsize=_KEPT)
def normal_scores(n: int) -> tuple[float, ...]:
    """Return the n + 1 scores of ranks 0..n among n reference values: the middle of each gap's share."""
    standard = NormalDist()
    return tuple(standard.inv_cdf((rank + 0.5) / (n + 1)) for rank in range(n + 1))


@lru_cache(maxsize=_KEPT)
def payments(n: int) -> tuple[tuple[Payments, ...], tuple[Payments, ...]]:
    """Return what the bets on a rise, and those on a fall, pay at ranks 0..n among n reference values."""
    scores = np.array(normal_scores(n))
    rises = np.stack([np.exp(slope * scores) / greatest_mean(np.exp(slope * scores)) for slope in SLOPES], axis=1)
    rows = [tuple(row) for row in rises.tolist()]
    return tuple(rows), tuple(reversed(rows))


def greatest_mean(values: NDArray[np.float64], risk: float = REFERENCE_RISK) -> float:
    """Return what the mean of values (K,) under Dirichlet(1, ..., 1) weights exceeds with probability `risk` at most.

    P(sum((v - b) E) > 0) <= prod 1 / (1 - t (v - b)) for exponential E and every t; the least such b, rounded up to a
    2^-30th of its range.
    """
    low, high = float(values.mean()), float(values.max())
    least = _least_bound(values, risk)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if middle < least else (low, middle)
    return high


def _least_bound(values: NDArray[np.float64], risk: float) -> float:
    """Return b with max over t of sum(log(1 - t (v - b))) = -log(risk).

    The best t has a mean of 1 / (1 - t (v - b)) of 1. With c = b + 1/t it is the mean of 1 / (c - v), so that c alone
    tells all, and is found by Newton's method on the logarithm of its excess over the greatest value.
    """
    top, n = float(values.max()), len(values)
    gaps = top - values
    log_excess = math.log(float(gaps.mean()))
    step = 1.0
    while abs(step) > _LEAST_STEP:
        excess = math.exp(log_excess)
        shares = 1 / (excess + gaps)
        best = float(shares.mean())
        beyond = n * math.log(best) - float(np.log(shares).sum()) + math.log(risk)
        slope = n * excess * (best - float(shares @ shares) / n / best)
        step = beyond / slope
        log_excess -= step
    excess = math.exp(log_excess)
    return top + excess - 1 / float((1 / (excess + gaps)).mean())


class Detector:
    """Evidence on one figure, in memory that does not grow. `update` takes a microsecond."""

    def __init__(
        self,
        reference: list[float],
        limit: float,
        stakes: Sequence[float] = (),
        steps: int = 0,
        halfway: int = 0,
        sum_after: float = 0.0,
    ) -> None:
        """`reference` is sorted; a false alarm within T steps has a probability of at most T / `limit`.

        The others are the attributes of an earlier detector of the same reference, which this one goes on.
        """
        self.reference = reference
        self._rises, self._falls = payments(len(reference))
        self._limit = limit * _BETS
        self._half_limit = math.sqrt(limit) * _BETS
        self.stakes = tuple(stakes) or (0.0,) * _BETS
        """The Shiryaev-Roberts statistic of each bet: on rises, then on falls."""
        self.steps, self.halfway, self.sum_after = steps, halfway, sum_after
        """`halfway` is the last step with less than half of the evidence that alarms; the sum is of values after it."""

    def update(self, value: float) -> bool:
        """Take one value; True when the evidence of a change has reached the limit."""
        self.steps += 1
        paid = self._rises[bisect_left(self.reference, value)] + self._falls[bisect_right(self.reference, value)]
        self.stakes = tuple([(stake + 1.0) * pay for stake, pay in zip(self.stakes, paid, strict=True)])
        evidence = sum(self.stakes)
        if evidence < self._half_limit:
            self.halfway, self.sum_after = self.steps, 0.0
        else:
            self.sum_after += value
        return evidence >= self._limit

    @property
    def rose(self) -> bool:
        """Is the change upwards rather than downwards, as far as the evidence goes?"""
        return sum(self.stakes[: len(SLOPES)]) >= sum(self.stakes[len(SLOPES) :])

    @property
    def since(self) -> int:
        """Return the step at which the change began, at an alarm.

        After a change evidence grows by a like factor with each step, so that it needed as long for the first half of
        its way, in logarithms, as for the second.
        """
        return max(0, 2 * self.halfway - self.steps)

    @property
    def after(self) -> float:
        """Return the mean of the values that brought the second half of the evidence, at an alarm."""
        return self.sum_after / (self.steps - self.halfway)

    @property
    def strength(self) -> float:
        """How far the evidence has come on its way to the limit, in logarithms: 0 to 1."""
        evidence = max(1.0, sum(self.stakes) / _BETS)
        return min(1.0, math.log(evidence) / math.log(self._limit / _BETS))
