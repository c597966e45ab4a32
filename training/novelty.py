"""The open-set guard of a classifier: how far a part lies from the nearest class of the training set.

What a classifier's last features keep is what tells the known classes apart; what is new about a part of another kind
is mostly lost in them. So the distance also sees the textures at three scales that the classifier passed through. It
is measured where the scatter within classes is round (see `training.embed.metric`), which makes it Mahalanobis'
distance to the nearest class mean (Lee et al., NeurIPS 2018, with the covariance shrunk and of few dimensions), over
how far that class reaches.
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

DIMENSIONS = 128
SHRINKAGE = 0.1
LOOK = 32
ENDS = 0.95


class NoveltyHead(nn.Module):
    """Taps and pooled head -> distance (N,) from the nearest class mean, 1 where that class's own parts end.

    Without each class's own reach a wide class would set the limit for all, and strangers beside a narrow one pass:
    of two steel classes left out 68 % were then farther than 99 % of held parts, and 33 % without.
    """

    def __init__(self, weight: Tensor, bias: Tensor, means: Tensor, reach: Tensor) -> None:
        super().__init__()
        self.reach: Tensor
        self.register_buffer("reach", reach)
        self.weight: Tensor
        self.bias: Tensor
        self.means: Tensor
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.register_buffer("means", means)

    def forward(self, taps: Sequence[Tensor], pooled: Tensor) -> Tensor:
        place = describe(taps, pooled) @ self.weight.T + self.bias
        away = place[:, None] - self.means
        distances = (away * away).mean(2).sqrt()
        nearest = distances.amin(1, keepdim=True)
        return torch.where(distances <= nearest, distances / self.reach, torch.tensor(0.0)).amax(1)


def describe(taps: Sequence[Tensor], pooled: Tensor) -> Tensor:
    """(N, F) float32: texture at each tap, then the pooled head."""
    return torch.cat([statistics(taps), pooled.float()], 1)


@torch.no_grad()
def learn_novelty(graph: StationGraph, pictures: Pictures, recipe: TrainingRecipe) -> NoveltyHead:
    """Learn the distance from fitting pictures, as the fitted network sees them."""
    graph.eval()
    backbone = graph.network.backbone
    found = []
    for start in range(0, len(pictures), LOOK):
        images = graph.normalise(pictures.images[start : start + LOOK].float())
        with torch.autocast("cpu", torch.bfloat16, enabled=uses_bfloat16(recipe.fit)):
            found.append(describe(*backbone(images.contiguous(memory_format=torch.channels_last))).numpy())  # type: ignore[operator]
    features, labels = np.concatenate(found).astype(np.float64), pictures.labels.numpy()
    pooled = features.shape[1] - len(channels := fair_weights(backbone.tap_channels()))  # type: ignore[operator, union-attr]
    fair = np.concatenate([channels.numpy(), np.full(pooled, pooled**-0.5)]).astype(np.float64)
    weight, bias = learn_metric(features, labels, fair, DIMENSIONS, SHRINKAGE)
    places = features @ weight.T + bias
    kinds = np.unique(labels)
    means = np.stack([places[labels == kind].mean(axis=0) for kind in kinds])
    reach = class_reach(places, labels, means)
    return NoveltyHead(*(torch.from_numpy(values).float() for values in (weight, bias, means, reach)))


def class_reach(
    places: NDArray[np.float64], labels: NDArray[np.int64], means: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(C,) distance from its mean (C, D) that 95 % of a class's parts (N, D) stay within, at least half of what all do.

    The floor is for classes of a few parts, whose mean lies among them.
    """
    position = np.searchsorted(np.unique(labels), labels)
    distances = np.sqrt(((places - means[position]) ** 2).mean(axis=1))
    least = np.quantile(distances, ENDS) / 2
    own = [np.quantile(distances[position == kind], ENDS) for kind in range(len(means))]
    return np.asarray(np.maximum(np.array(own), max(float(least), 1e-6)))
