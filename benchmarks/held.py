"""Scores of parts that a bundle's network was not fitted on, and random cuts of them by group.

The held parts are the calibration part that training cut from `train`, found again from the recipe and the seed in the
bundle's manifest, and the rows of `val`. Pictures are scored once; scores are kept in a folder that the user names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Bundle, load_bundle
from inspector.dataset import Dataset, read_dataset
from inspector.errors import UserError
from inspector.evaluation import judge
from inspector.inspection import Inspector
from inspector.recipe import Recipe
from training.recipe import TrainingRecipe
from training.splits import Samples, cut_parts

PRECISION = "cpu-int8"
Cut = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Held parts of one data set, as the quantised graph sees them."""

    bundle: str
    classes: tuple[str, ...]
    logits: NDArray[np.float64]
    """(N, C)."""
    labels: NDArray[np.int64]
    """(N,) class numbers."""
    groups: tuple[str, ...]

    def is_defect(self, good: str) -> NDArray[np.bool_]:
        """(N,) every class but `good`."""
        return np.asarray(self.labels != self.classes.index(good))


def held_parts(bundle_path: Path, dataset_path: Path, cache: Path) -> Held:
    """Return the held parts of a classifier's data set, scored now or before."""
    bundle = load_bundle(bundle_path)
    if bundle.manifest.task != "classify" or bundle.manifest.several:
        raise UserError(f"{bundle_path}: task: expected a classifier with one class per part")
    kept = cache / f"{bundle.id[:16]}.{PRECISION}.json"
    if not kept.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(_score(bundle, read_dataset(dataset_path, splits=("train", "val")))))
    found = json.loads(kept.read_text())
    return Held(
        bundle.id, bundle.manifest.classes, np.array(found["logits"]), np.array(found["labels"]), tuple(found["groups"])
    )


def _score(bundle: Bundle, dataset: Dataset) -> dict[str, object]:
    samples = _held_samples(bundle, dataset)
    parts = judge(Inspector(bundle, Recipe(precision=PRECISION)), samples, lambda done: None)
    classes = bundle.manifest.classes
    return {
        "logits": [part.prediction.scores for part in parts],
        "labels": [classes.index(part.sample.label) for part in parts],
        "groups": [part.sample.group for part in parts],
    }


def _held_samples(bundle: Bundle, dataset: Dataset) -> Samples:
    manifest = bundle.manifest
    if manifest.lineage.dataset_hash != dataset.content_hash:
        raise UserError(f"{dataset.folder}: expected the data set that the bundle was trained on; the hash differs")
    recipe = TrainingRecipe.model_validate_json(str(manifest.training.get("recipe", "{}")))
    parts = cut_parts(dataset, recipe.parts, manifest.lineage.seed)
    if len(parts.calibration) != manifest.training["calibration_images"]:
        raise UserError(f"{bundle.path}: the parts of its training cannot be found again; train it with this version")
    return (*parts.calibration, *parts.validation)


def cuts(groups: tuple[str, ...], is_defect: NDArray[np.bool_], count: int, seed: int) -> Iterator[Cut]:
    """Yield `count` cuts of N parts in two halves, whole groups, both kinds on both sides."""
    names, numbers = np.unique(np.array(groups), return_inverse=True)
    rng = np.random.default_rng(seed)
    while count:
        place = rng.permutation(len(names))[numbers]
        order = np.argsort(place, kind="stable")
        first = np.isin(place, place[order[: len(order) // 2]])
        if all(len(np.unique(is_defect[side])) == 2 for side in (first, ~first)):
            yield np.flatnonzero(first), np.flatnonzero(~first)
            count -= 1
