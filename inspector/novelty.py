"""How unlike the training set a part is, as a share: of held parts, how many lie nearer to it.

Up to nine of ten held parts the share is counted. Beyond, where few parts are left to count, the distance over that
limit is taken as exponential (the peaks-over-threshold view of tails, Pickands 1975, in its simplest case): else the
farthest of 50 held parts would be the end of the world, and the next one like it a stranger.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.documents import Document

Floats = NDArray[np.float64]
COUNTED = 0.9
LEAST_SCALE = 1e-9
KEPT = 256
ENOUGH = 10


class Novelty(Document):
    """Distances of held parts from the training set, and the tail beyond nine tenths of them."""

    distances: tuple[float, ...] = Field(min_length=1, description="of held parts, sorted; at most 256 quantiles")
    tail_from: float = Field(ge=0, description="distance that nine tenths of them stay below")
    tail_scale: float = Field(gt=0, description="mean of what the others exceed it by")

    @cached_property
    def shares(self) -> tuple[Floats, Floats]:
        """The distances as an array, and what share of held parts is below each: made once, not for every part."""
        places = np.linspace(0, 1, len(self.distances)) if len(self.distances) > 1 else np.array([0.5])
        return np.asarray(self.distances), places

    def share(self, distances: Floats) -> Floats:
        """Return (N,) of 0..1 for distances (N,): the share of held parts that are less unlike the training set."""
        counted = np.interp(distances, *self.shares)
        beyond = np.maximum(distances - self.tail_from, 0.0) / self.tail_scale
        return np.where(distances > self.tail_from, 1 - (1 - COUNTED) * np.exp(-beyond), np.minimum(counted, COUNTED))


def fit_novelty(distances: Floats) -> Novelty:
    """Return the shares that distances of held parts (N,) stand for; raise ValueError without any.

    The tail's scale is the mean excess. Where fewer than ten parts exceed, it is at least what the step from the median
    to nine tenths would give of an exponential, so that few parts raise no more false alarms.
    """
    values = np.sort(np.asarray(distances, np.float64))
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError("novelty needs distances of held parts that are numbers")
    limit = float(np.quantile(values, COUNTED))
    over = values[values > limit] - limit
    excess = float(over.mean()) if over.size else 0.0
    step = (limit - float(np.median(values))) / math.log(0.5 / (1 - COUNTED))
    kept = np.quantile(values, np.linspace(0, 1, min(KEPT, len(values))))
    scale = max(excess, step if over.size < ENOUGH else 0.0, LEAST_SCALE)
    return Novelty(distances=tuple(kept.tolist()), tail_from=max(limit, 0.0), tail_scale=scale)
