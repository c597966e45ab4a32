"""The detector: taps of the backbone merged into a pyramid, and at each of its cells class logits and one box.

Anchor-free: a cell says how far the four edges of its box are from its centre (Tian et al., "FCOS", ICCV 2019).
Decoding is part of the graph; suppression of double boxes is not, since it serves neither int8 nor a fixed shape.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.graph import MIRRORS
from training.guard import DISTANCE
from training.network import Backbone, ConvUnit, Shape
from training.novelty import TextureGuard

RARE = 0.01
"""Probability of a defect that a fresh network gives each cell, so that the many clean ones do not swamp the loss."""
FIRST_REACH = 2.5
"""Distance to an edge that a fresh network says, in cells."""
REACH_LIMIT = 6.0
"""Logarithm of the largest distance to an edge, in cells; keeps the exponential finite."""


EDGES = {1: (0, 3, 2, 1), 2: (2, 1, 0, 3)}
"""Where left, top, right and bottom stand after mirroring up-down (axis 1 of (N, H, W, C)) and left-right (axis 2)."""


class Cells(NamedTuple):
    """What a batch says, A cells of all levels in a row, fine to coarse."""

    logits: Tensor
    """(B, A, C) float32."""
    boxes: Tensor
    """(B, A, 4) float32: left, top, right, bottom in px of the input."""
    centres: Tensor
    """(A, 2) float32: x, y in px of the input."""
    strides: Tensor
    """(A,) float32: px of the input between cells of this level."""


class Detector(nn.Module):
    """Normalised RGB (B, 3, H, W), or picture and template (B, 6, H, W) -> `Cells`.

    `backbone` is cut behind its last tapped stage: what is coarser than any level is not computed.
    """

    def __init__(
        self,
        backbone: Backbone,
        size: tuple[int, int],
        strides: Sequence[int],
        classes: int,
        channels: int,
        views: int = 1,
    ) -> None:
        super().__init__()
        stages = [stage_at(backbone.shape, stride) for stride in strides]
        self.views = views
        self.backbone = backbone
        self.backbone.stages = nn.ModuleList(itertools.islice(backbone.stages, stages[-1] + 1))
        self.backbone.head = nn.Identity()  # type: ignore[assignment]
        self.tapped, self.strides = tuple(stages), tuple(strides)
        self.pyramid = Pyramid([backbone.shape.stages[stage].channels for stage in stages], channels)
        self.levels = nn.ModuleList(Level(channels, classes) for _ in strides)
        self.context = nn.Linear(channels, classes)
        """What the whole picture says of each class, added to every cell: a cell sees little of a texture."""
        nn.init.zeros_(self.context.weight)
        nn.init.zeros_(self.context.bias)
        centres, steps = cell_grid(size, strides)
        self.centres: Tensor
        self.steps: Tensor
        self.register_buffer("centres", centres, persistent=False)
        self.register_buffer("steps", steps, persistent=False)
        self.shift: Tensor
        self.register_buffer("shift", torch.zeros(4))
        """Added to every box at the station, px of the input; see `training.detect.shift`."""
        self.guard: TextureGuard | None = None
        """Set when fitting is over; see `training.guard`."""

    def forward(self, images: Tensor) -> Cells:
        """Any size that is a multiple of the coarsest stride; crops train the same network."""
        maps = self.pyramid(self.taps(images))
        logits, reaches = self._rows(maps)
        size = maps[0].shape[2] * self.strides[0], maps[0].shape[3] * self.strides[0]
        centres, steps = cell_grid(size, self.strides)
        return Cells(logits.float(), decode(reaches.float(), centres, steps), centres, steps)

    def station(self, images: Tensor) -> tuple[Tensor, ...]:
        """What the station reads: boxes (N, A, 4) in input px and scores (N, A, C), already sigmoid; the guard's (N,).

        With several views, `images` are the views of a batch one behind the other (`training.graph.mirrored`).
        """
        taps = self.taps(images)
        logits, reaches = self._rows(self.pyramid(taps), self.views)
        said = decode(reaches, self.centres, self.steps, self.shift), torch.sigmoid(logits)
        if self.guard is None:
            return said
        distances = self.guard(taps)
        return *said, distances if self.views == 1 else distances.reshape(self.views, -1).mean(0)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `station` returns."""
        return ("boxes", "scores") if self.guard is None else ("boxes", "scores", DISTANCE)

    def _rows(self, maps: Sequence[Tensor], views: int = 1) -> tuple[Tensor, Tensor]:
        """Class logits (B, A, C), and logarithms of the distances to the edges (B, A, 4), of all levels in a row.

        Each is the mean over `views`, mirrored back.
        """
        said = [level(cells) for level, cells in zip(self.levels, maps, strict=True)]
        said = [(mean_view(logits, views), mean_view(reaches, views, EDGES)) for logits, reaches in said]
        logits, reaches = (torch.cat([pair[kind].flatten(2) for pair in said], 2) for kind in (0, 1))
        context = mean_view(self.context(maps[-1].mean((2, 3)))[:, :, None, None], views).flatten(1)
        return logits.transpose(1, 2) + context[:, None], reaches.transpose(1, 2)

    def taps(self, images: Tensor) -> list[Tensor]:
        """The tapped stages' outputs, fine to coarse, of normalised pictures."""
        x = self.backbone.stem(images)
        taps = []
        for position, stage in enumerate(self.backbone.stages):
            x = stage(x)
            if position in self.tapped:
                taps.append(x)
        return taps


