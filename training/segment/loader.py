"""Batches of windows: a step on part of a picture costs a fraction of one on all of it, and defects are small.

Windows that fell anywhere would mostly miss the defect of a picture, so most of them fall on it. The network is
convolutional throughout and takes whole pictures afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.augment import Batch, augment
from training.loader import chances
from training.paste import Paster
from training.pictures import Pictures
from training.segment.recipe import SegmentRecipe

ON_DEFECT = 0.9
"""Share of the windows of a defective picture that fall on its defect; the others fall anywhere."""


class WindowSteps(Dataset[Batch]):
    """Step `i` of one epoch; every step has its own generator, so that a resumed run goes on as it would have."""

    def __init__(self, pictures: Pictures, good_columns: Sequence[int], recipe: SegmentRecipe, seed: int) -> None:
        self.pictures, self.good_columns, self.recipe, self.seed = pictures, good_columns, recipe, seed
        self.paster = Paster(pictures)
        self.weights = chances(pictures, good_columns, recipe.fit.good_share)
        self.side = window_side(recipe, pictures.masks.shape[1], pictures.masks.shape[2])
        self.epoch = 0

    def __len__(self) -> int:
        return max(1, len(self.pictures) // self.recipe.fit.batch_size)

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, self.epoch, step))
        chosen = rng.choice(len(self.pictures), self.recipe.fit.batch_size, p=self.weights).tolist()
        cuts = [self._cut(index, rng) for index in chosen]
        images, masks = (torch.stack(tensors).float() for tensors in zip(*(cut[:2] for cut in cuts), strict=True))
        labels = torch.tensor([label for _, _, label in cuts])
        return augment(Batch(images, masks[:, None], labels, self.pictures.has_mask[chosen]), self.recipe.augment, rng)

    def _cut(self, index: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, int]:
        """Picture (3, h, w) and mask (h, w), uint8, of one window, and the label of what it was cut from."""
        image, mask = self.pictures.images[index], self.pictures.masks[index]
        label = int(self.pictures.labels[index])
        if label in self.good_columns and self.paster.patches and rng.random() < self.recipe.augment.paste_share:
            image, mask, label = self.paster.paste(image, mask, rng)
        top, left = place_window(mask, self.side, rng)
        window = (slice(top, top + self.side[0]), slice(left, left + self.side[1]))
        return image[:, *window], mask[window], label


def window_side(recipe: SegmentRecipe, height: int, width: int) -> tuple[int, int]:
    """Height and width of a window: the recipe's, and no larger than the picture."""
    return min(recipe.decoder.window, height), min(recipe.decoder.window, width)


def place_window(mask: Tensor, side: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Top and left of a window of `side` in a picture with `mask` (H, W): mostly on a defect, anywhere around it."""
    room = [mask.shape[axis] - side[axis] for axis in (0, 1)]
    places = mask.nonzero() if rng.random() < ON_DEFECT else mask.new_zeros((0, 2))
    if not len(places):
        return int(rng.integers(0, room[0] + 1)), int(rng.integers(0, room[1] + 1))
    spot = places[int(rng.integers(len(places)))].tolist()
    starts = [spot[axis] - int(rng.integers(0, side[axis])) for axis in (0, 1)]
    return min(max(starts[0], 0), room[0]), min(max(starts[1], 0), room[1])
