"""What the calibration part settles where parts have several labels: one Platt scaling per label, one for the part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Manifest, Precision
from inspector.calibration import Calibration, Method, Platt, fit_platt
from inspector.figures.labels import label_table
from inspector.heads.labels import log_odds
from inspector.novelty import fit_novelty
from inspector.runtimes import Outputs
from training.delivery import Calibrated, Delivery
from training.outputs import choose_policy
from training.part_calibration import fit_scores
from training.recipe import PolicyRecipe
from training.scoring import judge, predictions

Floats = NDArray[np.float64]
PLAIN = Platt(slope=1.0, intercept=0.0)
"""The logit itself, for a label that all calibration parts have, or none."""


@dataclass(frozen=True, slots=True)
class LabelCalibration:
    """A `training.delivery.Calibrate`."""

    policy: PolicyRecipe

    def __call__(
        self, delivery: Delivery, draft: Manifest, outputs: Mapping[Precision, Sequence[Outputs]]
    ) -> Calibrated:
        viewed = delivery.calibration
        truth = label_table([sample.label for sample in viewed.samples], delivery.classes)
        is_defect = viewed.is_defect(delivery.good)
        fit = partial(calibrate_labels, truth=truth, is_defect=is_defect, groups=viewed.groups)
        chosen = fit(outputs["cpu-int8"])
        calibrations = {name: fit(one, method=chosen.method) for name, one in outputs.items()} | {"cpu-int8": chosen}
        held = {name: predictions(draft, calibrations[name], one, viewed) for name, one in outputs.items()}
        probability = np.array([one.defect_probability for one in held["cpu-int8"]])
        policy = choose_policy(probability, is_defect, self.policy, has_good=delivery.has_good)
        judged = {name: judge(viewed, one, policy, delivery.good) for name, one in held.items()}
        return Calibrated(calibrations, policy, judged)


def calibrate_labels(
    outputs: Sequence[Outputs],
    truth: NDArray[np.bool_],
    is_defect: NDArray[np.bool_],
    groups: Sequence[str] | None = None,
    method: Method | None = None,
) -> Calibration:
    """Fit on outputs of N parts with labels (N, C); the part's own only where both good and defective are there.

    With a `method`, the part's is that one, and none is chosen.
    """
    logits = np.concatenate([one["logits"] for one in outputs]).astype(np.float64)
    labels = tuple(_platt(logits[:, k], truth[:, k]) or PLAIN for k in range(truth.shape[1]))
    distances = np.concatenate([one["distance"] for one in outputs]).astype(np.float64)
    both = bool(is_defect.any() and not is_defect.all())
    part = fit_scores(log_odds(logits, labels).max(axis=1), is_defect, groups, method) if both else {}
    fields = {
        "temperature": 1.0,
        "n": len(logits),
        "n_defect": int(is_defect.sum()),
        "labels": labels,
        "novelty": fit_novelty(distances),
    }
    return Calibration.model_validate({**fields, **part})


def _platt(scores: Floats, is_positive: NDArray[np.bool_]) -> Platt | None:
    return fit_platt(scores, is_positive) if 0 < int(is_positive.sum()) < len(scores) else None
