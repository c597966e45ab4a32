"""What a classifier learns: the part's class, and, where masks teach it, which cells are defective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augment import Batch
from training.heads import MAP_STRIDE
from training.recipe import FitRecipe

CELL_WEIGHT = 4.0
"""A defective cell weighs as much as this many clean ones in the map's loss."""
MAP_LOSS_SCALE = 10.0


@dataclass(frozen=True, slots=True)
class ClassifyObjective:
    """`mapped` are the classes that the defect map tells apart."""

    mapped: tuple[int, ...]
    recipe: FitRecipe

    def loss(self, network: nn.Module, images: Tensor, batch: Batch) -> Tensor:
        logits, cells = network(images)
        loss = functional.cross_entropy(logits, batch.labels, label_smoothing=self.recipe.label_smoothing)
        return loss if cells is None else loss + self.recipe.dense_weight * map_loss(cells, batch, self.mapped)

    def selection_loss(self, network: nn.Module, images: Tensor, batch: Batch) -> Tensor:
        return functional.cross_entropy(network(images)[0], batch.labels)


def map_loss(cells: Tensor, batch: Batch, mapped: Sequence[int]) -> Tensor:
    """Binary cross-entropy per cell and kind, the more wrong the heavier; only where the mask is known.

    A cell is defective where any pixel of its 8 x 8 is: tiny defects count in full.
    """
    touched = functional.max_pool2d(batch.masks, MAP_STRIDE)
    kinds = (batch.labels[:, None] == torch.tensor(mapped)).float()
    target = touched * kinds[:, :, None, None]
    weight = torch.tensor(CELL_WEIGHT)
    losses = functional.binary_cross_entropy_with_logits(cells, target, reduction="none", pos_weight=weight)
    wrongness = (target - torch.sigmoid(cells)).abs()
    known = batch.has_mask[:, None, None, None]
    return MAP_LOSS_SCALE * (losses * wrongness * known).mean((2, 3)).sum(1).mean()
