"""Variation of training pictures that boxes follow exactly: windows, scale, mirrors and quarter turns, mosaics.

No small turns: a box around a turned box is too large, and a detector learns to draw its boxes too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.detect.recipe import VariationRecipe

Boxes = NDArray[np.float32]
"""(K, 4) left, top, right, bottom, px of the picture they belong to."""
Pixels = NDArray[np.uint8]
"""(H, W, 3) BGR, or (H, W, 6) picture and template."""
GREY = 114
SMALLEST_PX = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Boxed:
    """A picture with its true boxes."""

    pixels: Pixels
    boxes: Boxes
    labels: NDArray[np.int64]
    """(K,) columns of the scores."""


def vary(sources: Sequence[Boxed], side: tuple[int, int], recipe: VariationRecipe, rng: np.random.Generator) -> Boxed:
    """A window of height and width `side` of one picture, or of four put together, some way up."""
    canvas = sources[0] if len(sources) == 1 else mosaic(sources)
    return turn(window(canvas, side, recipe, rng), recipe, rng)


def mosaic(sources: Sequence[Boxed]) -> Boxed:
    """Four pictures of one size, two by two."""
    height, width = sources[0].pixels.shape[:2]
    shifts = np.array([(0, 0), (width, 0), (0, height), (width, height)], np.float32)
    rows = [np.concatenate([left.pixels, right.pixels], 1) for left, right in (sources[:2], sources[2:4])]
    boxes = [source.boxes + np.tile(shift, 2) for source, shift in zip(sources, shifts, strict=True)]
    return Boxed(np.concatenate(rows), np.concatenate(boxes), np.concatenate([source.labels for source in sources]))


def window(source: Boxed, side: tuple[int, int], recipe: VariationRecipe, rng: np.random.Generator) -> Boxed:
    """Cut a window at a random place and scale; grey where it reaches beyond the picture."""
    scale = np.exp(rng.uniform(-recipe.scale, recipe.scale) + rng.uniform(-recipe.aspect, recipe.aspect, 2))
    span = np.array([side[1], side[0]]) / scale
    spare = np.array([source.pixels.shape[1], source.pixels.shape[0]]) - span
    corner = np.minimum(spare, 0) + rng.uniform(0, 1, 2) * np.abs(spare)
    picture = _cut(source.pixels[:, :, :3], corner, scale, side)
    if source.pixels.shape[2] == 6:
        beside = corner + rng.uniform(-recipe.misalign_px, recipe.misalign_px, 2)
        picture = np.concatenate([picture, _cut(source.pixels[:, :, 3:], beside, scale, side)], 2)
    boxes = (source.boxes - np.tile(corner, 2)) * np.tile(scale, 2)
    seen, labels = visible(boxes.astype(np.float32), source.labels, side, recipe.least_visible)
    return Boxed(picture, seen, labels)


def visible(
    boxes: Boxes, labels: NDArray[np.int64], side: tuple[int, int], least: float
) -> tuple[Boxes, NDArray[np.int64]]:
    """Clip boxes to a window; leave out those of which less than `least` of the area is left."""
    limits = np.array([side[1], side[0], side[1], side[0]], np.float32)
    clipped = np.clip(boxes, 0, limits)
    sides, before = clipped[:, 2:] - clipped[:, :2], boxes[:, 2:] - boxes[:, :2]
    keep = (sides.min(1) >= SMALLEST_PX) & (sides.prod(1) >= least * before.prod(1)) if len(boxes) else slice(0)
    return clipped[keep], labels[keep]


def turn(source: Boxed, recipe: VariationRecipe, rng: np.random.Generator) -> Boxed:
    """Mirror left-right, mirror up-down, swap rows and columns (square windows), each in half of the cases."""
    pixels, boxes = source.pixels, source.boxes
    height, width = pixels.shape[:2]
    across, down, swap = rng.random(3) < 0.5
    if recipe.mirror and across:
        pixels, boxes = (
            pixels[:, ::-1],
            np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1),
        )
    if recipe.mirror and down:
        pixels, boxes = (
            pixels[::-1],
            np.stack([boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]], 1),
        )
    if recipe.quarter_turns and swap and height == width:
        pixels, boxes = pixels.transpose(1, 0, 2), boxes[:, [1, 0, 3, 2]]
    return Boxed(np.ascontiguousarray(pixels), boxes, source.labels)


def _cut(pixels: Pixels, corner: NDArray[np.float64], scale: NDArray[np.float64], side: tuple[int, int]) -> Pixels:
    # Pixel centres are at whole numbers for OpenCV and at halves for boxes.
    shift = (0.5 - corner) * scale - 0.5
    matrix = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
    cut = cv2.warpAffine(pixels, matrix, side[::-1], flags=cv2.INTER_LINEAR, borderValue=(GREY, GREY, GREY))
    return np.asarray(cut, np.uint8)
