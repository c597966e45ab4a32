"""How one precision's outputs become probabilities: what `calibration.json` holds of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from inspector.calibration.conformal import Conformal
from inspector.calibration.isotonic import Isotonic
from inspector.calibration.odds import Floats, Logits, column_mask, defect_score, logsumexp, share, softmax
from inspector.calibration.platt import Platt
from inspector.calibration.venn_abers import VennAbers
from inspector.documents import Document
from inspector.novelty import Novelty

Method = Literal["temperature", "platt", "isotonic", "venn-abers"]
RANKED = 0.01
"""Weight of Platt's sigmoid beside a step function, so that two parts of one step keep their order, and no part is
certain: limits can then lie anywhere, and AUROC stays that of the scores."""


class Calibration(Document):
    """How one precision's logits become probabilities."""

    temperature: float = Field(gt=0, description="divides the logits before softmax")
    platt: Platt | None = Field(
        default=None, description="defect score to defect probability; unset without good parts"
    )
    n: int = Field(ge=1, description="parts it was fitted on, none of them used in training")
    n_defect: int = Field(ge=0, description="defective ones among them")
    labels: tuple[Platt, ...] = Field(
        default=(), description="classify with several labels per part: logit to probability of each"
    )
    novelty: Novelty | None = Field(
        default=None, description="classify: distance from the training set to share of parts less unlike it"
    )
    references: dict[str, tuple[tuple[float, ...], ...]] = Field(
        default_factory=dict, description="embed: embeddings of the training set's variants, of unit length"
    )
    method: Method = Field(default="platt", description="how a part's score becomes a probability")
    isotonic: Isotonic | None = Field(default=None, description="set where it is the method; takes precedence")
    venn_abers: VennAbers | None = Field(default=None, description="set where it is the method; takes precedence")
    log_losses: dict[str, float] = Field(
        default_factory=dict, description="cross-validated, of each method tried; empty where counts allow no choice"
    )
    classes: tuple[Platt, ...] = Field(
        default=(), description="classify: each class's log odds against the rest to its probability; empty: softmax"
    )
    conformal: Conformal | None = Field(default=None, description="anomaly: scores of held good parts")

    @model_validator(mode="after")
    def _of_its_method(self) -> Self:
        steps = {"isotonic": self.isotonic, "venn-abers": self.venn_abers}
        for name, one in steps.items():
            if (one is not None) != (self.method == name):
                raise ValueError(f"method: {self.method!r} does not fit {name} being {'set' if one else 'unset'}")
        return self

    def probabilities(self, logits: Logits, good_columns: Sequence[int]) -> Floats:
        """Return class probabilities (N, C) of raw logits (N, C)."""
        classes = self._classes(np.asarray(logits, np.float64))
        if self.platt is None or not good_columns or len(good_columns) == classes.shape[1]:
            return classes
        defective = self.part_probability(defect_score(logits, good_columns))
        is_good = column_mask(classes.shape[1], good_columns)
        rescaled = np.empty_like(classes)
        rescaled[:, is_good] = share(classes[:, is_good]) * (1 - defective)[:, None]
        rescaled[:, ~is_good] = share(classes[:, ~is_good]) * defective[:, None]
        return rescaled

    def part_probability(self, scores: Floats) -> Floats:
        """Return (N,) defect probability of a part's raw scores (N,)."""
        if self.platt is None:
            raise ValueError("a part's score becomes a probability by calibration only, and none was fitted")
        smooth, steps = self.platt.probability(scores), self.isotonic or self.venn_abers
        return smooth if steps is None else (1 - RANKED) * steps.probability(scores) + RANKED * smooth

    def interval(self, scores: Floats) -> tuple[Floats, Floats] | None:
        """Return Venn-Abers' p0 and p1, each (N,), of a part's scores (N,); None for other methods."""
        return None if self.venn_abers is None else self.venn_abers.interval(scores)

    def p_value(self, scores: Floats) -> Floats | None:
        """Return (N,) one-sided conformal p-values of a part's scores (N,); None where no good scores are kept."""
        return None if self.conformal is None else self.conformal.p_value(scores)

    def _classes(self, logits: Floats) -> Floats:
        """(N, C) that sum to 1, before good and defective are brought in line with the part's probability."""
        if not self.classes:
            return softmax(logits / self.temperature)
        odds = one_against_rest(logits)
        return share(np.stack([one.probability(odds[:, k]) for k, one in enumerate(self.classes)], axis=1))


def one_against_rest(logits: Floats) -> Floats:
    """Return (N, C) log odds of each class against all others, of logits (N, C) of at least two classes."""
    columns = range(logits.shape[1])
    return np.stack([logits[:, k] - logsumexp(np.delete(logits, k, axis=1)) for k in columns], axis=1)
