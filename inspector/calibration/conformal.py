"""What good parts alone can say of a score: the share of good parts that would look at least as strange.

A one-sided conformal p-value (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; Bates et al.,
"Testing for outliers with conformal p-values", Annals of Statistics 51, 2023). It is no probability of a defect.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from inspector.calibration.checks import require_finite
from inspector.calibration.odds import Floats
from inspector.documents import Document


class Conformal(Document):
    """Scores of held good parts, none of them used in training."""

    scores: tuple[float, ...] = Field(min_length=1, description="sorted")

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        if (np.diff(self.scores) < 0).any():
            raise ValueError("scores: expected them sorted")
        return self

    @property
    def least(self) -> float:
        """The smallest p-value that so many parts can give: 1 / (n + 1)."""
        return 1 / (len(self.scores) + 1)

    def p_value(self, scores: Floats) -> Floats:
        """Return (N,) p-values (1 + held parts of at least this score) / (n + 1).

        For a good part exchangeable with the held ones, P(p <= a) <= a for every a, at any n.
        """
        n = len(self.scores)
        at_least = n - np.searchsorted(self.scores, np.asarray(scores, np.float64), "left")
        return np.asarray((1 + at_least) / (n + 1))


def fit_conformal(good_scores: Floats) -> Conformal:
    """Keep the scores (N,) of good parts; raise CalibrationUndefined for none, or for NaN and infinity."""
    values = np.sort(np.asarray(good_scores, np.float64))
    require_finite(values)
    return Conformal(scores=tuple(values.tolist()))
