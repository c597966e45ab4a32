"""What an anomaly detector is learnt from: good parts only. Defective rows of train calibrate it, if there are any."""

from __future__ import annotations

from dataclasses import dataclass

from inspector.dataset import Dataset
from inspector.errors import DatasetError
from inspector.preprocess import InputSpec
from training.anomaly.recipe import AnomalyRecipe
from training.pictures import Pictures, choose_input, load_pictures
from training.splits import Parts, cut_parts
from training.viewed import Viewed, view


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """`fit` is good parts; `calibration` other good parts, and every defective one of train."""

    parts: Parts
    spec: InputSpec
    kinds: tuple[str, ...]
    """Labels of defects that train knows; `defect` where it knows none."""
    fit: Pictures
    calibration: Viewed
    validation: Viewed

    def summary(self) -> str:
        defective = sum(sample.label in self.kinds for sample in self.parts.calibration)
        size = f"{self.spec.width} x {self.spec.height} px"
        return (
            f"{len(self.fit)} good parts to learn from; {len(self.calibration)} to calibrate on, {defective} of them "
            f"defective; {len(self.validation)} to report on; input {size}"
        )


def load_material(dataset: Dataset, recipe: AnomalyRecipe, seed: int) -> Material:
    """Cut the parts by group and read their pictures; raise DatasetError without good parts to learn from."""
    parts = good_only(cut_parts(dataset, recipe.parts, seed, label_is_class=False), dataset.good)
    if len(parts.fit) < 2:
        raise DatasetError(
            f"{dataset.folder}: label: expected at least two good parts ({', '.join(dataset.good)}) of train to learn "
            f"from, found {len(parts.fit)}"
        )
    spec = choose_input(parts.fit, recipe.input)
    kinds = sorted({sample.label for sample in parts.calibration} - set(dataset.good))
    return Material(
        parts=parts,
        spec=spec,
        kinds=tuple(kinds) or ("defect",),
        fit=load_pictures(parts.fit, dataset.good, dataset.good, spec),
        calibration=view(parts.calibration, spec),
        validation=view(parts.validation, spec),
    )


def good_only(parts: Parts, good: tuple[str, ...]) -> Parts:
    """Move every defective part of train to calibration. Nothing is selected, so what was for that is fitted on."""
    train = (*parts.fit, *parts.selection)
    return Parts(
        fit=tuple(sample for sample in train if sample.label in good),
        selection=(),
        calibration=(*parts.calibration, *(sample for sample in train if sample.label not in good)),
        validation=parts.validation,
        validation_origin=parts.validation_origin,
    )
