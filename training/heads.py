"""From a backbone to class logits, with a map of defect kinds where masks can teach it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.light import LevelLight
from training.network import SHAPES, Backbone
from training.novelty import TextureGuard

MAP_CHANNELS = 64
MAP_STRIDE = 8
RARE = -4.0
"""Start of the map's bias: a cell is defective with a probability of about 2 %."""


class DefectMap(nn.Module):
    """Three taps of the backbone merged at 1/8 of the input: a logit per cell and defect kind, (N, K, H/8, W/8)."""

    def __init__(self, tap_channels: Sequence[int], kinds: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(channels, MAP_CHANNELS, 1) for channels in tap_channels)
        self.mix = nn.Sequential(
            nn.Conv2d(MAP_CHANNELS, MAP_CHANNELS, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(MAP_CHANNELS, MAP_CHANNELS, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(MAP_CHANNELS, kinds, 1),
        )
        nn.init.constant_(_bias(self.mix[-1]), RARE)

    def forward(self, taps: Sequence[Tensor]) -> Tensor:
        merged = self.lateral[-1](taps[-1])
        for lateral, tap in zip(reversed(self.lateral[:-1]), reversed(taps[:-1]), strict=True):
            fine = lateral(tap)
            merged = fine + functional.interpolate(merged, scale_factor=2.0, mode="nearest")
        cells: Tensor = self.mix(functional.relu(merged))
        return cells


class Network(nn.Module):
    """Normalised RGB (N, 3, H, W) -> class logits (N, C), and the defect map where there is one.

    A class's logit is what the pooled features say, plus, for a defect kind with a map, what the map's strongest
    cell says: a pinhole of 10 pixels is lost in an average but not in a maximum.
    """

    def __init__(self, backbone: str, size: tuple[int, int], classes: int, mapped: Sequence[int]) -> None:
        super().__init__()
        self.backbone = Backbone(SHAPES[backbone], *size)
        self.light: LevelLight | None = None
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(SHAPES[backbone].head, classes)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)
        self.map = DefectMap(self.backbone.tap_channels(), len(mapped)) if mapped else None
        self.peak_slope = nn.Parameter(torch.full((len(mapped),), 0.5))
        self.peak_bias = nn.Parameter(torch.ones(len(mapped)))
        self.novelty: TextureGuard | None = None
        """Set when fitting is over; see `training.novelty`."""
        self.place: Tensor
        place = torch.zeros(len(mapped), classes)
        place[range(len(mapped)), list(mapped)] = 1
        self.register_buffer("place", place)
        """(K, C): which class each kind of the map is."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        return self.classify(*self.backbone(x))

    def classify(self, taps: Sequence[Tensor], pooled: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits (N, C) and the map's cells (N, K, H/8, W/8) of what the backbone gave."""
        logits: Tensor = self.linear(self.dropout(pooled)).float()
        if self.map is None:
            return logits, None
        cells = self.map(taps).float()
        peaks = cells.amax((2, 3)) * self.peak_slope + self.peak_bias
        return logits + (peaks[:, :, None] * self.place).sum(1), cells

    def station(self, x: Tensor) -> tuple[Tensor, ...]:
        """What `outputs` names."""
        taps, maps = self.backbone.maps(x)
        pooled = maps.mean((2, 3))
        logits, cells = self.classify(taps, pooled)
        heat = activation(maps, self._deciding(logits)) if cells is None else cells.sigmoid().amax(1)
        return (logits, heat) if self.novelty is None else (logits, heat, self.novelty(taps))

    def _deciding(self, logits: Tensor) -> Tensor:
        """Weights (N, K) of each picture's most probable class, without an index that TensorRT would have to follow."""
        one, zero = torch.tensor(1.0), torch.tensor(0.0)
        return torch.where(logits >= logits.amax(1, keepdim=True), one, zero) @ self.linear.weight.float()

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("logits", "heat") if self.novelty is None else ("logits", "heat", "distance")

    def freeze_normalisation(self) -> None:
        """Use the normalisation statistics that came with pretrained weights, from now on."""
        for unit in self.backbone.units():
            unit.frozen = True


def activation(maps: Tensor, weights: Tensor) -> Tensor:
    """Class activation map (N, h, w) of 0..1, the strongest cell 1: maps (N, K, h, w), weights (N, K) of one class.

    Zhou et al., "Learning deep features for discriminative localization" (CVPR 2016). With one linear layer behind the
    pooling it is what Grad-CAM gives, and needs no gradient, so the station can draw it.
    """
    cells = (maps.float() * weights[:, :, None, None]).sum(1)
    strongest = cells.amax((1, 2), keepdim=True).maximum(torch.tensor(1e-6))
    return cells.maximum(torch.tensor(0.0)) / strongest


def _bias(layer: nn.Module) -> Tensor:
    bias = layer.bias
    if not isinstance(bias, Tensor):
        raise TypeError(f"{type(layer).__name__} has no bias")
    return bias
