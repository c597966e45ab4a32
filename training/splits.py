"""Which samples are for what. Whole groups only, so that pictures of one part never meet across a cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from inspector.dataset import Dataset, Sample
from inspector.errors import DatasetError
from training.recipe import PartsRecipe

Samples = tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """Four disjoint sets of groups. Only `fit` is trained on; `validation` is only reported on."""

    fit: Samples
    selection: Samples
    calibration: Samples
    validation: Samples
    validation_origin: str
    """`val` of the index, or `cut from train`."""

    def named(self) -> dict[str, Samples]:
        names = ("fit", "selection", "calibration", "validation")
        return {name: getattr(self, name) for name in names}


def cut_parts(dataset: Dataset, recipe: PartsRecipe, seed: int, *, label_is_class: bool = True) -> Parts:
    """Cut calibration and selection parts from `train`, and validation too where there is no `val`.

    Rows of `test` are not looked at. With `label_is_class`, labels are what is learnt: at least two, and none in
    another part that fitting does not know.
    """
    rest = dataset.select("train")
    if not rest:
        raise DatasetError(f"{dataset.folder / 'index.csv'}: split: expected rows of train, found none")
    validation, origin = dataset.select("val"), "val of the index"
    if not validation:
        validation, rest = cut(rest, recipe.validation_share, seed)
        origin = "cut from train"
    calibration, rest = cut(rest, recipe.calibration_share, seed + 1)
    selection, fit = cut(rest, recipe.selection_share, seed + 2)
    _check(dataset, fit, (calibration, selection, validation), label_is_class=label_is_class)
    return Parts(fit, selection, calibration, validation, origin)


def cut(samples: Samples, share: float, seed: int) -> tuple[Samples, Samples]:
    """Take about `share` of the samples of every label, group by group; return what is taken, and the rest.

    Rare labels choose first. A label whose groups are too few or too large to be divided stays in the rest.
    """
    groups = _by_group(samples)
    order = [sorted(groups)[i] for i in np.random.default_rng(seed).permutation(len(groups))]
    left = Counter(sample.label for sample in samples)
    want = {label: share * count for label, count in left.items()}
    taken: set[str] = set()
    for label in sorted(left, key=lambda name: (left[name], name)):
        for name in order:
            if name not in taken and _fits(label, groups, name, taken, want):
                taken.add(name)
    taken = taken or _smallest(groups)
    return (
        tuple(sample for sample in samples if sample.group in taken),
        tuple(sample for sample in samples if sample.group not in taken),
    )


def _fits(label: str, groups: dict[str, Counter[str]], name: str, taken: set[str], want: dict[str, float]) -> bool:
    """Would taking group `name` bring `label` nearer to what is wanted, and leave some of each label to fit on?"""
    gain = groups[name][label]
    if not gain:
        return False
    have = sum(groups[other][label] for other in taken)
    if have + gain / 2 > want[label]:
        return False
    remaining = [group for group in groups if group not in taken and group != name]
    return all(any(groups[group][kind] for group in remaining) for kind in groups[name])


def _smallest(groups: dict[str, Counter[str]]) -> set[str]:
    """The smallest group whose labels all occur elsewhere too; nothing where there is none."""
    labels = Counter(label for group in groups.values() for label in group)
    spare = [name for name, group in groups.items() if all(labels[label] > 1 for label in group)]
    return {min(spare, key=lambda name: (groups[name].total(), name))} if spare else set()


def _by_group(samples: Iterable[Sample]) -> dict[str, Counter[str]]:
    groups: dict[str, Counter[str]] = {}
    for sample in samples:
        groups.setdefault(sample.group, Counter())[sample.label] += 1
    return groups


def _check(dataset: Dataset, fit: Samples, others: Sequence[Samples], *, label_is_class: bool) -> None:
    index = dataset.folder / "index.csv"
    labels = {sample.label for sample in fit}
    if label_is_class and len(labels) < 2:
        raise DatasetError(f"{index}: label: expected at least two labels in train, found {sorted(labels)}")
    if not all(others):
        raise DatasetError(f"{index}: group: expected enough groups in train to set calibration and selection apart")
    if label_is_class and (unknown := {sample.label for part in others for sample in part} - labels):
        raise DatasetError(f"{index}: label: expected labels of val to occur in train, found {sorted(unknown)} too")
