"""What a figure learns before it is watched. Kept in order with each value, and ended in pieces: no part waits long.

Parts that hang together (a material's lot, a lamp's warmth) are no independent witnesses: their figures are watched as
means of blocks long enough to be nearly independent (Runger and Willemain, "Batch-means control charts for
autocorrelated data", IIE Transactions 28, 1996).
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from inspector.martingale import (
    LEAST_REFERENCE,
    ReferenceFault,
    normal_scores,
    payments,
    require_ordered,
    require_reference,
)
from inspector.piecework import Pieces

_TOGETHER = 1.6
"""Independent parts have a correlation time of 1; estimated on a thousand of them, it stays below this."""
_BLOCK = 5
"""A block is so many correlation times long; the means of neighbouring blocks then hardly hang together."""
_LAGS = 8
"""Of the autocorrelation, in one piece of work."""
_LISTED = 1000
"""Values of a list, made in one piece of work."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What the values learnt say is usual."""

    block: int
    """Values in a block; 1: each is watched by itself."""
    ordered: list[float]
    """Means of the blocks, sorted."""
    usual: float
    """Mean of all values."""


class Learnt:
    """Values as they came and by their size: a microsecond for each, and nothing left to sort."""

    def __init__(self, values: Iterable[float] = ()) -> None:
        self.values, self.ordered, self._places = array("d"), array("d"), array("i")
        for value in values:
            self.add(value)

    def __len__(self) -> int:
        return len(self.values)

    def add(self, value: float) -> None:
        place = bisect_right(self.ordered, value)
        self.ordered.insert(place, value)
        self._places.insert(place, len(self.values))
        self.values.append(value)

    def scores(self) -> Pieces[NDArray[np.float64]]:
        """(N,) normal scores of the values' ranks, in the order in which they came; equal values share their mean."""
        ordered = np.array(self.ordered)
        ends = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, [len(ordered)]])
        yield
        counts = np.diff(ends)
        shared = np.diff(_summed_scores(len(ordered))[ends]) / counts
        yield
        scores = np.empty(len(ordered))
        scores[np.array(self._places)] = np.repeat(shared, counts)
        return scores

    def by_size(self) -> Pieces[list[float]]:
        """The values by their size, as a list, in which places are found faster than in an array."""
        listed: list[float] = []
        for start in range(0, len(self), _LISTED):
            listed += self.ordered[start : start + _LISTED].tolist()
            yield
        return listed

    def block_means(self, block: int) -> list[float]:
        """Means of whole blocks of consecutive values, added up one by one as those of watched values are."""
        whole = np.array(self.values)[: len(self) // block * block].reshape(-1, block)
        means: list[float] = (np.cumsum(whole, axis=1)[:, -1] / block).tolist()
        return means


def make_reference(learnt: Learnt, may_be_constant: bool) -> Pieces[Reference]:
    """Make what was learnt a reference; raise ReferenceFault where it cannot teach what is usual."""
    require_ordered(learnt.ordered, may_be_constant)
    block = block_length((yield from correlation_time(learnt)), len(learnt))
    yield
    if block == 1:
        ordered = yield from learnt.by_size()
    else:
        means = learnt.block_means(block)
        yield
        ordered = require_reference(means, may_be_constant)
        yield
    return Reference(block, ordered, float(np.array(learnt.values).mean()))


def correlation_time(learnt: Learnt) -> Pieces[float]:
    """Return over how many parts values hang together: 1 + 2 * (sum of autocorrelations) of their normal scores.

    Values that are all equal hang together over 1 part. The sum ends at the first lag of five times itself (Sokal,
    "Monte Carlo methods in statistical mechanics", 1997).
    """
    if learnt.ordered[0] == learnt.ordered[-1]:
        return 1.0
    scores = yield from learnt.scores()
    yield
    power = float(scores @ scores)
    time = 1.0
    for lag in range(1, len(scores) // 2):
        time += 2 * float(scores[lag:] @ scores[:-lag]) / power
        if lag >= 5 * time:
            break
        if lag % _LAGS == 0:
            yield
    return max(time, 1.0)


def block_length(time: float, n: int) -> int:
    """Return how many of `n` values make a block, 1 of independent ones; raise ReferenceFault where blocks are few."""
    if time < _TOGETHER:
        return 1
    block = math.ceil(_BLOCK * time)
    if n // block < LEAST_REFERENCE:
        raise ReferenceFault(
            f"not steady while learning: parts hang together over {time:.0f} parts, and {n} are too few for "
            f"that; expected learn_parts of at least {block * LEAST_REFERENCE}, or a line that has warmed up"
        )
    return block


def prepare(learn_parts: int) -> None:
    """Make the tables of every reference that so many parts can teach: they take too long for a part on the line."""
    _summed_scores(learn_parts)
    payments(learn_parts)
    for block in range(math.ceil(_BLOCK * _TOGETHER), learn_parts // LEAST_REFERENCE + 1):
        payments(learn_parts // block)


@lru_cache(maxsize=32)
def _summed_scores(n: int) -> NDArray[np.float64]:
    """(n + 1,) sums of the normal scores of the least 0..n of n values."""
    summed = np.concatenate([[0.0], np.cumsum(normal_scores(n - 1))])
    summed.flags.writeable = False  # It is shared by all who ask for the same.
    return summed
