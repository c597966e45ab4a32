"""Small masked defects of one part pasted onto good pictures of others: more kinds of background for few defects."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from training.pictures import Pictures

SMALL_SHARE = 0.05
"""Defects that cover more of the picture are a state of the surface, not a thing on it; they are not pasted."""
MARGIN_PX = 4
EDGE_PX = 8
"""A defect nearer to the border than this belongs to the border (a chipped edge) and is pasted there again."""


class Patch(NamedTuple):
    """A defect cut out with a margin, and where it was."""

    image: Tensor
    """(3, h, w) float32."""
    mask: Tensor
    """(h, w) float32 of 0 and 1."""
    label: int
    top: int
    left: int


class Paster:
    """Pastes a random small defect of `pictures`; `patches` is empty where masks show none."""

    def __init__(self, pictures: Pictures) -> None:
        share = pictures.masks.float().mean((1, 2))
        chosen = ((share > 0) & (share < SMALL_SHARE)).nonzero()[:, 0].tolist()
        self.patches = [_cut_out(pictures, index) for index in chosen]

    def paste(self, image: Tensor, mask: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor, int]:
        """Return picture (3, H, W) and mask (H, W), both uint8, with a defect in them, and its label."""
        patch = _mirrored(self.patches[rng.integers(len(self.patches))], rng)
        height, width = patch.mask.shape
        top, left = _place(patch, mask.shape[0], mask.shape[1], rng)
        image, mask = image.clone(), mask.clone()
        window = (slice(top, top + height), slice(left, left + width))
        image[:, *window] = _blend(patch, image[:, *window].float())
        mask[window] = torch.maximum(mask[window], patch.mask.to(torch.uint8))
        return image, mask, patch.label


def _cut_out(pictures: Pictures, index: int) -> Patch:
    mask = pictures.masks[index]
    rows, columns = (axis.tolist() for axis in mask.nonzero(as_tuple=True))
    top, left = max(min(rows) - MARGIN_PX, 0), max(min(columns) - MARGIN_PX, 0)
    bottom, right = max(rows) + MARGIN_PX + 1, max(columns) + MARGIN_PX + 1
    window = (slice(top, bottom), slice(left, right))
    image = pictures.images[index][:, *window].float()
    return Patch(image, mask[window].float(), int(pictures.labels[index]), top, left)


def _mirrored(patch: Patch, rng: np.random.Generator) -> Patch:
    for axis in (1, 0):
        if rng.random() < 0.5:
            patch = patch._replace(image=patch.image.flip(axis + 1), mask=patch.mask.flip(axis))
    return patch


def _place(patch: Patch, height: int, width: int, rng: np.random.Generator) -> tuple[int, int]:
    """Anywhere; a border defect anywhere along its border."""
    room_y, room_x = height - patch.mask.shape[0], width - patch.mask.shape[1]
    top, left = int(rng.integers(0, room_y + 1)), int(rng.integers(0, room_x + 1))
    jitter = int(rng.integers(-6, 7))
    if patch.top < EDGE_PX or patch.top > room_y - EDGE_PX:
        return min(max(patch.top + jitter, 0), room_y), left
    if patch.left < EDGE_PX or patch.left > room_x - EDGE_PX:
        return top, min(max(patch.left + jitter, 0), room_x)
    return top, left


def _blend(patch: Patch, ground: Tensor) -> Tensor:
    """The defect at the brightness of its new surroundings, with a soft edge."""
    widened = cv2.dilate(patch.mask.numpy(), np.ones((5, 5), np.uint8))
    alpha = torch.from_numpy(cv2.GaussianBlur(widened, (5, 5), 0))
    around = patch.mask == 0
    if bool(around.any()):
        gain = (ground[:, around].mean() / (patch.image[:, around].mean() + 1)).clamp(0.3, 3)
    else:
        gain = torch.ones(())
    return (alpha * patch.image * gain + (1 - alpha) * ground).clamp(0, 255).to(torch.uint8)
