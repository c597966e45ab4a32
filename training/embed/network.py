"""From a backbone to an embedding of unit length: what textures the picture has, and how uneven they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.network import SHAPES, Backbone
from training.texture import fair_weights, statistics
from training.weights import load_imagenet

EPSILON = 1e-6


class EmbedNetwork(nn.Module):
    """Normalised RGB (N, 3, H, W) -> (N, D) of unit length.

    Mean and standard deviation over the picture of every channel of three taps describe texture at three scales; an
    affine map, whose rows whoever learns the metric sets, brings them into a space where the variants are round.
    """

    def __init__(self, backbone: str, size: tuple[int, int], dimensions: int) -> None:
        super().__init__()
        self.backbone = Backbone(SHAPES[backbone], *size)
        self.fair: Tensor
        self.register_buffer("fair", fair_weights(self.backbone.tap_channels()))
        """(F,) weight of each statistic."""
        self.project = nn.Linear(len(self.fair), dimensions)

    def texture(self, x: Tensor) -> Tensor:
        """(N, F) float32; see `training.texture`."""
        return statistics(self.backbone(x)[0])

    def forward(self, x: Tensor) -> Tensor:
        return functional.normalize(self.project(self.texture(x)).float(), eps=EPSILON)

    def station(self, x: Tensor) -> Tensor:
        embedding: Tensor = self(x)
        return embedding

    @torch.no_grad()
    def set_metric(self, weight: Tensor, bias: Tensor) -> None:
        """Use this affine map of the statistics, (D, F) and (D,); D may be less than was planned for."""
        self.project = nn.Linear(weight.shape[1], weight.shape[0])
        self.project.weight.copy_(weight)
        self.project.bias.copy_(bias)


def build_network(backbone: str, size: tuple[int, int], dimensions: int) -> EmbedNetwork:
    """Return a network; EfficientNet-Lite0 with ImageNet's weights and their normalisation, or WeightsMissing."""
    network = EmbedNetwork(backbone, size, dimensions)
    if backbone == "efficientnet-lite0":
        load_imagenet(network.backbone)
        for unit in network.backbone.units():
            unit.frozen = True
    return network.to(memory_format=torch.channels_last)
