"""Parts with several labels each, as pictures and as yes or no for every label."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inspector.dataset import Dataset
from inspector.errors import DatasetError
from inspector.figures.labels import label_table
from inspector.labels import join_labels, split_labels
from inspector.preprocess import InputSpec
from training.order import Order
from training.pictures import Pictures, choose_input, load_pictures
from training.recipe import TrainingRecipe
from training.splits import Parts, cut_parts
from training.viewed import Viewed, view


@dataclass(frozen=True, slots=True, eq=False)
class LabelledMaterial:
    """Only `fit` is trained on. Pictures' labels are positions in `cells`; `table` says what each cell holds."""

    dataset: Dataset
    parts: Parts
    spec: InputSpec
    classes: tuple[str, ...]
    """Defect labels; a good part has none of them."""
    cells: tuple[str, ...]
    table: Tensor
    """(cells, C) float32 of 0 and 1."""
    fit: Pictures
    selection: Pictures
    calibration: Viewed
    validation: Viewed

    def summary(self) -> str:
        several = sum(len(split_labels(sample.label)) > 1 for sample in self.parts.fit)
        counts = ", ".join(f"{name} {len(samples)}" for name, samples in self.parts.named().items())
        size = f"{self.spec.width} x {self.spec.height} px"
        return (
            f"{len(self.classes)} labels, {several} fitting parts with several; images: {counts}; input {size}; "
            "masks are not used where parts have several labels"
        )


def load_material(order: Order[TrainingRecipe]) -> LabelledMaterial:
    """Write cells alike, cut the parts by group, read the pictures; raises DatasetError, UnreadableImage."""
    dataset = _written_alike(order.dataset)
    parts = cut_parts(dataset, order.recipe.parts, order.seed, label_is_class=False)
    classes = tuple(sorted({name for s in parts.fit for name in split_labels(s.label)} - set(dataset.good)))
    _require_known(dataset, parts, classes)
    cells = tuple(sorted({sample.label for samples in parts.named().values() for sample in samples}))
    spec = choose_input(parts.fit, order.recipe.input)
    return LabelledMaterial(
        dataset=dataset,
        parts=parts,
        spec=spec,
        classes=classes,
        cells=cells,
        table=torch.from_numpy(label_table(cells, classes)).float(),
        fit=load_pictures(parts.fit, cells, dataset.good, spec),
        selection=load_pictures(parts.selection, cells, dataset.good, spec),
        calibration=view(parts.calibration, spec),
        validation=view(parts.validation, spec),
    )


def _written_alike(dataset: Dataset) -> Dataset:
    """Return the data set with every cell sorted, each label once; refuse a good part that has a defect."""
    rows = tuple(replace(row, label=join_labels(split_labels(row.label))) for row in dataset.rows)
    index = dataset.folder / "index.csv"
    for row in rows:
        labels = split_labels(row.label)
        if not labels or (len(labels) > 1 and set(labels) & set(dataset.good)):
            raise DatasetError(f"{index}: {row.name}: label: expected good or defect labels, found {row.label!r}")
    return replace(dataset, rows=rows)


def _require_known(dataset: Dataset, parts: Parts, classes: tuple[str, ...]) -> None:
    index = dataset.folder / "index.csv"
    if len(classes) < 2:
        raise DatasetError(f"{index}: label: expected at least two defect labels in train, found {list(classes)}")
    others = (*parts.selection, *parts.calibration, *parts.validation)
    found = {name for sample in others for name in split_labels(sample.label)}
    if unknown := sorted(found - set(classes) - set(dataset.good)):
        raise DatasetError(f"{index}: label: expected labels of val to occur in train, found {unknown} too")
