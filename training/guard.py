"""The open-set guard of detectors and segmenters: how far a picture lies from those that the network was fitted on.

A detector that finds nothing says nothing of a picture of something else: it would pass. As with a classifier
(`training.novelty`), the distance is taken among the textures at each scale that the network passes through, where the
scatter within kinds of pictures is round, to the nearest kind, over how far that kind reaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inspector.calibration import Calibration
from inspector.novelty import fit_novelty
from inspector.runtimes import Outputs
from training.embed.metric import learn_metric
from training.fitting import uses_bfloat16
from training.graph import StationGraph
from training.novelty import DIMENSIONS, SHRINKAGE, class_reach
from training.recipe import FitRecipe
from training.texture import fair_weights, statistics

DISTANCE = "distance"
"""Name of the graph's output."""
LEAST_OF_KIND = 5
"""Pictures from which on a kind has a place of its own."""
LEAST_SPREAD = 1e-12
Floats = NDArray[np.float64]
Kinds = NDArray[np.int64]


class Guarded(Protocol):
    """A network with a guard; `training.guard` learns it when fitting is over."""

    guard: TextureGuard | None

    def taps(self, images: Tensor) -> Sequence[Tensor]:
        """Return the maps (N, C, h, w) that the guard looks at, of normalised pictures."""
        ...


class TextureGuard(nn.Module):
    """Taps -> distance (N,) from the nearest kind of fitting pictures, 1 where that kind's own pictures end."""

    def __init__(self, weight: Floats, bias: Floats, means: Floats, reach: Floats) -> None:
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor
        self.means: Tensor
        self.reach: Tensor
        for name, values in (("weight", weight), ("bias", bias), ("means", means), ("reach", reach)):
            self.register_buffer(name, torch.from_numpy(values).float())

    def forward(self, taps: Sequence[Tensor]) -> Tensor:
        place = statistics(taps) @ self.weight.T + self.bias
        away = place[:, None] - self.means
        distances = (away * away).mean(2).sqrt()
        nearest = distances.amin(1, keepdim=True)
        return torch.where(distances <= nearest, distances / self.reach, torch.tensor(0.0)).amax(1)


@torch.no_grad()
def add_guard(graph: StationGraph, batches: Iterable[Tensor], kinds: Kinds, recipe: FitRecipe) -> None:
    """Let a fitted network tell how far a picture lies from these.

    Args:
        graph: of a `Guarded` network; it has one more output afterwards, `DISTANCE`.
        batches: fitting pictures (N, C, H, W) uint8 BGR.
        kinds: (all N,) what each shows; kinds of few pictures, and of one alone, are not told apart.
        recipe: how the network was fitted.
    """
    graph.eval()
    network: Guarded = graph.network  # type: ignore[assignment]
    found, channels = [], []
    for batch in batches:
        images = graph.normalise(batch.float()).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=uses_bfloat16(recipe)):
            taps = network.taps(images)
        channels = [tap.shape[1] for tap in taps]
        found.append(statistics(taps).numpy())
    network.guard = fit_guard(np.concatenate(found).astype(np.float64), kinds, channels)


def fit_guard(features: Floats, kinds: Kinds, channels: Sequence[int]) -> TextureGuard:
    """Fit to statistics (N, F) of taps with so many channels, and kinds (N,) of at least two pictures."""
    kinds = settled_kinds(kinds)
    weights = fair_weights(channels).numpy().astype(np.float64) * _steadiness(features, channels)
    # With one kind only, all scatter is within it: the two halves have the same mean.
    within = kinds if len(np.unique(kinds)) > 1 else np.arange(len(kinds)) % 2
    weight, bias = learn_metric(features, within, weights, DIMENSIONS, SHRINKAGE)
    places = features @ weight.T + bias
    means = np.stack([places[kinds == kind].mean(axis=0) for kind in np.unique(kinds)])
    return TextureGuard(weight, bias, means, class_reach(places, kinds, means))


def settled_kinds(kinds: Kinds) -> Kinds:
    """Kinds (N,) with at least five pictures each; where any has fewer, all pictures are of one kind."""
    _, counts = np.unique(kinds, return_counts=True)
    return kinds if counts.min() >= LEAST_OF_KIND else np.zeros_like(kinds)


def _steadiness(features: Floats, channels: Sequence[int]) -> Floats:
    """(F,) near 1 for a statistic that varies as much as its tap's others do, less for one that hardly does.

    Standardised, the latter would count as much, and what int8 adds to it would count as a difference between parts.
    """
    spread = features.std(axis=0)
    taps = np.split(spread, np.cumsum([2 * count for count in channels])[:-1])
    usual = np.concatenate([np.full(len(tap), np.median(tap)) for tap in taps])
    return np.asarray(spread / np.maximum(np.hypot(spread, usual), LEAST_SPREAD))


def with_novelty(calibration: Calibration, outputs: Sequence[Outputs]) -> Calibration:
    """Add what distances of held parts say of the next one's; a part cut in tiles is as strange as its strangest."""
    if DISTANCE not in outputs[0]:
        return calibration
    distances = np.array([float(one[DISTANCE].max()) for one in outputs])
    return calibration.model_copy(update={"novelty": fit_novelty(distances)})