class Pyramid(nn.Module):
    """Taps brought to equal channels, then a way down and a way up again (Liu et al., "PANet", CVPR 2018)."""

    def __init__(self, tap_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(_unit(tap, channels, 1) for tap in tap_channels)
        self.smooth = nn.ModuleList(_unit(channels, channels, 3) for _ in tap_channels)
        self.down = nn.ModuleList(_unit(channels, channels, 3, 2) for _ in tap_channels[1:])

    def forward(self, taps: Sequence[Tensor]) -> list[Tensor]:
        maps = [lateral(tap) for lateral, tap in zip(self.lateral, taps, strict=True)]
        for fine in range(len(maps) - 2, -1, -1):
            maps[fine] = maps[fine] + functional.interpolate(maps[fine + 1], scale_factor=2.0, mode="nearest")
        maps = [smooth(cells) for smooth, cells in zip(self.smooth, maps, strict=True)]
        for coarse in range(1, len(maps)):
            maps[coarse] = maps[coarse] + self.down[coarse - 1](maps[coarse - 1])
        return maps


class Level(nn.Module):
    """One level's two towers: class logits (B, C, h, w), and logarithms of the distances to the edges (B, 4, h, w)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.class_tower = nn.Sequential(_unit(channels, channels, 3), _unit(channels, channels, 3))
        self.box_tower = nn.Sequential(_unit(channels, channels, 3), _unit(channels, channels, 3))
        self.classes = nn.Conv2d(channels, classes, 1)
        self.reach = nn.Conv2d(channels, 4, 1)
        for layer, start in ((self.classes, math.log(RARE / (1 - RARE))), (self.reach, math.log(FIRST_REACH))):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, start)

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        return self.classes(self.class_tower(cells)), self.reach(self.box_tower(cells))


def mean_view(maps: Tensor, views: int, edges: Mapping[int, Sequence[int]] | None = None) -> Tensor:
    """(views x B, K, h, w), one view behind the other -> (B, K, h, w): their mean, each mirrored back.

    `edges` says which channel stands where after mirroring along each axis of (B, H, W, C).
    """
    if views == 1:
        return maps
    back = []
    for view, axes in zip(maps.reshape(views, -1, *maps.shape[1:]).unbind(0), MIRRORS[:views], strict=True):
        for axis in axes:
            order = edges[axis] if edges else range(view.shape[1])
            view = view[:, list(order)].flip(axis + 1)
        back.append(view)
    return torch.stack(back).mean(0)


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


def cell_grid(size: tuple[int, int], strides: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Centres (A, 2) as x, y in px and strides (A,) of all cells of an input of height and width `size`."""
    centres, steps = [], []
    for stride in strides:
        rows = (torch.arange(size[0] // stride, dtype=torch.float32) + 0.5) * stride
        columns = (torch.arange(size[1] // stride, dtype=torch.float32) + 0.5) * stride
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        centres.append(torch.stack([x.flatten(), y.flatten()], 1))
        steps.append(torch.full((len(rows) * len(columns),), float(stride)))
    return torch.cat(centres), torch.cat(steps)


def decode(reaches: Tensor, centres: Tensor, steps: Tensor, shift: Tensor | None = None) -> Tensor:
    """Boxes (B, A, 4) in px from logarithms of the distances to left, top, right and bottom in cells (B, A, 4).

    Their corners are moved by `shift` (4,) px.
    """
    low, high = (centres, centres) if shift is None else (centres + shift[:2], centres + shift[2:])
    far = torch.exp(reaches.clamp(max=REACH_LIMIT)) * steps[:, None]
    return torch.cat([low - far[..., :2], high + far[..., 2:]], -1)


def _unit(inward: int, outward: int, kernel: int, stride: int = 1) -> ConvUnit:
    """Convolve, normalise, clip; the picture's size is even down to the coarsest level, so padding is the same."""
    margin = kernel // 2
    near = margin if stride == 1 else kernel - stride - margin
    padding = (near, margin, near, margin)
    return ConvUnit((inward, outward), kernel, stride, padding, depthwise=False, active=True)
