"""What the station runs: the camera's bytes in, the network's outputs out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGENET_MEAN_RGB = (123.675, 116.28, 103.53)
IMAGENET_STD_RGB = (58.395, 57.12, 57.375)


MIRRORS = ((), (2,), (1,), (1, 2))
"""Axes of (N, H, W, C) along which each view is mirrored: not, left-right, up-down, both."""


class StationGraph(nn.Module):
    """uint8 (N, H, W, 3) BGR in, or (N, H, W, 6) with the golden template behind the picture; outputs float32.

    `network` has a `backbone` (training.network.Backbone), `forward` for fitting, and `station`, which returns the
    outputs that a bundle has. Where it has `views` above 1, `station` is given that many mirrored views of the batch,
    one behind the other, and answers for the batch. Where it has a `light`, pictures (N, 3, H, W) of 0..255 pass
    through that first.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.scale: Tensor
        self.mean: Tensor
        self.register_buffer("scale", 1 / torch.tensor(IMAGENET_STD_RGB).reshape(3, 1, 1))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN_RGB).reshape(3, 1, 1))

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        views = mirrored(image, getattr(self.network, "views", 1))
        outputs: Tensor | tuple[Tensor, ...] = self.network.station(self.normalise(views.permute(0, 3, 1, 2)))  # type: ignore[operator]
        return outputs

    def normalise(self, bgr: Tensor) -> Tensor:
        """(N, 3k, H, W) BGR of 0..255 -> padded, normalised RGB float32.

        Padding is black, not grey: so normalisation is exactly a factor and an offset of the stem's weights, and the
        int8 graph starts from the camera's bytes (without this, 1.4 of 7.1 ms went into normalising).
        """
        padded = functional.pad(lit(self.network, bgr.float()), self.network.backbone.image_padding)  # type: ignore[union-attr, arg-type]
        count, channels, height, width = padded.shape
        pictures = padded.reshape(count, channels // 3, 3, height, width).flip(2)
        return ((pictures - self.mean) * self.scale).reshape(padded.shape)


def lit(network: nn.Module, bgr: Tensor) -> Tensor:
    """(N, 3k, H, W) of 0..255 in the light in which the network wants to see it."""
    light = getattr(network, "light", None)
    return bgr if light is None else light(bgr)


def mirrored(image: Tensor, views: int) -> Tensor:
    """(N, H, W, C) -> (views x N, H, W, C): the first `views` of `MIRRORS`, one behind the other."""
    if views == 1:
        return image
    return torch.cat([image.flip(axes) if axes else image for axes in MIRRORS[:views]])
