"""Is a rate above a limit? Evidence that may be looked at after every part, with one false-alarm rate for all looks.

A bet on a rate of p > limit is paid p / limit by an event and (1 - p) / (1 - limit) by a part without one. While the
rate is at most the limit no bet gains on average, nor does the mean of several, so that by Ville's inequality (1939;
Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform Chernoff bounds", Probability Surveys 17, 2020) it ever reaches c
with a probability of at most 1 / c: exact for any number of parts, where each part's chance, given those before, is at
most the limit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BETS = 32
"""Rates between the limit and 1 that are bet on, with equal stakes."""


def evidence_above(events: Sequence[bool], limit: float) -> NDArray[np.float64]:
    """Return (N,) what the bets on a rate above `limit` are worth after each part; 1 before the first."""
    if not 0 < limit < 1:
        raise ValueError(f"a limit lies between 0 and 1, got {limit}")
    rates = limit + (1 - limit) * (np.arange(_BETS) + 0.5) / _BETS
    seen = np.asarray(events, dtype=bool)[:, None]
    paid = np.where(seen, np.log(rates / limit), np.log1p(-rates) - math.log1p(-limit))
    worth = np.exp(np.minimum(np.cumsum(paid, axis=0), 700.0))  # (N, bets); e^700 is refutation enough
    return np.asarray(worth.mean(axis=1))


def refuted_after(events: Sequence[bool], limit: float, error: float) -> int | None:
    """Return after how many parts "the rate is at most `limit`" was refuted with this error; None: it never was."""
    if not 0 < error < 1:
        raise ValueError(f"an error lies between 0 and 1, got {error}")
    if limit >= 1 or not len(events):
        return None
    reached = np.flatnonzero(evidence_above(events, limit) >= 1 / error)
    return int(reached[0]) + 1 if len(reached) else None
