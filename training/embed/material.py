"""What an embedding is learnt from, and what is kept apart to calibrate it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from inspector.dataset import Dataset
from inspector.errors import DatasetError
from inspector.preprocess import InputSpec
from training.embed.recipe import EmbedRecipe
from training.order import Order
from training.pictures import Pictures, choose_input, load_pictures
from training.splits import Parts, Samples, cut_parts
from training.viewed import Viewed, view


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Only `fit` is trained on; `dataset` knows nothing of what was left out but its rows of val."""

    dataset: Dataset
    parts: Parts
    spec: InputSpec
    classes: tuple[str, ...]
    fit: Pictures
    selection: Pictures
    calibration: Viewed
    """Calibration parts of the trained variants, and as many of each left out."""
    validation: Viewed

    def summary(self) -> str:
        counts = ", ".join(f"{name} {len(samples)}" for name, samples in self.parts.named().items())
        strangers = sorted({sample.label for sample in self.validation.samples} - set(self.classes))
        size = f"{self.spec.width} x {self.spec.height} px"
        return (
            f"{len(self.classes)} variants ({', '.join(self.classes)}); in validation only: "
            f"{', '.join(strangers) or 'none'}; images: {counts}; input {size}"
        )


def load_material(order: Order[EmbedRecipe]) -> Material:
    """Take out what is left out, cut the parts by group, read the pictures; raises DatasetError, UnreadableImage."""
    recipe = order.recipe
    index = order.dataset.folder / "index.csv"
    kept, aside = _set_aside(order.dataset, recipe.left_out)
    parts = cut_parts(kept, recipe.parts, order.seed, label_is_class=False)
    classes = tuple(sorted({sample.label for sample in parts.fit}))
    if len(classes) < 2:
        raise DatasetError(f"{index}: label: expected at least two variants to fit on, found {list(classes)}")
    spec = choose_input(parts.fit, recipe.input)
    most = max(sum(sample.label == label for sample in parts.calibration) for label in classes)
    calibration = (*parts.calibration, *_thinned(aside, most, order.seed))
    return Material(
        dataset=replace(kept, good=classes),
        parts=replace(parts, calibration=calibration),
        spec=spec,
        classes=classes,
        fit=load_pictures(parts.fit, classes, (), spec),
        selection=load_pictures([sample for sample in parts.selection if sample.label in classes], classes, (), spec),
        calibration=view(calibration, spec),
        validation=view(parts.validation, spec),
    )


def _set_aside(dataset: Dataset, left_out: tuple[str, ...]) -> tuple[Dataset, Samples]:
    """Return the data set without the left-out labels in train, and those rows."""
    train = dataset.select("train")
    if unknown := sorted(set(left_out) - {sample.label for sample in dataset.rows}):
        raise DatasetError(f"{dataset.folder / 'index.csv'}: left_out: no label {', '.join(unknown)} in the index")
    aside = tuple(sample for sample in train if sample.label in left_out)
    names = {sample.name for sample in aside}
    return replace(dataset, rows=tuple(row for row in dataset.rows if row.name not in names)), aside


def _thinned(samples: Samples, most: int, seed: int) -> Samples:
    """At most `most` samples of each label, one of a group before another of the same."""
    order = [samples[i] for i in np.random.default_rng(seed).permutation(len(samples))]
    chosen: list[int] = []
    for label in sorted({sample.label for sample in samples}):
        mine = [sample for sample in order if sample.label == label]
        seen: set[str] = set()
        first = [s for s in mine if not (s.group in seen or seen.add(s.group))]  # type: ignore[func-returns-value]
        chosen += [id(sample) for sample in [*first, *(s for s in mine if s not in first)][:most]]
    return tuple(sample for sample in samples if id(sample) in chosen)
