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
from torch import Tensor

from inspector.calibration import Calibration
from inspector.novelty import fit_novelty
from inspector.runtimes import Outputs
from training.embed.metric import learn_metric
from training.fitting import uses_bfloat16
from training.graph import StationGraph
from training.novelty import DIMENSIONS, SHRINKAGE, TextureGuard, class_reach, steadiness
from training.recipe import FitRecipe
from training.texture import fair_weights, statistics

DISTANCE = "distance"
"""Name of the graph's output."""
LEAST_OF_KIND = 5
"""Pictures from which on a kind has a place of its own."""
Floats = NDArray[np.float64]
Kinds = NDArray[np.int64]


class Guarded(Protocol):
    """A network with a guard; `training.guard` learns it when fitting is over."""

    guard: TextureGuard | None

    def taps(self, images: Tensor) -> Sequence[Tensor]:
        """Return the maps (N, C, h, w) that the guard looks at, of normalised pictures."""
        ...


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
    weights = fair_weights(channels).numpy().astype(np.float64) * steadiness(features, channels)
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


def with_novelty(calibration: Calibration, outputs: Sequence[Outputs]) -> Calibration:
    """Add what distances of held parts say of the next one's; a part cut in tiles is as strange as its strangest."""
    if DISTANCE not in outputs[0]:
        return calibration
    distances = np.array([float(one[DISTANCE].max()) for one in outputs])
    return calibration.model_copy(update={"novelty": fit_novelty(distances)})
