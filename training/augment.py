"""Variation of training pictures, fit for surfaces: any way up, any exposure, uneven light, a noisy sensor."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.recipe import AugmentRecipe


class Batch(NamedTuple):
    """What one training step eats."""

    images: Tensor
    """(B, 3, H, W) float32 BGR of 0..255."""
    masks: Tensor
    """(B, 1, H, W) float32 of 0..1."""
    labels: Tensor
    """(B,) int64."""
    has_mask: Tensor
    """(B,) float32."""


def augment(batch: Batch, recipe: AugmentRecipe, rng: np.random.Generator) -> Batch:
    """Vary a batch. The same generator state gives the same pictures."""
    grid = functional.affine_grid(_placements(batch.images, recipe, rng), list(batch.images.shape), align_corners=False)
    images, masks = (
        functional.grid_sample(picture, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        for picture in (batch.images, batch.masks)
    )
    images = _sense(_light(images / 255, recipe.light, rng), recipe.noise, rng)
    return batch._replace(images=images.clamp(0, 1) * 255, masks=masks)


def vary_light(images: Tensor, light: float, noise: float, rng: np.random.Generator) -> Tensor:
    """Vary exposure and sensor of the first three channels of (B, 3 or 6, H, W) of 0..255; templates stay as they are.

    Args:
        images: BGR, or BGR of the picture and BGR of its golden template.
        light: strength of `_light`.
        noise: strength of `_sense`.
        rng: the same state gives the same pictures.
    """
    picture = _sense(_light(images[:, :3] / 255, light, rng), noise, rng).clamp(0, 1) * 255
    return torch.cat([picture, images[:, 3:]], 1)


def _placements(images: Tensor, recipe: AugmentRecipe, rng: np.random.Generator) -> Tensor:
    """(B, 2, 3) affine maps: turns up to 8 degrees, scaling by 0.8..1.2, shifts by 4 % of the side."""
    count, height, width = images.shape[0], images.shape[2], images.shape[3]
    strength = recipe.geometry
    quarter = rng.integers(0, 4, count) if recipe.quarter_turns and height == width else np.zeros(count)
    angle = rng.uniform(-8, 8, count) * strength * math.pi / 180 + quarter * math.pi / 2
    scale_x = np.exp(rng.uniform(-0.2, 0.2, count) * strength)
    scale_y = scale_x * np.exp(rng.uniform(-0.12, 0.12, count) * strength)
    mirror_x, mirror_y = rng.choice([-1, 1], (2, count)) if recipe.mirror else np.ones((2, count))
    maps = np.empty((count, 2, 3), np.float32)
    maps[:, 0, 0] = np.cos(angle) * scale_x * mirror_x
    maps[:, 0, 1] = -np.sin(angle) * scale_y * height / width
    maps[:, 1, 0] = np.sin(angle) * scale_x * mirror_x * mirror_y * width / height
    maps[:, 1, 1] = np.cos(angle) * scale_y * mirror_y
    maps[:, :, 2] = rng.uniform(-0.08, 0.08, (count, 2)) * strength
    return torch.from_numpy(maps)


def _light(images: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Gamma 0.55..1.8, contrast 0.7..1.4, exposure 0.6..1.5, and light that falls off across the picture."""
    count, height, width = images.shape[0], images.shape[2], images.shape[3]
    varied = images.clamp(1e-3, 1) ** torch.exp(_draw(rng, count, -0.6, 0.6) * strength)
    mean = varied.mean((1, 2, 3), keepdim=True)
    contrast, exposure = _draw(rng, count, -0.35, 0.35), _draw(rng, count, -0.5, 0.4)
    varied = (varied - mean) * torch.exp(contrast * strength) + mean * torch.exp(exposure * strength)
    across = torch.linspace(-1, 1, width).reshape(1, 1, 1, width)
    down = torch.linspace(-1, 1, height).reshape(1, 1, height, 1)
    slope = _draw(rng, count, -1, 1) * across + _draw(rng, count, -1, 1) * down
    return varied * torch.exp(0.2 * strength * slope)


def _sense(images: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Sensor noise in half of the batches, a slight blur in some."""
    count, height, width = images.shape[0], images.shape[2], images.shape[3]
    if rng.random() < 0.5 * min(strength, 1):
        noise = torch.from_numpy(rng.standard_normal((count, 1, height, width), dtype=np.float32))
        images = images + noise * _draw(rng, count, 0, 0.03) * strength
    if rng.random() < 0.15 * strength:
        images = functional.avg_pool2d(functional.pad(images, (1, 1, 1, 1), mode="reflect"), 3, 1)
    return images


def _draw(rng: np.random.Generator, count: int, low: float, high: float) -> Tensor:
    return torch.from_numpy(rng.uniform(low, high, (count, 1, 1, 1)).astype(np.float32))
