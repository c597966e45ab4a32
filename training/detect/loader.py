"""Batches of windows with their boxes: the same again for the same seed, epoch and step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from training.augment import vary_light
from training.detect.assignment import Truth
from training.detect.pictures import BoxedPictures
from training.detect.recipe import DetectRecipe
from training.detect.variation import Boxed, vary

SELECTION_BATCH = 8


class BoxedBatch(NamedTuple):
    """What one training step eats."""

    images: Tensor
    """(B, 3, H, W) float32 BGR of 0..255, or (B, 6, H, W) with the template."""
    truth: Truth


class WindowSteps(Dataset[BoxedBatch]):
    """Step `i` of one epoch. Every step has its own generator, so that a resumed run goes on as it would have."""

    def __init__(self, pictures: BoxedPictures, side: tuple[int, int], recipe: DetectRecipe, seed: int) -> None:
        self.pictures, self.side, self.recipe, self.seed = pictures, side, recipe, seed
        self.weights = draw_weights(pictures, recipe.fit.good_share)
        self.epoch = 0

    def __len__(self) -> int:
        """An epoch draws as many windows as cover every picture with a box once."""
        with_boxes = [boxed.pixels.shape for boxed in self.pictures.boxed if len(boxed.boxes)]
        windows = sum(max(1.0, shape[0] * shape[1] / (self.side[0] * self.side[1])) for shape in with_boxes)
        return max(1, int(windows) // self.recipe.fit.batch_size)

    def __getitem__(self, step: int) -> BoxedBatch:
        rng = np.random.default_rng((self.seed, self.epoch, step))
        batch = collate([self._window(rng) for _ in range(self.recipe.fit.batch_size)])
        light, noise = self.recipe.variation.light, self.recipe.variation.noise
        return batch._replace(images=vary_light(batch.images, light, noise, rng))

    def _window(self, rng: np.random.Generator) -> Boxed:
        mixes = self.pictures.boxed[0].pixels.shape[2] == 3 and rng.random() < self.recipe.variation.mosaic_share
        count = 4 if mixes else 1
        chosen = rng.choice(len(self.pictures), count, p=self.weights)
        return vary([self.pictures.boxed[index] for index in chosen.tolist()], self.side, self.recipe.variation, rng)


class Whole(Dataset[BoxedBatch]):
    """Pictures as they are, in order, in batches."""

    def __init__(self, pictures: BoxedPictures) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return -(-len(self.pictures) // SELECTION_BATCH)

    def __getitem__(self, step: int) -> BoxedBatch:
        return collate(self.pictures.boxed[step * SELECTION_BATCH : (step + 1) * SELECTION_BATCH])


def draw_weights(pictures: BoxedPictures, empty_share: float) -> NDArray[np.float64]:
    """Chance of each picture (N,): those without a box together get `empty_share`."""
    empty = np.array([len(boxed.boxes) == 0 for boxed in pictures.boxed])
    if empty.all() or not empty.any():
        return np.full(len(empty), 1 / len(empty))
    return np.asarray(np.where(empty, empty_share / empty.sum(), (1 - empty_share) / (~empty).sum()), np.float64)


def collate(boxed: Sequence[Boxed]) -> BoxedBatch:
    """Stack pictures of one size; fill up their boxes to the same number."""
    most = max(1, *(len(item.boxes) for item in boxed))
    truth = Truth(
        torch.zeros(len(boxed), most, 4),
        torch.zeros(len(boxed), most, dtype=torch.int64),
        torch.zeros(len(boxed), most, dtype=torch.bool),
    )
    for row, item in enumerate(boxed):
        count = len(item.boxes)
        truth.boxes[row, :count] = torch.from_numpy(item.boxes)
        truth.labels[row, :count] = torch.from_numpy(item.labels)
        truth.known[row, :count] = True
    return BoxedBatch(torch.from_numpy(np.stack([item.pixels for item in boxed])).permute(0, 3, 1, 2).float(), truth)
