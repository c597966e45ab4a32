"""Boxes as arrays (N, 4) of x1, y1, x2, y2: overlap, and which of several that overlap to keep. Plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.floating]


def areas(boxes: Boxes) -> NDArray[np.float64]:
    """Area (N,) of each box; none is negative."""
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float64)


def shared_areas(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """Area (N, M) that each of (N, 4) shares with each of (M, 4)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    sides = np.clip(high - low, 0, None)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float64)


def iou(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """Intersection over union (N, M) of (N, 4) with (M, 4); 0 where both are empty."""
    shared = shared_areas(one, other)
    union = areas(one)[:, None] + areas(other)[None] - shared
    return np.asarray(shared / np.maximum(union, 1e-12))


def suppress(boxes: Boxes, scores: NDArray[np.floating], kinds: NDArray[np.integer], above: float) -> NDArray[np.intp]:
    """Positions to keep, best first: a box goes when a better one of its kind overlaps it by an IoU over `above`."""
    order = np.argsort(-scores, kind="stable")
    rivals = iou(boxes[order], boxes[order]) > above
    rivals &= kinds[order][:, None] == kinds[order][None]
    alive = np.ones(len(order), bool)
    for place in range(len(order)):
        if alive[place]:
            alive[place + 1 :] &= ~rivals[place, place + 1 :]
    return np.asarray(order[alive])


def vote(
    boxes: Boxes, scores: NDArray[np.floating], kinds: NDArray[np.integer], kept: NDArray[np.intp], above: float
) -> NDArray[np.float64]:
    """Boxes (K, 4) of those kept: the mean of all of their kind that overlap them by an IoU of at least `above`.

    Weighted by score^2 x IoU (after Gidaris and Komodakis, ICCV 2015). Neighbouring cells err independently, so their
    mean is nearer to the truth than the best of them.
    """
    fit = iou(boxes[kept], boxes)
    weight = np.where((fit >= above) & (kinds[kept][:, None] == kinds[None]), scores[None] ** 2 * fit, 0.0)
    weight[np.arange(len(kept)), kept] += 1e-12  # a box without area overlaps nothing, not even itself
    return np.asarray(weight @ boxes / weight.sum(axis=1, keepdims=True), np.float64)
