"""Which calibration a part's score gets: Platt's sigmoid, unless another's cross-validated log loss is surely lower.

Temperature has fewer numbers and is no simpler guess: networks are fitted on more defects than the line will bring, so
their log odds are shifted, and temperature cannot shift.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inspector.calibration.checks import require_finite, require_labelled, require_same_length, require_varied
from inspector.calibration.document import Calibration, Method, one_against_rest
from inspector.calibration.folds import beats, fold_numbers, group_numbers, groups_of_kind
from inspector.calibration.isotonic import Isotonic, fit_isotonic
from inspector.calibration.odds import Floats, Logits
from inspector.calibration.platt import Platt, fit_platt
from inspector.calibration.reliability import part_losses
from inspector.calibration.temperature import fit_slope, fit_temperature
from inspector.calibration.venn_abers import VennAbers, fit_venn_abers

Mask = NDArray[np.bool_]
Labels = NDArray[np.integer]
FOLDS = 5
LEAST_TO_CHOOSE = 20
"""Parts of each kind from which on methods are compared; Platt's sigmoid with fewer."""
LEAST_FOR_STEPS = 40
"""Parts of each kind from which on a method without a given shape is tried."""
LEAST_OF_CLASS = 20
"""Parts of every class from which on each class may get a calibration of its own."""


class Map(Protocol):
    """From a score to a probability."""

    def probability(self, scores: Floats) -> Floats:
        """Return (N,) defect probabilities of scores (N,)."""
        ...


FITS: Mapping[Method, Callable[[Floats, Mask], Map]] = {
    "temperature": fit_slope,
    "platt": fit_platt,
    "isotonic": fit_isotonic,
    "venn-abers": fit_venn_abers,
}
"""In the order in which they are compared."""
USUAL: Method = "platt"
STEPS: tuple[Method, ...] = ("isotonic", "venn-abers")


@dataclass(frozen=True, slots=True)
class PartFit:
    """A part's calibration, as `Calibration` holds it."""

    method: Method
    platt: Platt
    isotonic: Isotonic | None = None
    venn_abers: VennAbers | None = None
    log_losses: Mapping[str, float] = field(default_factory=dict)

    def fields(self) -> dict[str, object]:
        """Return what `Calibration` takes."""
        return {
            "method": self.method,
            "platt": self.platt,
            "isotonic": self.isotonic,
            "venn_abers": self.venn_abers,
            "log_losses": dict(self.log_losses),
        }


def fit_part(
    scores: Floats,
    is_defect: Mask,
    groups: Sequence[str] | None = None,
    seed: int = 0,
    method: Method | None = None,
) -> PartFit:
    """Choose and fit on scores and truths (N,); parts of one group stay in one fold. With a `method`, only fit that.

    Raises:
        CalibrationUndefined: scores that are NaN, infinite or all the same, one kind of part, unequal lengths.
    """
    scores, numbers = _checked(scores, is_defect, groups)
    if method is not None:
        return fit_as(method, scores, is_defect)
    losses = cross_validated(scores, is_defect, numbers, _allowed(is_defect, numbers), seed)
    chosen = USUAL
    for name in losses:
        if beats(losses[name], losses[chosen], numbers):
            chosen = name
    return fit_as(chosen, scores, is_defect, {name: float(loss.mean()) for name, loss in losses.items()})


def fit_as(method: Method, scores: Floats, is_defect: Mask, log_losses: Mapping[str, float] | None = None) -> PartFit:
    """Fit this method on scores and truths (N,)."""
    platt = fit_slope(scores, is_defect) if method == "temperature" else fit_platt(scores, is_defect)
    isotonic = fit_isotonic(scores, is_defect) if method == "isotonic" else None
    venn_abers = fit_venn_abers(scores, is_defect) if method == "venn-abers" else None
    return PartFit(method, platt, isotonic, venn_abers, log_losses or {})


