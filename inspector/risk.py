"""Rates that carry their count and bound: exact binomial limits (Clopper and Pearson, Biometrika 26, 1934)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_FEW = 64
"""So many terms of a tail are summed one by one."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` events in `n` parts. A rate of no parts is refused: it says nothing."""

    count: int
    n: int

    def __post_init__(self) -> None:
        if self.n <= 0 or not 0 <= self.count <= self.n:
            raise ValueError(f"a rate needs 0 <= count <= n and n >= 1, got {self.count} of {self.n}")

    @property
    def value(self) -> float:
        return self.count / self.n

    def upper(self, confidence: float = 0.95) -> float:
        """Return the one-sided upper limit: with `confidence`, the true rate is at most this."""
        if self.count == self.n:
            return 1.0
        return _solve(lambda p: binomial_cdf(self.count, self.n, p) - (1 - confidence))

    def lower(self, confidence: float = 0.95) -> float:
        """Return the one-sided lower limit: with `confidence`, the true rate is at least this."""
        if self.count == 0:
            return 0.0
        return _solve(lambda p: binomial_cdf(self.count - 1, self.n, p) - confidence)

    def text(self, confidence: float = 0.95) -> str:
        """Return e.g. `0 of 40; at most 7.2 % (95 %)`."""
        return f"{self.count} of {self.n}; at most {100 * self.upper(confidence):.1f} % ({100 * confidence:g} %)"


def binomial_cdf(k: int, n: int, p: float) -> float:
    """Return P(X <= k) for X ~ Binomial(n, p), summed in logarithms over the shorter tail."""
    if p <= 0 or k >= n:
        return 1.0
    if p >= 1:
        return 0.0
    if k > n / 2:
        return 1.0 - binomial_cdf(n - k - 1, n, 1 - p)
    log_p, log_q = math.log(p), math.log1p(-p)
    if k > _FEW:
        return min(1.0, _tail(k, n, log_p, log_q))
    terms = (_log_choose(n, i) + i * log_p + (n - i) * log_q for i in range(k + 1))
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def _tail(k: int, n: int, log_p: float, log_q: float) -> float:
    """Sum the same terms from the k-th down, each by its ratio to the one above: a few milliseconds for 100,000."""
    i = np.arange(k, 0, -1)
    ratios = np.log(i / (n - i + 1.0)) + (log_q - log_p)
    last = _log_choose(n, k) + k * log_p + (n - k) * log_q
    return float(np.exp(last + np.concatenate([[0.0], np.cumsum(ratios)])).sum())


def hypergeometric_cdf(k: int, population: int, marked: int, drawn: int) -> float:
    """Return P(X <= k), X being the marked ones among `drawn` of a population, drawn without putting back.

    The first term by logarithms, each further one by its ratio to the one before; over the shorter side.
    """
    least, most = max(0, drawn - (population - marked)), min(drawn, marked)
    if k < least:
        return 0.0
    if k >= most:
        return 1.0
    if k - least > most - k:
        return 1.0 - hypergeometric_cdf(drawn - k - 1, population, population - marked, drawn)
    unmarked = population - marked
    log_first = _log_choose(marked, least) + _log_choose(unmarked, drawn - least) - _log_choose(population, drawn)
    log_term, log_terms = log_first, [log_first]
    for i in range(least, k):
        log_term += math.log((marked - i) * (drawn - i)) - math.log((i + 1) * (unmarked - drawn + i + 1))
        log_terms.append(log_term)
    return min(1.0, math.fsum(math.exp(term) for term in log_terms))


@lru_cache(maxsize=4096)
def refuting(n: int, bound: float, error: float) -> NDArray[np.float64]:
    """Return P(X <= k), X ~ Binomial(n, bound), for k = 0, 1, ... while it is at most `error`; (0,) where none is.

    That probability is the exact p-value of "the rate is above `bound`" after k misses in `n` parts.
    """
    _require_shares(bound, error)
    k = np.arange(math.ceil(n * bound) + 1)
    steps = np.log((n - k[:-1]) / (k[:-1] + 1)) + math.log(bound) - math.log1p(-bound)
    log_terms = n * math.log1p(-bound) + np.concatenate([[0.0], np.cumsum(steps)])
    sums = np.cumsum(np.exp(log_terms))
    kept = np.asarray(sums[sums <= error])
    kept.flags.writeable = False  # It is shared by all who ask for the same.
    return kept


def parts_needed(misses: int, bound: float, error: float) -> int:
    """Return the fewest parts among which so many misses still refute "the rate is above `bound`" (`refuting`)."""
    _require_shares(bound, error)
    too_few, enough = misses, 2 * misses + 1
    while binomial_cdf(misses, enough, bound) > error:
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if binomial_cdf(misses, middle, bound) <= error else (middle, enough)
    return enough


def _require_shares(bound: float, error: float) -> None:
    if not 0 < bound < 1 or not 0 < error <= 0.5:
        raise ValueError(f"a bound lies between 0 and 1, an error between 0 and 0.5, got {bound:g} and {error:g}")


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _solve(decreasing: Callable[[float], float], steps: int = 60) -> float:
    """Return the root of a decreasing function on [0, 1] by bisection, to 2^-60."""
    low, high = 0.0, 1.0
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if decreasing(middle) > 0 else (low, middle)
    return high
