"""Classes, splits and groups in numbers, and what those numbers say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from inspector.dataset import SPLITS, Dataset
from inspector.documents import Document
from inspector.labels import has_several, split_labels
from training.dataset_check.looking import Look
from training.dataset_check.remarks import Remark, fault, warning

FEW_GROUPS = 4
"""Of fewer groups one cannot set validation, calibration and selection apart and still fit."""


class ClassCount(Document):
    """One label."""

    train: int = Field(ge=0, description="pictures")
    val: int = Field(ge=0, description="pictures")
    test: int = Field(ge=0, description="pictures")
    groups: int = Field(ge=0, description="groups of all splits")
    is_defect: bool


class Counts(Document):
    """Pictures by label, boxes by class, sizes in px. A picture with several labels counts for each."""

    classes: dict[str, ClassCount]
    several: int = Field(ge=0, description="pictures with more than one label")
    boxes: dict[str, int] = Field(description="boxes of every class; empty where there are none")
    sizes: dict[str, int] = Field(description="pictures of the ten most frequent sizes, `width x height`")


def count(dataset: Dataset, looks: Sequence[Look]) -> Counts:
    told = {label for row in dataset.rows for label in split_labels(row.label)}
    labels = sorted({*told, *(dataset.declared if not _has_boxes(looks) else ())})
    boxes = Counter(label for seen in looks for label in seen.boxes)
    sizes = Counter(f"{seen.size[1]} x {seen.size[0]}" for seen in looks if seen.size[0])
    return Counts(
        classes={label: _of_label(dataset, label) for label in labels},
        several=sum(has_several([row.label]) for row in dataset.rows),
        boxes={label: boxes[label] for label in sorted({*boxes, *(dataset.declared if boxes else ())})},
        sizes=dict(sizes.most_common(10)),
    )


def _has_boxes(looks: Sequence[Look]) -> bool:
    return any(seen.boxes for seen in looks)


def _of_label(dataset: Dataset, label: str) -> ClassCount:
    rows = [row for row in dataset.rows if label in split_labels(row.label)]
    splits = Counter(row.split for row in rows)
    groups = len({row.group for row in rows})
    return ClassCount(**{name: splits[name] for name in SPLITS}, groups=groups, is_defect=dataset.is_defect(label))


def remarks_on(counts: Counts) -> Iterator[Remark]:
    """Yield what the numbers of pictures and boxes say."""
    yield from _spellings([*counts.classes, *counts.boxes])
    for label, n in counts.classes.items():
        yield from _of_class(label, n)
    for label, boxes in counts.boxes.items():
        if boxes < 2:
            yield warning("class", f"{label}: {'no box' if boxes == 0 else 'one box'}; expected several of every class")
    yield from _of_splits(counts)


def _spellings(names: Iterable[str]) -> Iterator[Remark]:
    """`Good` beside `good` is a class of defects to everything else."""
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        alike.setdefault(" ".join(name.casefold().replace("_", " ").split()), []).append(name)
    for some in alike.values():
        if len(some) > 1:
            yield warning("class", f"{' and '.join(map(repr, some))}: expected one spelling, found {len(some)}")


def _of_class(label: str, n: ClassCount) -> Iterator[Remark]:
    total = n.train + n.val + n.test
    if total == 0:
        yield warning("class", f"{label}: empty class; expected pictures, or no such class")
    elif total == 1:
        yield warning("class", f"{label}: one picture only; expected several, in {FEW_GROUPS} groups or more")
    elif n.groups < FEW_GROUPS:
        yield warning("class", f"{label}: {total} pictures in {n.groups} groups only; expected {FEW_GROUPS} or more")
    if n.train == 0 and n.val and n.is_defect:
        yield fault("class", f"{label}: in val but not in train; expected labels of val to occur in train")


def _of_splits(counts: Counts) -> Iterator[Remark]:
    by_kind = {
        (split, is_defect): sum(getattr(n, split) for n in counts.classes.values() if n.is_defect is is_defect)
        for split in SPLITS
        for is_defect in (True, False)
    }
    if not by_kind["train", True] + by_kind["train", False]:
        yield fault("split", "train: no pictures; expected some")
    for split in ("val", "test"):
        good, defective = by_kind[split, False], by_kind[split, True]
        if good and not defective:
            yield warning("split", f"{split}: {good} good pictures and no defective one; escapes cannot be measured")
        elif defective and not good and any(not n.is_defect for n in counts.classes.values()):
            yield warning("split", f"{split}: {defective} defective pictures and no good one; overkill is not measured")
