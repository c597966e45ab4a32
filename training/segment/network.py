"""The segmenter: taps of the backbone merged from coarse to fine, a logit for each 2 x 2 px, and one for the part.

Everything between the backbone and the logits runs at 1/4 of the input or coarser; the last convolution gives the four
logits of a cell's quarters at once, which are then laid out side by side (Shi et al., "Real-Time Single Image and Video
Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016). So the mask is at 1/2 of the
input, and no convolution is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.guard import DISTANCE
from training.light import LevelLight
from training.network import SHAPES, Backbone, ConvUnit, Shape
from training.novelty import TextureGuard

STRIDES = (4, 8, 16, 32)
QUARTERS = 2
"""Logits of a cell along each axis."""
MASK_STRIDE = STRIDES[0] // QUARTERS
RARE = -2.0
"""Start of the mask's bias: a pixel is defective with a probability of about 12 %. Rarer, and Dice starts slower."""


class Segmented(NamedTuple):
    """What a batch says."""

    mask: Tensor
    """(B, H/2, W/2) float32 logits: defective, of whatever kind."""
    kinds: Tensor
    """(B, K, H/4, W/4) float32 logits: which kind, if defective."""
    score: Tensor
    """(B,) float32 logit: is the part defective?"""


class Segmenter(nn.Module):
    """Normalised RGB (B, 3, H, W), H and W multiples of 32 -> `Segmented`.

    The part's logit is that of its worst place: what the backbone's last features say there, plus what the mask says
    at its strongest, once as a single cell and once over 8 x 8 px. A maximum means the same for a window and for a
    whole picture, an average does not.
    """

    def __init__(self, backbone: str, size: tuple[int, int], kinds: int, channels: int, frozen_stages: int = 0) -> None:
        super().__init__()
        self.frozen_stages = frozen_stages
        shape = SHAPES[backbone]
        self.backbone = Backbone(shape, *size)
        self.light: LevelLight | None = None
        self.tapped = tuple(stage_at(shape, stride) for stride in STRIDES)
        self.decoder = Decoder([shape.stages[stage].channels for stage in self.tapped], channels)
        self.mask = nn.Conv2d(channels, QUARTERS**2, 1)
        self.kinds = nn.Conv2d(channels, kinds, 1)
        self.dropout = nn.Dropout(0.2)
        self.part = nn.Conv2d(shape.head, 1, 1)
        self.peaks = nn.Parameter(torch.tensor([0.5, 0.5]))
        for layer in (self.mask, self.kinds, self.part):
            nn.init.normal_(layer.weight, std=0.01)
        nn.init.constant_(_bias(self.mask), RARE)
        nn.init.constant_(_bias(self.part), -RARE)
        self.guard: TextureGuard | None = None
        """Set when fitting is over; see `training.guard`."""

    def forward(self, images: Tensor) -> Segmented:
        return self.said_of(list(self.stage_outputs(images)))

    def said_of(self, stages: Sequence[Tensor]) -> Segmented:
        """What the outputs of all stages of the backbone say."""
        return self._said(self.decoder(self._tapped(stages)), self.backbone.head(stages[-1]))

    def _said(self, cells: Tensor, last: Tensor) -> Segmented:
        """What decoded cells (B, channels, H/4, W/4) and the backbone's head (B, ..., H/32, W/32) say."""
        quarters = self.mask(cells).float()
        spots = torch.stack([quarters.amax((1, 2, 3)), functional.avg_pool2d(quarters, 2).mean(1).amax((1, 2))], 1)
        score = self.part(self.dropout(last)).float().amax((1, 2, 3)) + (spots * self.peaks).sum(1)
        return Segmented(functional.pixel_shuffle(quarters, QUARTERS)[:, 0], self.kinds(cells).float(), score)

    def station(self, images: Tensor) -> tuple[Tensor, ...]:
        """What the station reads: mask probabilities (N, 1, H/2, W/2), kind logits (N, K, H/4, W/4), score (N,).

        With a guard, its distance (N,) too.
        """
        stages = list(self.stage_outputs(images))
        seen = self.said_of(stages)
        said = torch.sigmoid(seen.mask[:, None]), seen.kinds, seen.score
        return said if self.guard is None else (*said, self.guard(self._tapped(stages)))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `station` returns."""
        return ("mask", "kinds", "score") if self.guard is None else ("mask", "kinds", "score", DISTANCE)

    def taps(self, images: Tensor) -> list[Tensor]:
        """The tapped stages' outputs, fine to coarse, of normalised pictures."""
        return self._tapped(list(self.stage_outputs(images)))

    def _tapped(self, stages: Sequence[Tensor]) -> list[Tensor]:
        return [stages[position] for position in self.tapped]

    def stage_outputs(self, images: Tensor) -> Iterator[Tensor]:
        """What each stage of the backbone gives, fine to coarse."""
        with self._without_gradient(-1):
            x = self.backbone.stem(images)
        for position, stage in enumerate(self.backbone.stages):
            with self._without_gradient(position):
                x = stage(x)
            yield x

    def _without_gradient(self, position: int) -> AbstractContextManager[object]:
        """Stages that keep their weights are passed without recording; the exporter sees no such switch."""
        return torch.no_grad() if self.training and self.frozen_stages > max(position, 0) else nullcontext()

    def freeze_normalisation(self) -> None:
        """Use the normalisation statistics that came with pretrained weights, from now on."""
        for unit in self.backbone.units():
            unit.frozen = True


class Decoder(nn.Module):
    """Taps, fine to coarse, brought to equal channels; each coarse one is smoothed, enlarged and added to the finer."""

    def __init__(self, tap_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(_unit(tap, channels, 1) for tap in tap_channels)
        self.smooth = nn.ModuleList(_unit(channels, channels, 3) for _ in tap_channels)
        self.finish = _unit(channels, channels, 3)

    def forward(self, taps: Sequence[Tensor]) -> Tensor:
        merged = self.smooth[-1](self.lateral[-1](taps[-1]))
        for level in range(len(taps) - 2, -1, -1):
            wide = functional.interpolate(merged, scale_factor=2.0, mode="nearest")
            merged = self.smooth[level](self.lateral[level](taps[level]) + wide)
        cells: Tensor = self.finish(merged)
        return cells


def stage_at(shape: Shape, stride: int) -> int:
    """Position of the last stage whose output is at 1/`stride` of the input."""
    reached, found = 2, -1
    for position, stage in enumerate(shape.stages):
        reached *= stage.stride
        if reached == stride:
            found = position
    if found < 0:
        raise ValueError(f"no stage of this backbone is at stride {stride}")
    return found


def _unit(inward: int, outward: int, kernel: int) -> ConvUnit:
    margin = kernel // 2
    return ConvUnit((inward, outward), kernel, 1, (margin,) * 4, depthwise=False, active=True)


def _bias(layer: nn.Conv2d) -> Tensor:
    if layer.bias is None:
        raise TypeError(f"{type(layer).__name__} has no bias")
    return layer.bias
