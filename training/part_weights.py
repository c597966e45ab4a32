"""How much each fitting part counts, by how it came to be labelled (`db.material.weights`).

Only the index of a snapshot says so: it has the columns `origin` and `weight`. A weight sets how often a part is drawn
among those of its own class; how often a class is drawn stays with the recipe, since rare defects must be seen. One
audited pass can stand for a thousand parts: it is drawn at most `MOST` times as often as the mean part of its class,
or a handful of pictures would be learnt by heart (trimming, as in Potter, "A study of procedures to identify and trim
extreme sampling weights", ASA 1990).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.errors import DatasetError
from inspector.samples import Sample

MOST = 10.0
COLUMNS = ("origin", "weight")
Floats = NDArray[np.float64]


def part_weights(samples: Sequence[Sample]) -> Floats:
    """Return how many parts of the line each sample stands for (N,); 1 where the index does not say.

    Raises:
        DatasetError: a weight that is no number above 0.
    """
    return np.array([_weight(sample) for sample in samples], np.float64)


def _weight(sample: Sample) -> float:
    if not all(sample.extra.get(column) for column in COLUMNS):
        return 1.0
    words = sample.extra["weight"]
    try:
        weight = float(words)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise DatasetError(f"{sample.path}: weight: expected a number above 0, got {words!r}")
    return weight


def within_classes(labels: NDArray[np.int64], weights: Floats) -> Floats:
    """Return factors (N,) with mean 1 in each class, trimmed, for chances that the class shares were put into."""
    factors = np.ones(len(labels))
    for label in np.unique(labels):
        mine = labels == label
        trimmed = np.minimum(weights[mine], MOST * weights[mine].mean())
        factors[mine] = trimmed / trimmed.mean()
    return factors
