"""What textures a picture has: mean and standard deviation of every channel, at each scale of the backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

EPSILON = 1e-6


def statistics(taps: Sequence[Tensor]) -> Tensor:
    """Taps (N, C, h, w) -> (N, F) float32: means, then standard deviations, tap by tap."""
    return torch.cat([_of_one(tap.float()) for tap in taps], 1)


def _of_one(tap: Tensor) -> Tensor:
    mean = tap.mean((2, 3))
    away = tap - mean[:, :, None, None]
    variance = (away * away).mean((2, 3))
    return torch.cat([mean, (variance + EPSILON).sqrt()], 1)


def fair_weights(channels: Sequence[int]) -> Tensor:
    """(F,) weight of each statistic, so that every tap counts as much as another, however many channels it has."""
    return torch.cat([torch.full((2 * count,), (2 * count) ** -0.5) for count in channels])
