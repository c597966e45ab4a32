"""How a last layer on kept features grows better with the number of labelled groups, for the learning curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inspector.bundle import Bundle
from inspector.dataset import Dataset
from inspector.risk import Rate
from training.fast import Seen, best_change
from training.features import Features, Looking, look
from training.loader import chances
from training.material import Material, load_material
from training.parent import kept_graph, like_parent, read_parent
from training.snapshots.curve import SHARES, Point

SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """By which features are standardised."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    def rows(self, features: Features, labels: torch.Tensor, weights: NDArray[np.float64], classes: int) -> Seen:
        """Return the pictures as they are; no earlier layer says anything of them, since it may have known them all."""
        read = torch.from_numpy((features.pooled[:, 0].astype(np.float64) - self.mean) / self.spread)
        said = torch.zeros(len(read), classes, dtype=torch.float64)
        return Seen(read, said, labels, torch.from_numpy(weights / weights.sum()))


def learning_points(bundle: Bundle, dataset: Dataset) -> list[Point]:
    """Fit last layers to ever more groups of `train`, and judge each on the validation part.

    The parent's features may have been made on some of these very parts, which flatters all points alike.
    """
    parent = read_parent(bundle)
    recipe = like_parent(parent.recipe, parent, fast=True)
    material = load_material(dataset, recipe, SEED, parent.classes)
    graph = kept_graph(parent, material.classes)
    looking = Looking(parent.features_key, 0, recipe.augment)
    fitting, choosing, held = (
        look(graph, pictures, looking)[0] for pictures in (material.fit, material.selection, material.validation)
    )
    flat = fitting.pooled[:, 0].astype(np.float64)
    scale, classes = Scale(flat.mean(axis=0), flat.std(axis=0).clip(1e-3)), len(material.classes)
    judge = scale.rows(choosing, material.selection.labels, np.ones(len(material.selection)), classes)
    judged = scale.rows(held, material.validation.labels, np.ones(len(material.validation)), classes)
    drawn = chances(material.fit, material.good_columns, recipe.fit.good_share)
    whole = scale.rows(fitting, material.fit.labels, drawn, classes)
    return [Point(count, _wrong(_some(whole, taken), judge, judged)) for count, taken in _growing(material)]


def _growing(material: Material) -> list[tuple[int, NDArray[np.bool_]]]:
    """Numbers of groups, and their pictures (N,): ever more, those before among them."""
    groups = np.array(material.fit.groups)
    order = np.random.default_rng(SEED).permutation(np.unique(groups))
    counts = sorted({max(1, round(share * len(order))) for share in SHARES})
    return [(count, np.isin(groups, order[:count])) for count in counts]


def _some(seen: Seen, taken: NDArray[np.bool_]) -> Seen:
    some = torch.from_numpy(taken)
    weights = seen.weights[some]
    return Seen(seen.read[some], seen.said[some], seen.labels[some], weights / weights.sum())


def _wrong(seen: Seen, judge: Seen, judged: Seen) -> Rate:
    change, _ = best_change(seen, judge, 0.0)
    named = (judged.read @ change[:, :-1].T + change[:, -1]).argmax(1)
    return Rate(int((named != judged.labels).sum()), len(judged.labels))
