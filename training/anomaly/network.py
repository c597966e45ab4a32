"""Nearest good place of every place of a picture, as one matrix product in the graph.

After Roth et al., "Towards Total Recall in Industrial Anomaly Detection" (CVPR 2022), with three differences that
make it fast: features are whitened and cut to a few dimensions by 1x1 convolutions, the bank is small, and squared
distances come from |z|^2 - max over m of (2 z.m - |m|^2), so that the search is a product and a maximum.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.light import LevelLight
from training.network import SHAPES, Backbone

STEPS = 127
"""Of a weight in int8."""
BLUR = (0.25, 0.5, 0.25)
"""Binomial smoothing of the map, along each axis."""


class AnomalyNetwork(nn.Module):
    """Normalised RGB (N, 3, H, W) -> score (N,) and map (N, h, w): distances from the nearest good place."""

    def __init__(
        self, backbone: str, size: tuple[int, int], stages: Sequence[int], stride: int, window: int, top_share: float
    ) -> None:
        super().__init__()
        shape = SHAPES[backbone]
        self.backbone = Backbone(shape, *size)
        self.stages = tuple(stages)
        self.grid = (size[0] // stride, size[1] // stride)
        self.light: LevelLight | None = None
        self.channels = [shape.stages[stage].channels for stage in self.stages]
        self.top = max(1, round(top_share * self.grid[0] * self.grid[1]))
        self.window = window
        self.project = nn.ModuleList(nn.Conv2d(channels, 1, 1) for channels in self.channels)
        self.spread = nn.Conv2d(1, 1, window, 1, window // 2, bias=False)
        self.place: Tensor
        self.bank: Tensor
        self.offset: Tensor
        self.blur: Tensor
        self.register_buffer("place", torch.zeros(1, 1, *self.grid))
        self.register_buffer("bank", torch.zeros(1, 1))
        """(D, M): twice the kept places, each on the grid of its own 255 steps, so that int8 loses nothing of it."""
        self.register_buffer("offset", torch.zeros(1))
        """(M,): minus the squared length of each."""
        self.register_buffer("blur", torch.outer(torch.tensor(BLUR), torch.tensor(BLUR))[None, None])

    def taps(self, x: Tensor, known: Sequence[Tensor] = ()) -> list[Tensor]:
        """Outputs of the chosen stages, each at its own size, float32; `known` is what the first stages gave."""
        outputs = list(known)
        for stage in self.backbone.stages[len(outputs) : max(self.stages) + 1]:
            outputs.append(stage(outputs[-1] if outputs else self.backbone.stem(x)))
        return [outputs[position].float() for position in self.stages]

    def described(self, x: Tensor) -> Tensor:
        """(N, C, h, w) of all taps side by side on the grid, as the metric is learnt on."""
        return torch.cat([self._fitted(tap) for tap in self.taps(x)], 1)

    def places(self, x: Tensor) -> Tensor:
        """(N, D, h, w): what is compared with the bank."""
        return self._placed(self.taps(x))

    def _placed(self, taps: Sequence[Tensor]) -> Tensor:
        """Projection comes before enlarging, since they commute."""
        parts = [self._fitted(project(tap)) for project, tap in zip(self.project, taps, strict=True)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        spread = self.spread(total) if self.window > 1 else total
        return spread + self.place

    def station(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.judged(self.taps(x))

    def judged(self, taps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Score and map from the outputs of the chosen stages."""
        z = self._placed(taps)
        closeness = (z.permute(0, 2, 3, 1) @ self.bank + self.offset).amax(3)
        distance = ((z * z).sum(1) - closeness).clamp_min(0.0).sqrt()
        smooth = functional.conv2d(functional.pad(distance[:, None], (1, 1, 1, 1), mode="replicate"), self.blur)[:, 0]
        score = smooth.flatten(1).topk(self.top, 1).values.mean(1)
        return score, smooth

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.station(x)

    def _fitted(self, tap: Tensor) -> Tensor:
        factor = self.grid[0] / tap.shape[2]
        if factor > 1:
            return functional.interpolate(tap, scale_factor=factor, mode="bilinear")
        return functional.avg_pool2d(tap, round(1 / factor)) if factor < 1 else tap

    @torch.no_grad()
    def set_metric(self, weight: Tensor, mean: Tensor, position: float) -> None:
        """Describe a place by `weight` (D, C) times what is different from `mean` (C,), and by where it is."""
        dimensions = weight.shape[0] + (2 if position else 0)
        weight = functional.pad(weight, (0, 0, 0, dimensions - weight.shape[0]))
        bias = -(weight @ mean)
        layers = []
        for number, part in enumerate(torch.split(weight, self.channels, 1)):
            layer = nn.Conv2d(part.shape[1], dimensions, 1)
            layer.weight.copy_(part[:, :, None, None])
            layer.bias.copy_(bias if number == 0 else torch.zeros(dimensions))  # type: ignore[union-attr]
            layers.append(layer)
        self.project = nn.ModuleList(layers)
        self.spread = nn.Conv2d(dimensions, dimensions, self.window, 1, self.window // 2, groups=dimensions, bias=False)
        self.spread.weight.fill_(1 / self.window**2)
        self.place = torch.zeros(1, dimensions, *self.grid)
        if position:
            down, across = (torch.linspace(-1, 1, length) * position for length in self.grid)
            self.place[0, -2], self.place[0, -1] = down[:, None], across[None]
        self.requires_grad_(False)

    @torch.no_grad()
    def set_bank(self, bank: Tensor) -> None:
        """Keep these good places (M, D), moved to what int8 can hold."""
        step = bank.abs().amax(1, keepdim=True).clamp_min(1e-6) / STEPS
        held = (bank / step).round() * step
        self.bank, self.offset = (2 * held).T.contiguous(), -held.square().sum(1)
