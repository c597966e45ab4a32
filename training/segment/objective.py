"""What a segmenter learns: the mask's overlap image by image, each pixel, its kind, and whether the part is defective.

Dice is taken per image, so that a pit of 40 pixels weighs as much as a stain of 40,000 (Milletari et al., "V-Net",
3DV 2016). Where the network still says nothing its gradient vanishes, so each pixel's cross-entropy is learnt beside
it, weighed by how wrong it is (after Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017) and shared out
per image by the defect's own area and not by the picture's. Targets are shares of a pixel, not 0 and 1: nobody draws a
border to the pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augment import Batch
from training.recipe import FitRecipe
from training.segment.network import MASK_STRIDE, QUARTERS, Segmented

DICE_SMOOTHING = 1.0
"""Cells; keeps the gradient of a mask of a few cells finite."""
PIXEL_WEIGHT = 2.0
AREA_SCALE = 5.0
"""Weight of the mean over the whole picture, which only large stains move much."""
FEWEST_DEFECTIVE, FEWEST_SOUND = 8.0, 800.0
"""Cells added to a defect's area before losses are shared out by it, on it and beside it."""
KIND_WEIGHT = 0.2
PART_WEIGHT = 0.5
TOUCHED = 0.2
"""A picture is defective where a cell of 2 x 2 px has at least this share of defect."""
LEAST_CELLS = 0.5
"""A mask that covers less than this many cells of 2 x 2 px is too little to overlap with."""


class SegmentObjective:
    """Losses of one batch. `kinds` are the positions of the defect classes, in the order of the network's kinds."""

    def __init__(self, kinds: Sequence[int], recipe: FitRecipe) -> None:
        self.kinds, self.recipe = tuple(kinds), recipe

    def loss(self, network: nn.Module, images: Tensor, batch: Batch) -> Tensor:
        return self._total(network(images), batch, self.recipe.label_smoothing)

    def selection_loss(self, network: nn.Module, images: Tensor, batch: Batch) -> Tensor:
        return self._total(network(images), batch, 0.0)

    def _total(self, seen: Segmented, batch: Batch, smoothing: float) -> Tensor:
        target = functional.avg_pool2d(batch.masks, MASK_STRIDE)[:, 0]
        mask = dice_loss(seen.mask, target, batch.has_mask) + pixel_loss(seen.mask, target, batch.has_mask)
        kinds = kind_loss(seen.kinds, target, batch.labels, self.kinds)
        part = part_loss(seen.score, target, batch.has_mask, smoothing)
        return self.recipe.dense_weight * (mask + KIND_WEIGHT * kinds) + PART_WEIGHT * part


def dice_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """1 - Dice, mean over the images that have a known mask with something in it; both (B, h, w), `known` (B,)."""
    found = torch.sigmoid(logits)
    overlap = (found * target).sum((1, 2))
    sizes = found.sum((1, 2)) + target.sum((1, 2))
    losses = 1 - (2 * overlap + DICE_SMOOTHING) / (sizes + DICE_SMOOTHING)
    counts = known * (target.sum((1, 2)) > LEAST_CELLS)
    return (losses * counts).sum() / counts.sum().clamp(min=1)


def pixel_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy per pixel, the more wrong the heavier, over images with a known mask; shapes as `dice_loss`."""
    losses = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    wrong = losses * (target - torch.sigmoid(logits)).abs()
    area = target.sum((1, 2))
    defective = (wrong * target).sum((1, 2)) / (area + FEWEST_DEFECTIVE)
    sound = (wrong * (1 - target)).sum((1, 2)) / (area + FEWEST_SOUND)
    each = defective + sound + AREA_SCALE * wrong.mean((1, 2))
    return PIXEL_WEIGHT * (each * known).sum() / known.sum().clamp(min=1)


def part_loss(scores: Tensor, target: Tensor, known: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy of "something here is defective", (B,) logits; a window beside the defect is as good as any."""
    wanted = (target.amax((1, 2)) > TOUCHED).float() * (1 - smoothing) + smoothing / 2
    losses = functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1)


def kind_loss(logits: Tensor, target: Tensor, labels: Tensor, kinds: Sequence[int]) -> Tensor:
    """Cross-entropy of the kind over defective cells, mean per image; logits (B, K, h/2, w/2), target (B, h, w)."""
    columns = labels[:, None] == torch.tensor(kinds)
    defective = functional.avg_pool2d(target[:, None], QUARTERS)[:, 0] * columns.any(1)[:, None, None]
    wanted = columns.int().argmax(1)[:, None, None].expand(-1, *logits.shape[2:])
    losses = functional.cross_entropy(logits, wanted, reduction="none") * defective
    area = defective.sum((1, 2))
    touched = area > LEAST_CELLS / QUARTERS**2
    return (losses.sum((1, 2)) / area.clamp(min=1e-3) * touched).sum() / touched.sum().clamp(min=1)