def cross_validated(
    scores: Floats, is_defect: Mask, groups: Labels, methods: Sequence[Method], seed: int
) -> dict[Method, Floats]:
    """Return each method's log loss (N,) on parts that it was not fitted on; nothing where no cut allows that."""
    if not methods:
        return {}
    fold_of = fold_numbers(is_defect.astype(int), groups, FOLDS, seed)
    if any(len(np.unique(is_defect[fold_of != fold])) < 2 for fold in range(FOLDS)):
        return {}
    return {name: _held_out(FITS[name], scores, is_defect, fold_of) for name in methods}


def _held_out(fit: Callable[[Floats, Mask], Map], scores: Floats, is_defect: Mask, fold_of: Labels) -> Floats:
    said = np.empty(len(scores))
    for fold in np.unique(fold_of):
        held = fold_of == fold
        said[held] = fit(scores[~held], is_defect[~held]).probability(scores[held])
    return part_losses(said, is_defect)


def _checked(scores: Floats, is_defect: Mask, groups: Sequence[str] | None) -> tuple[Floats, NDArray[np.int64]]:
    scores = np.asarray(scores, np.float64)
    require_labelled(scores, is_defect)
    require_varied(scores)
    if groups is not None:
        require_same_length(len(scores), groups=len(groups))
    return scores, group_numbers(groups, len(scores))


def _allowed(is_defect: Mask, groups: Labels) -> tuple[Method, ...]:
    """Methods that the counts allow to be compared; none where there is no choice."""
    kinds = is_defect.astype(int)
    parts = min(int(is_defect.sum()), int((~is_defect).sum()))
    if parts < LEAST_TO_CHOOSE or min(groups_of_kind(kinds, groups, kind) for kind in (0, 1)) < FOLDS:
        return ()
    return tuple(name for name in FITS if name not in STEPS or parts >= LEAST_FOR_STEPS)


def fit_classes(
    logits: Logits, labels: Labels, groups: Sequence[str] | None = None, seed: int = 0
) -> tuple[Platt, ...]:
    """Return a calibration of each class against the rest, or nothing where temperature does no worse.

    Logits (N, C), labels (N,). Each class needs `LEAST_OF_CLASS` parts in at least as many groups as there are folds.
    Zadrozny and Elkan 2002: one against the rest, renormalised; compared by cross-validated log loss.
    """
    values: Floats = np.asarray(logits, np.float64)
    require_same_length(len(values), labels=len(labels))
    require_finite(values)
    numbers, kinds = group_numbers(groups, len(labels)), range(values.shape[1])
    counts = np.bincount(labels, minlength=len(kinds))
    if len(kinds) < 2 or counts.min() < LEAST_OF_CLASS:
        return ()
    if min(groups_of_kind(labels, numbers, kind) for kind in kinds) < FOLDS:
        return ()
    return _classes_if_better(values, labels, numbers, seed)


def _classes_if_better(logits: Floats, labels: Labels, groups: Labels, seed: int) -> tuple[Platt, ...]:
    fold_of = fold_numbers(labels, groups, FOLDS, seed)
    together, apart = np.empty(len(labels)), np.empty(len(labels))
    rows = np.arange(len(labels))
    for fold in range(FOLDS):
        held = fold_of == fold
        if len(np.unique(labels[~held])) < logits.shape[1]:
            return ()
        at = (rows[: int(held.sum())], labels[held])
        plain = Calibration(temperature=fit_temperature(logits[~held], labels[~held]), n=1, n_defect=0)
        each = Calibration(temperature=1, n=1, n_defect=0, classes=fit_each_class(logits[~held], labels[~held]))
        together[held], apart[held] = (
            -np.log(one.probabilities(logits[held], ())[at] + 1e-12) for one in (plain, each)
        )
    return fit_each_class(logits, labels) if beats(apart, together, groups) else ()


def fit_each_class(logits: Floats, labels: Labels) -> tuple[Platt, ...]:
    """Fit Platt's sigmoid of each class's log odds against the rest; logits (N, C), every class among labels (N,)."""
    odds = one_against_rest(logits)
    return tuple(fit_platt(odds[:, k], labels == k) for k in range(logits.shape[1]))
