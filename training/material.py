"""Everything a run works on: four parts of one data set, preprocessed alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inspector.dataset import Dataset
from inspector.preprocess import InputSpec
from training.pictures import Pictures, choose_input, load_pictures
from training.recipe import TrainingRecipe
from training.splits import Parts, cut_parts


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Only `fit` is trained on; see `training.splits.Parts`."""

    parts: Parts
    spec: InputSpec
    classes: tuple[str, ...]
    good: tuple[str, ...]
    fit: Pictures
    selection: Pictures
    calibration: Pictures
    validation: Pictures

    @property
    def good_columns(self) -> tuple[int, ...]:
        return tuple(self.classes.index(label) for label in self.good)

    def summary(self) -> str:
        counts = ", ".join(f"{name} {len(samples)}" for name, samples in self.parts.named().items())
        size = f"{self.spec.width} x {self.spec.height} px"
        return f"{len(self.classes)} classes, good: {', '.join(self.good) or 'none'}; images: {counts}; input {size}"


def load_material(dataset: Dataset, recipe: TrainingRecipe, seed: int, known: Sequence[str] = ()) -> Material:
    """Cut the parts and bring their pictures into memory; `known` are classes besides those of the pictures."""
    parts = cut_parts(dataset, recipe.parts, seed)
    classes = tuple(sorted({*known, *(sample.label for sample in parts.fit)}))
    good = tuple(label for label in classes if label in dataset.good)
    spec = choose_input(parts.fit, recipe.input)
    pictures = {name: load_pictures(samples, classes, good, spec) for name, samples in parts.named().items()}
    return Material(parts, spec, classes, good, **pictures)
