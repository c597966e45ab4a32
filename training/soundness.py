"""What must be right before anything is fitted: pictures that can be read, masks and boxes that fit them.

Parts for calibration and validation are judged when a network has been fitted, which may be an hour later. What would
stop it then is looked for first, all at once. Costs one reading of the pictures of train and val.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from inspector.dataset import Dataset, Sample
from inspector.errors import DatasetError, UnreadableImage
from inspector.marks import refuse
from inspector.preprocess import read_image
from inspector.truth import has_mask, read_boxes, read_mask
from training.recipe import PartsRecipe
from training.splits import cut_parts


class Cuts(Protocol):
    """A recipe of any task: `train` is cut into parts as it says."""

    @property
    def parts(self) -> PartsRecipe: ...


MASKED = frozenset(("classify", "segment", "anomaly"))
"""Tasks that learn from masks or are measured by them; `detect` needs boxes, `embed` pictures only."""


@dataclass(frozen=True, slots=True)
class _Truth:
    """What is known of one sample."""

    sample: Sample
    kinds: frozenset[str] = frozenset()
    """Classes of its boxes, for detection."""
    fault: str = ""


def require_sound(dataset: Dataset, task: str, recipe: Cuts, seed: int) -> None:
    """Raise one DatasetError with every file of train and val that training would stop at; `test` is not opened."""
    rows = (*dataset.select("train"), *dataset.select("val"))
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="soundness") as pool:
        truths = list(pool.map(lambda row: _look(row, task, dataset), rows))
    _refuse(dataset, [truth.fault for truth in truths if truth.fault])
    if task == "detect":
        _refuse(dataset, list(_unknown_kinds(dataset, truths, recipe.parts, seed)))


def _refuse(dataset: Dataset, faults: Sequence[str]) -> None:
    if len(faults) == 1:
        raise DatasetError(faults[0])
    refuse(dataset.folder, faults)


def _look(sample: Sample, task: str, dataset: Dataset) -> _Truth:
    try:
        image = read_image(sample.path)
        size = (image.shape[0], image.shape[1])
        if task in MASKED and has_mask(sample):
            read_mask(sample, size)
        if task == "detect":
            return _boxed(sample, size, dataset)
    except (DatasetError, UnreadableImage) as error:
        return _Truth(sample, fault=str(error).replace("\n  ", " "))
    return _Truth(sample)


def _boxed(sample: Sample, size: tuple[int, int], dataset: Dataset) -> _Truth:
    if sample.boxes_path is None and dataset.is_defect(sample.label):
        raise DatasetError(f"{sample.path}: boxes_path: expected a file of boxes for this defective part, found none")
    if sample.template_path is not None:
        found = read_image(sample.template_path).shape
        if found[:2] != size:
            raise DatasetError(
                f"{sample.template_path}: expected the size of the picture that it is the template of, {size[1]} x "
                f"{size[0]} px, found {found[1]} x {found[0]}"
            )
    return _Truth(sample, frozenset(read_boxes(sample, size).labels))


def _unknown_kinds(dataset: Dataset, truths: Sequence[_Truth], parts: PartsRecipe, seed: int) -> Iterator[str]:
    """Yield the boxes of classes that the part to fit on lacks; it is cut here as it will be."""
    fitted = {sample.name for sample in cut_parts(dataset, parts, seed, label_is_class=False).fit}
    known = {kind for truth in truths if truth.sample.name in fitted for kind in truth.kinds}
    if not known:
        yield f"{dataset.folder}: boxes_path: expected boxes in train, found none; a detector learns from boxes"
        return
    for truth in truths:
        if unknown := sorted(truth.kinds - known):
            yield (
                f"{truth.sample.boxes_path}: label: expected one of those to fit on ({', '.join(sorted(known))}), "
                f"found {unknown[0]}"
            )
