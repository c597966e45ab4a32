"""Limits on the picture, learned from frames of parts that passed. Pure.

Each limit is the k-th most extreme value of N frames, so the share of further frames beyond it is at most the exact
upper limit of k - 1 of N (order statistics of any distribution); all limits together at most the sum of theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.errors import RecipeError
from inspector.risk import Rate

LEAST_FRAMES = 100
BEYOND = 0.001
"""Share of the good frames that may lie beyond a limit."""
CONFIDENCE = 0.95
_CEILINGS = {"quality.max_brightness": 255.0, "quality.max_dark_share": 1.0, "quality.max_saturated_share": 1.0}
_LIMITS = ("quality.min_focus", "quality.min_brightness", *_CEILINGS)
Figures = NDArray[np.float64]
"""(N, 4) focus, brightness, dark share, saturated share."""


@dataclass(frozen=True, slots=True)
class Learned:
    """Limits by path, as text, and the share of further good frames that they stop at most."""

    texts: dict[str, str]
    frames: int
    beyond: int
    """Frames of those learned from that break one of the limits."""
    bound: float
    """One-sided, 95 %, for frames like these."""


def learn(figures: Figures) -> Learned:
    """Raise RecipeError where there are too few frames."""
    n = len(figures)
    if n < LEAST_FRAMES:
        raise RecipeError(f"quality: {n} frames of passed parts are on record; expected {LEAST_FRAMES} or more")
    rank = math.floor(BEYOND * n)
    ordered = np.sort(figures, axis=0)
    focus, brightness, dark, saturated = ordered.T
    low = (_down(focus[rank]), _down(brightness[rank]))
    high = tuple(_up(column[n - 1 - rank]) for column in (brightness, dark, saturated))
    values = dict(zip(_LIMITS, (*low, *high), strict=True))
    values |= {path: min(values[path], ceiling) for path, ceiling in _CEILINGS.items()}
    each = Rate(rank, n).upper(1 - (1 - CONFIDENCE) / len(_LIMITS))
    texts = {path: f"{value:.15g}" for path, value in values.items()}
    return Learned(texts, n, _beyond(figures, values), min(1.0, each * len(_LIMITS)))


def _beyond(figures: Figures, values: dict[str, float]) -> int:
    focus, brightness, dark, saturated = figures.T
    least_focus, least_brightness, most_brightness, most_dark, most_saturated = (values[path] for path in _LIMITS)
    bright = (brightness < least_brightness) | (brightness > most_brightness)
    return int(((focus < least_focus) | bright | (dark > most_dark) | (saturated > most_saturated)).sum())


def _down(value: float) -> float:
    """Three digits, outwards, so that no frame learned from is stopped by rounding."""
    step = _step(value)
    return max(0.0, round(math.floor(value / step) * step, 12))


def _up(value: float) -> float:
    step = _step(value)
    return round(math.ceil(value / step) * step, 12)


def _step(value: float) -> float:
    return 10.0 ** (math.floor(math.log10(value)) - 2) if value > 0 else 1e-3
