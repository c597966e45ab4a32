"""The open-set guard of a classifier: how far a part lies from the nearest class of the training set.

What a classifier's last features keep is what tells the known classes apart; what is new about a part of another kind
is lost in them. So the distance sees the textures at three scales that the classifier passed through, and not its
pooled features at all. It is measured where the scatter within classes is round (see `training.embed.metric`), which
makes it Mahalanobis' distance to the nearest class mean (Lee et al., NeurIPS 2018, with the covariance shrunk and of
few dimensions), over how far that class reaches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.embed.metric import learn_metric
from training.fitting import uses_bfloat16
from training.graph import StationGraph
from training.pictures import Pictures
from training.recipe import TrainingRecipe
from training.texture import fair_weights, statistics

Floats = NDArray[np.float64]
DIMENSIONS = 128
SHRINKAGE = 0.03
SHARES = (1.0, 1.0, 0.5)
"""Of the taps, fine to coarse: what comes late knows the known classes, and little else."""
LOOK = 32
ENDS = 0.95
LEAST_SPREAD = 1e-12


class TextureGuard(nn.Module):
    """Taps -> distance (N,) from the nearest class mean, 1 where that class's own parts end.

    Without each class's own reach a wide class would set the limit for all, and strangers beside a narrow one pass:
    of two steel classes left out 68 % were then farther than 99 % of held parts, and 33 % without.
    """

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
def learn_novelty(graph: StationGraph, pictures: Pictures, recipe: TrainingRecipe) -> TextureGuard:
    """Learn the distance from fitting pictures, as the fitted network sees them."""
    graph.eval()
    backbone = graph.network.backbone
    found = []
    for start in range(0, len(pictures), LOOK):
        images = graph.normalise(pictures.images[start : start + LOOK].float())
        with torch.autocast("cpu", torch.bfloat16, enabled=uses_bfloat16(recipe.fit)):
            taps, _ = backbone(images.contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
            found.append(statistics(taps).numpy())
    channels = backbone.tap_channels()  # type: ignore[operator, union-attr]
    return fit_texture(np.concatenate(found).astype(np.float64), pictures.labels.numpy(), channels)


def fit_texture(features: Floats, labels: NDArray[np.int64], channels: Sequence[int]) -> TextureGuard:
    """Fit to statistics (N, F) of a classifier's three taps with so many channels, and labels (N,)."""
    weights = steady_weights(features, channels)
    weight, bias = learn_metric(features, labels, weights, DIMENSIONS, SHRINKAGE)
    places = features @ weight.T + bias
    kinds = np.unique(labels)
    means = np.stack([places[labels == kind].mean(axis=0) for kind in kinds])
    return TextureGuard(weight, bias, means, class_reach(places, labels, means))


def steady_weights(features: Floats, channels: Sequence[int]) -> Floats:
    """(F,) weights of the statistics (N, F) of a classifier's three taps, over those that `learn_metric` gives them."""
    counts = [2 * count for count in channels]
    return np.asarray(np.repeat(SHARES, counts) * fair_weights(channels).numpy() * steadiness(features, channels))


def steadiness(features: Floats, channels: Sequence[int]) -> Floats:
    """(F,) near 1 for a statistic of (N, F) that varies as much as its tap's others do, less for one that hardly does.

    Standardised, the latter would count as much, and what int8 adds to it would count as a difference between parts.
    """
    spread = features.std(axis=0)
    taps = np.split(spread, np.cumsum([2 * count for count in channels])[:-1])
    usual = np.concatenate([np.full(len(tap), np.median(tap)) for tap in taps])
    return np.asarray(spread / np.maximum(np.hypot(spread, usual), LEAST_SPREAD))


def class_reach(places: Floats, labels: NDArray[np.int64], means: Floats) -> Floats:
    """(C,) distance from its mean (C, D) that 95 % of a class's parts (N, D) stay within, at least half of what all do.

    The floor is for classes of a few parts, whose mean lies among them.
    """
    position = np.searchsorted(np.unique(labels), labels)
    distances = np.sqrt(((places - means[position]) ** 2).mean(axis=1))
    least = np.quantile(distances, ENDS) / 2
    own = [np.quantile(distances[position == kind], ENDS) for kind in range(len(means))]
    return np.asarray(np.maximum(np.array(own), max(float(least), 1e-6)))
