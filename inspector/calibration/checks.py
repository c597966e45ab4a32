"""What no calibration and no figure can be made of, refused with the value that was wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.errors import CalibrationUndefined

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def require_finite(scores: Floats) -> None:
    """Refuse no scores at all, and scores (N,) or (N, C) with NaN or infinity among them."""
    if scores.size == 0:
        raise CalibrationUndefined("calibration: expected at least one part, got none")
    wrong = np.flatnonzero(~np.isfinite(scores.reshape(len(scores), -1)).all(axis=1))
    if wrong.size:
        raise CalibrationUndefined(
            f"calibration: scores: expected finite numbers; {wrong.size} of {len(scores)} parts have NaN or infinity, "
            f"the first at position {wrong[0]}"
        )


def require_same_length(n_scores: int, **others: int) -> None:
    """Refuse truths or groups that are not one per score."""
    for name, n in others.items():
        if n != n_scores:
            raise CalibrationUndefined(f"calibration: {name}: expected one for each of {n_scores} scores, got {n}")


def require_both_kinds(is_defect: Mask) -> None:
    """Refuse a set (N,) of defective parts alone, or of good ones alone."""
    n, n_defect = len(is_defect), int(np.sum(is_defect))
    if n_defect in (0, n):
        missing = "defective" if n_defect == 0 else "good"
        raise CalibrationUndefined(f"calibration: expected good and defective parts, got no {missing} one among {n}")


def require_labelled(scores: Floats, is_defect: Mask) -> None:
    """Refuse what has no probability of a defect: both arrays must be (N,), finite and of both kinds."""
    require_same_length(len(scores), truths=len(is_defect))
    require_finite(scores)
    require_both_kinds(is_defect)


def require_varied(scores: Floats) -> None:
    """Refuse scores (N,) that are all the same: they tell no part from another."""
    if float(scores.min()) == float(scores.max()):
        raise CalibrationUndefined(
            f"calibration: scores: expected numbers that tell parts apart; all {len(scores)} are {float(scores[0]):g}"
        )
