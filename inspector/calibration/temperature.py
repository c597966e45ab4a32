"""Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017): one number, no shift."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inspector.calibration.checks import require_finite, require_labelled, require_same_length
from inspector.calibration.odds import Floats, Logits, logsumexp
from inspector.calibration.platt import Platt, smoothed_targets

LOG_T_LIMIT = 4.0
"""Temperatures are sought from e^-4 to e^4: a perfectly separated set stays finite."""


def fit_temperature(logits: Logits, labels: NDArray[np.integer]) -> float:
    """Return the temperature of least log loss. Logits (N, C), labels (N,) class numbers.

    The loss is convex in 1/T; golden-section search over log T.
    """
    values = np.asarray(logits, np.float64)
    require_same_length(len(values), labels=len(labels))
    require_finite(values)
    rows = np.arange(len(labels))

    def loss(log_t: float) -> float:
        scaled = values / np.exp(log_t)
        return float(np.mean(logsumexp(scaled) - scaled[rows, labels]))

    return float(np.exp(golden_section(loss, -LOG_T_LIMIT, LOG_T_LIMIT)))


def fit_slope(scores: Floats, is_defect: NDArray[np.bool_]) -> Platt:
    """Return temperature scaling of scores (N,) that are log odds: a slope of 1/T and no intercept.

    Against Platt's smoothed targets, so that parts without an error do not make certainty.
    """
    scores = np.asarray(scores, np.float64)
    require_labelled(scores, is_defect)
    targets = smoothed_targets(is_defect)

    def loss(log_t: float) -> float:
        scaled = scores / np.exp(log_t)
        return float(np.mean(np.logaddexp(0.0, scaled) - targets * scaled))

    return Platt(slope=float(np.exp(-golden_section(loss, -LOG_T_LIMIT, LOG_T_LIMIT))), intercept=0.0)


def golden_section(loss: Callable[[float], float], low: float, high: float, width: float = 1e-7) -> float:
    """Return where a function of one valley is least between `low` and `high`, to `width` (Kiefer 1953)."""
    ratio = (np.sqrt(5.0) - 1) / 2
    a, b = low, high
    c, d = b - ratio * (b - a), a + ratio * (b - a)
    at_c, at_d = loss(c), loss(d)
    while b - a > width:
        if at_c < at_d:
            b, d, at_d = d, c, at_c
            c = b - ratio * (b - a)
            at_c = loss(c)
        else:
            a, c, at_c = c, d, at_d
            d = a + ratio * (b - a)
            at_d = loss(d)
    return float((a + b) / 2)
