"""Batches for fitting: balanced, varied, and the same again for the same seed, epoch and step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from training.augment import Batch, augment
from training.part_weights import part_weights, within_classes
from training.paste import Paster
from training.pictures import Pictures
from training.recipe import TrainingRecipe

SELECTION_BATCH = 32


class FitSteps(Dataset[Batch]):
    """Step `i` of one epoch; every step has its own generator, so that a resumed run goes on as it would have."""

    def __init__(self, pictures: Pictures, good_columns: Sequence[int], recipe: TrainingRecipe, seed: int) -> None:
        self.pictures, self.good_columns, self.recipe, self.seed = pictures, good_columns, recipe, seed
        self.paster = Paster(pictures)
        self.weights = chances(pictures, good_columns, recipe.fit.good_share)
        self.epoch = 0

    def __len__(self) -> int:
        return max(1, len(self.pictures) // self.recipe.fit.batch_size)

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, self.epoch, step))
        chosen = rng.choice(len(self.pictures), self.recipe.fit.batch_size, p=self.weights)
        return augment(self._gather(chosen.tolist(), rng), self.recipe.augment, rng)

    def _gather(self, chosen: Sequence[int], rng: np.random.Generator) -> Batch:
        images, masks, labels = [], [], []
        for index in chosen:
            image, mask = self.pictures.images[index], self.pictures.masks[index]
            label = int(self.pictures.labels[index])
            if label in self.good_columns and self.paster.patches and rng.random() < self.recipe.augment.paste_share:
                image, mask, label = self.paster.paste(image, mask, rng)
            images.append(image)
            masks.append(mask)
            labels.append(label)
        known = self.pictures.has_mask[list(chosen)]
        return Batch(torch.stack(images).float(), torch.stack(masks)[:, None].float(), torch.tensor(labels), known)


def chances(pictures: Pictures, good_columns: Sequence[int], good_share: float) -> NDArray[np.float64]:
    """Chance of each picture (N,) to be drawn: that of its class, and within the class by what the part weighs."""
    labels = pictures.labels.numpy()
    shares = sample_weights(labels, good_columns, good_share)
    weights = shares * within_classes(labels, part_weights(pictures.samples))
    return np.asarray(weights / weights.sum())


def sample_weights(labels: NDArray[np.int64], good_columns: Sequence[int], good_share: float) -> NDArray[np.float64]:
    """Chance of each sample (N,): good pictures together get `good_share`, classes the square root of their size.

    The square root lies between the sizes as they are (rare kinds are never seen) and equal classes (the few
    pictures of a rare kind are learnt by heart).
    """
    counts = np.bincount(labels).astype(float)
    wanted = np.sqrt(counts)
    is_good = np.isin(np.arange(len(counts)), list(good_columns))
    if wanted[is_good].sum() and wanted[~is_good].sum():
        wanted[is_good] *= good_share / wanted[is_good].sum()
        wanted[~is_good] *= (1 - good_share) / wanted[~is_good].sum()
    weights = (wanted / np.maximum(counts, 1))[labels]
    return np.asarray(weights / weights.sum())


class Plain(Dataset[Batch]):
    """Pictures as they are, in order, in batches."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return -(-len(self.pictures) // SELECTION_BATCH)

    def __getitem__(self, step: int) -> Batch:
        window = slice(step * SELECTION_BATCH, (step + 1) * SELECTION_BATCH)
        whole = self.pictures
        images, masks = whole.images[window].float(), whole.masks[window, None].float()
        return Batch(images, masks, whole.labels[window], whole.has_mask[window])
