"""Figures of maps against masks, pixel by pixel, for tasks that say where a part is defective."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

Pair = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""Map (H, W), larger is more defective, and true mask (H, W) of one picture."""
PRO_LIMIT = 0.3
GRID = 1000


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """2 |found and truth| / (|found| + |truth|) of one picture (Dice 1945); both (H, W)."""
    sizes = int(found.sum()) + int(truth.sum())
    if sizes == 0:
        raise ValueError("Dice needs a pixel that is found or true")
    return 2 * int((found & truth).sum()) / sizes


def iou(inter: int, union: int) -> float | None:
    """Intersection over union of counted pixels; None where there is none of either."""
    return inter / union if union else None


def aupro(pairs: Iterable[Pair], limit: float = PRO_LIMIT) -> float | None:
    """Area under per-region overlap against the share of good pixels that are flagged, up to `limit`, over `limit`.

    Every connected defective region counts the same, whatever its size (Bergmann et al., "The MVTec Anomaly Detection
    Dataset", IJCV 2021; regions are 8-connected). The curve is exact at about 1,000 thresholds, which are quantiles of
    the good pixels, and linear between them. None without a defective region or without a good pixel.
    """
    regions, good = split_regions(pairs)
    if not regions or not good.size:
        return None
    thresholds = _thresholds(good, limit)
    flagged = 1 - np.searchsorted(good, thresholds, side="right") / good.size
    overlap = np.mean([_share_above(region, thresholds) for region in regions], axis=0)
    x, y = np.concatenate([[0.0], flagged, [1.0]]), np.concatenate([[0.0], overlap, [1.0]])
    inside = x < limit
    x, y = np.append(x[inside], limit), np.append(y[inside], np.interp(limit, x, y))
    return float(np.trapezoid(y, x) / limit)


def pixel_auroc(pairs: Iterable[Pair]) -> float | None:
    """Probability that a defective pixel is above a good one, ties counting half; None without either."""
    regions, good = split_regions(pairs)
    if not regions or not good.size:
        return None
    defective = np.concatenate(regions)
    below = np.searchsorted(good, defective, side="left").astype(np.float64)
    not_above = np.searchsorted(good, defective, side="right")
    return float(np.mean(below + not_above) / 2 / good.size)


def split_regions(pairs: Iterable[Pair]) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Return the map's values in each defective region, and its sorted values on all good pixels."""
    regions: list[NDArray[np.float32]] = []
    good: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
    for values, mask in pairs:
        count, places = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        regions += [np.asarray(values[places == number], np.float32) for number in range(1, count)]
        good.append(np.asarray(values[~mask], np.float32))
    return regions, np.sort(np.concatenate(good))


def _thresholds(good: NDArray[np.float32], limit: float) -> NDArray[np.float32]:
    """Falling; from the largest good value to where just over `limit` of the (sorted) good pixels are above."""
    shares = np.linspace(0, 1, GRID) ** 2 * min(1.0, 1.05 * limit)
    places = np.clip(np.rint((1 - shares) * (good.size - 1)).astype(int), 0, good.size - 1)
    return np.unique(good[places])[::-1]


def _share_above(region: NDArray[np.float32], thresholds: NDArray[np.float32]) -> NDArray[np.float64]:
    ordered = np.sort(region)
    return np.asarray(1 - np.searchsorted(ordered, thresholds, side="right") / ordered.size)
