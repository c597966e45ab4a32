"""A part's calibration while networks are still being made: every graph gets one, also a bad one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.calibration import Floats, Method, Platt, fit_part
from inspector.calibration.platt import smoothed_targets


def fit_scores(
    scores: Floats, is_defect: NDArray[np.bool_], groups: Sequence[str] | None, method: Method | None
) -> dict[str, object]:
    """Return the part's fields of `Calibration`, from scores and truths (N,) of both kinds.

    A graph that says the same of all parts gets their usual share, with Platt's smoothing: it is a bad one, which the
    figures say, and no reason to give up before the next try.
    """
    if np.ptp(scores) > 0:
        return fit_part(scores, is_defect, groups, method=method).fields()
    share = float(smoothed_targets(is_defect).mean())
    return {"platt": Platt(slope=0.0, intercept=float(np.log(share / (1 - share))))}
