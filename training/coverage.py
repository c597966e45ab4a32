"""Pictures that cover what a data set holds: to the ranges of a quantised network a twin adds nothing, an extreme does.

Cheap features (brightness histogram, contrast, a thumbnail) stand for a picture. Classes take turns; of each class the
darkest and the brightest come first, then always the picture that is furthest from all taken so far (k-centre greedy:
Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer Science 38, 1985).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
BINS = 16
THUMBNAIL_PX = 8


def cover(
    images: NDArray[np.uint8], labels: Sequence[int] | NDArray[np.int64], count: int, seed: int
) -> NDArray[np.int64]:
    """Return the positions, ascending, of at most `count` pictures (N, H, W, 3k); labels (N,). The seed breaks ties."""
    order = np.random.default_rng(seed).permutation(len(images))
    features = np.stack([features_of(images[index]) for index in order]) if len(order) else np.zeros((0, 1), np.float32)
    brightness = np.array([float(images[index].mean()) for index in order])
    shuffled = np.asarray(labels)[order]
    ranked = [
        (turn, int(order[members[place]]))
        for label in np.unique(shuffled)
        for members in [np.flatnonzero(shuffled == label)]
        for turn, place in enumerate(furthest_first(features[members], brightness[members], count))
    ]
    return np.array(sorted(index for _, index in sorted(ranked, key=lambda pair: pair[0])[:count]), np.int64)


def features_of(image: NDArray[np.uint8]) -> Features:
    """Grey histogram (shares), contrast and thumbnail of a picture (H, W, 3k), about equally heavy."""
    grey = image.mean(axis=2, dtype=np.float32)
    shares = np.histogram(grey, BINS, (0, 256))[0].astype(np.float32) / grey.size
    small = cv2.resize(grey, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA) / 255
    contrast = np.float32(grey.std() / 64)
    return np.concatenate([shares, [contrast], small.ravel() / THUMBNAIL_PX]).astype(np.float32)


def furthest_first(features: Features, brightness: NDArray[np.float64], count: int) -> list[int]:
    """Return at most `count` positions: darkest, brightest, then the furthest from those taken. (N, D), (N,)."""
    extremes = list(dict.fromkeys([int(brightness.argmin()), int(brightness.argmax())]))
    taken: list[int] = []
    distance = np.full(len(features), np.inf, np.float32)
    while len(taken) < min(count, len(features)):
        place = extremes[len(taken)] if len(taken) < len(extremes) else int(distance.argmax())
        taken.append(place)
        distance = np.minimum(distance, np.linalg.norm(features - features[place], axis=1))
        distance[taken] = -1
    return taken
