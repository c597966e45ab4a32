"""The fast path: a parent's features as they are, and a new last layer for what was labelled since.

The last layer is drawn towards the parent's. What few new labels say moves it as far as the selection part confirms;
what they do not speak of, old classes of which none is among them too, stays what it was. Every earlier labelled part
is in the snapshot and is fitted on again: its features are kept, so it costs no second look.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.features import VARIED, Features, Looking, look
from training.fitting import Fitted
from training.heads import Network
from training.loader import chances
from training.material import Material
from training.novelty import fit_texture
from training.order import say
from training.parent import Parent, kept_graph
from training.part_weights import part_weights
from training.recipe import TrainingRecipe

STRENGTHS = (1.0, 0.1, 0.01, 1e-3, 1e-4)
"""By which the last layer is drawn towards the parent's, per unit of standardised features."""
STEPS = 100
NEW_CLASS = -4.0
"""First bias of a class that the parent does not know."""
STOPPED = "new last layer on the parent's features"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a last layer is fitted to: one row per view."""

    read: Tensor
    """(R, F), standardised."""
    said: Tensor
    """(R, C): logits of the parent's layer and map."""
    labels: Tensor
    """(R,)."""
    weights: Tensor
    """(R,), together 1."""


def fit_fast(
    parent: Parent, material: Material, recipe: TrainingRecipe, kept: Path | None, varied: int = VARIED
) -> Fitted:
    """Return the parent's network with a new last layer and guard for the classes of the material."""
    began = time.perf_counter()
    graph = kept_graph(parent, material.classes)
    network = graph.network
    if not isinstance(network, Network):
        raise TypeError(f"expected a classifier, got {type(network).__name__}")
    _welcome(network, parent, material.classes)
    looking = Looking(parent.features_key, varied, recipe.augment, kept)
    fitting, fresh = look(graph, material.fit, looking)
    choosing, more = look(graph, material.selection, Looking(looking.key, 0, recipe.augment, kept))
    count = len(material.fit) + len(material.selection)
    say(f"features of {count} pictures after {time.perf_counter() - began:.0f} s, {fresh + more} of them not kept")
    mean, spread = _scale(fitting)
    drawn = chances(material.fit, material.good_columns, recipe.fit.good_share)
    seen = _rows(network, fitting, mean, spread, material.fit.labels, drawn)
    held = part_weights(material.selection.samples)
    judge = _rows(network, choosing, mean, spread, material.selection.labels, held / held.sum())
    change, loss = best_change(seen, judge, recipe.fit.label_smoothing)
    _apply(network, change, mean, spread)
    taps = network.backbone.tap_channels()
    network.novelty = fit_texture(fitting.textures.astype(np.float64), material.fit.labels.numpy(), taps)
    return Fitted(graph, 0, STOPPED, loss, time.perf_counter() - began)


@torch.no_grad()
def _welcome(network: Network, parent: Parent, classes: Sequence[str]) -> None:
    for column, name in enumerate(classes):
        if name not in parent.classes:
            network.linear.weight[column] = 0.0
            network.linear.bias[column] = NEW_CLASS


def _scale(features: Features) -> tuple[Tensor, Tensor]:
    flat = features.pooled.reshape(-1, features.pooled.shape[-1]).astype(np.float64)
    return torch.from_numpy(flat.mean(axis=0)), torch.from_numpy(flat.std(axis=0).clip(1e-3))


@torch.no_grad()
def _rows(network: Network, features: Features, mean: Tensor, spread: Tensor, labels: Tensor, weights: Floats) -> Seen:
    views = features.pooled.shape[1]
    pooled = torch.from_numpy(features.pooled).flatten(0, 1).double()
    said = pooled @ network.linear.weight.double().T + network.linear.bias.double()
    said += torch.from_numpy(features.peaks).flatten(0, 1).double()
    share = torch.from_numpy(weights).repeat_interleave(views) / views
    return Seen((pooled - mean) / spread, said, labels.repeat_interleave(views), share)


def best_change(seen: Seen, judge: Seen, smoothing: float) -> tuple[Tensor, float]:
    """Return the change (C, F + 1) of the last layer, and its loss on the selection rows, the least of all strengths.

    The last column is the bias's.
    """
    change = torch.zeros(seen.said.shape[1], seen.read.shape[1] + 1, dtype=torch.float64)
    tried = []
    for strength in STRENGTHS:
        change = fit_change(seen, change, strength, smoothing)
        tried.append((float(_loss(judge, change, 0.0)), change))
    loss, best = min(tried, key=lambda one: one[0])
    return best, loss


def fit_change(seen: Seen, start: Tensor, strength: float, smoothing: float) -> Tensor:
    """Minimise weighted cross-entropy plus `strength` / 2 times the squared change: convex, `start` only hurries."""
    change = start.clone().requires_grad_(True)
    solver = torch.optim.LBFGS([change], max_iter=STEPS, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure() -> float:
        solver.zero_grad()
        loss = _loss(seen, change, smoothing) + strength / 2 * change[:, :-1].square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    solver.step(closure)  # type: ignore[no-untyped-call]
    return change.detach()


def _loss(seen: Seen, change: Tensor, smoothing: float) -> Tensor:
    logits = seen.said + seen.read @ change[:, :-1].T + change[:, -1]
    losses = functional.cross_entropy(logits, seen.labels, reduction="none", label_smoothing=smoothing)
    return (losses * seen.weights).sum()


@torch.no_grad()
def _apply(network: Network, change: Tensor, mean: Tensor, spread: Tensor) -> None:
    slope = change[:, :-1] / spread
    network.linear.weight.add_(slope.float())
    network.linear.bias.add_((change[:, -1] - slope @ mean).float())
