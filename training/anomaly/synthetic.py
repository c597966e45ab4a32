"""Defects drawn on good pictures, for a network that is to know a defect without having been shown one.

After Zavrtanik et al., "DRAEM" (ICCV 2021) and Schlueter et al., "Natural Synthetic Anomalies" (ECCV 2022), with
shapes that surfaces of parts really have: spots, thin lines, chipped edges, stains, rough places, foreign pieces.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Shape = NDArray[np.float32]
"""(H, W) of 0..1: how much of a pixel is covered."""

LEAST_CHANGE, LARGEST_CHANGE = 0.12, 0.9
"""Of the grey levels around, in natural logarithm."""
VISIBLE = 4.0
"""Grey levels by which a covered pixel has to differ before it counts as defective."""


def draw(picture: Picture, donor: Picture, rng: np.random.Generator) -> tuple[Picture, Picture]:
    """Draw one to three defects of one sort; `donor` is another good picture of the same size.

    Args:
        picture: (H, W, 3) uint8; not changed.
        donor: (H, W, 3) uint8.
        rng: the same state draws the same.

    Returns:
        The picture (H, W, 3) uint8 and its mask (H, W) uint8 of 0 and 1.
    """
    canvas = picture.astype(np.float32)
    mask = np.zeros(picture.shape[:2], np.uint8)
    shape_of = SHAPES[int(rng.integers(len(SHAPES)))]
    for _ in range(int(rng.integers(1, 4)) if shape_of in SMALL else 1):
        cover = shape_of(picture.shape[0], picture.shape[1], rng)
        fill = FILLS[int(rng.integers(len(FILLS)))] if shape_of not in SMALL else relit
        drawn = canvas + cover[..., None] * (fill(canvas, donor, cover, rng) - canvas)
        changed = np.abs(drawn - canvas).mean(2)
        mask |= ((cover > 0.3) & (cv2.blur(changed, (5, 5)) > VISIBLE)).astype(np.uint8)
        canvas = drawn
    return np.clip(canvas, 0, 255).astype(np.uint8), mask


# ---- where


def spots(height: int, width: int, rng: np.random.Generator) -> Shape:
    """A small round or oblong spot."""
    cover = np.zeros((height, width), np.float32)
    axes = rng.uniform(0.006, 0.035, 2) * max(height, width)
    centre = _anywhere(height, width, rng)
    cv2.ellipse(cover, (centre, tuple(2 * np.maximum(axes, 1.0)), float(rng.uniform(0, 180))), 1.0, -1)
    return _soft(cover, rng.uniform(0.4, 1.5))


def line(height: int, width: int, rng: np.random.Generator) -> Shape:
    """A crack or scratch: a path that wanders."""
    cover = np.zeros((height, width), np.float32)
    steps = int(rng.integers(4, 30))
    length = np.exp(rng.uniform(np.log(0.03), np.log(0.7))) * max(height, width)
    turn = rng.normal(0, rng.uniform(0.02, 0.5), steps).cumsum() + rng.uniform(0, 2 * np.pi)
    path = np.stack([np.cos(turn), np.sin(turn)], 1).cumsum(0) * length / steps
    points = np.round((path + _anywhere(height, width, rng)) * 8).astype(np.int32)
    cv2.polylines(cover, [points[:, None]], False, 1.0, int(rng.integers(1, 5)), cv2.LINE_AA, shift=3)
    return _soft(cover, rng.uniform(0.3, 1.2))


def stain(height: int, width: int, rng: np.random.Generator) -> Shape:
    """A region of no particular form."""
    coarse = _clouds(height, width, rng.uniform(0.03, 0.2), rng)
    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    centre = _anywhere(height, width, rng)
    size = rng.uniform(0.03, 0.3) * max(height, width)
    stretch = np.exp(rng.uniform(-0.7, 0.7))
    away = np.hypot((across - centre[0]) * stretch, (down - centre[1]) / stretch) / size
    return _soft((coarse * rng.uniform(0.3, 1.0) + 1 - away > 0).astype(np.float32), rng.uniform(0.5, 3))


def field(height: int, width: int, rng: np.random.Generator) -> Shape:
    """A wide region with straight borders, as of another treatment."""
    cover = np.zeros((height, width), np.float32)
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
    reach = rng.uniform(0.1, 0.6, len(angles)) * max(height, width)
    points = np.stack([np.cos(angles), np.sin(angles)], 1) * reach[:, None] + _anywhere(height, width, rng)
    cv2.fillPoly(cover, [np.round(points).astype(np.int32)], 1.0, cv2.LINE_AA)
    return _soft(cover, rng.uniform(0.5, 6))


def band(height: int, width: int, rng: np.random.Generator) -> Shape:
    """Everything on one side of a line, or between two: a surface treated unlike the rest."""
    across, down = np.meshgrid(
        np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    )
    angle = rng.choice([0, 0.5, 1, 1.5]) * np.pi + rng.normal(0, 0.15)
    wave = rng.uniform(0, 0.06) * _clouds(height, width, rng.uniform(0.1, 0.4), rng)
    place = np.cos(angle) * across + np.sin(angle) * down + wave
    begin = rng.uniform(-0.2, 0.9)
    return _soft(((place > begin) & (place < begin + rng.uniform(0.2, 1.5))).astype(np.float32), rng.uniform(0.5, 6))


def edge(height: int, width: int, rng: np.random.Generator) -> Shape:
    """A piece of the border that has come off."""
    across, down = np.meshgrid(
        np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    )
    angle = rng.choice([0, 0.5, 1, 1.5]) * np.pi + rng.normal(0, 0.2)
    depth = 1 - (np.cos(angle) * across + np.sin(angle) * down)
    along = -np.sin(angle) * across + np.cos(angle) * down - rng.uniform(-0.8, 0.8)
    reach = rng.uniform(0.05, 0.4) * np.exp(-((along / rng.uniform(0.1, 0.8)) ** 2))
    rough = 0.15 * _clouds(height, width, rng.uniform(0.02, 0.08), rng)
    return _soft((depth < reach * (1 + rough) + 0.05 * rough).astype(np.float32), rng.uniform(0.4, 1.5))


def shade(height: int, width: int, rng: np.random.Generator) -> Shape:
    """Something wide without a border."""
    clouds = _clouds(height, width, rng.uniform(0.08, 0.3), rng)
    return _soft((clouds > rng.uniform(0.6, 1.5)).astype(np.float32), rng.uniform(3, 12))


# ---- with what


def relit(canvas: Shape, donor: Picture, cover: Shape, rng: np.random.Generator) -> Shape:
    """Darker or lighter than it was."""
    change = rng.uniform(LEAST_CHANGE, LARGEST_CHANGE) * rng.choice([-1, -1, 1])
    flat = rng.uniform(0, 0.8)
    around = cv2.GaussianBlur(canvas, (0, 0), 6)
    return np.asarray((canvas * (1 - flat) + around * flat) * np.exp(change), np.float32)


def rough(canvas: Shape, donor: Picture, cover: Shape, rng: np.random.Generator) -> Shape:
    """A grain that the surface does not have."""
    height, width = canvas.shape[:2]
    grain = _clouds(height, width, rng.uniform(0.004, 0.03), rng)
    return np.asarray(canvas * np.exp(rng.uniform(0.1, 0.5) * grain + rng.uniform(-0.3, 0.3))[..., None], np.float32)


def worn(canvas: Shape, donor: Picture, cover: Shape, rng: np.random.Generator) -> Shape:
    """Without the grain that the surface has, and a little darker or lighter."""
    plain = cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(1.5, 6)))
    return np.asarray(plain * np.exp(rng.uniform(-0.3, 0.3)), np.float32)


def faded(canvas: Shape, donor: Picture, cover: Shape, rng: np.random.Generator) -> Shape:
    """A little darker or lighter than it was, with its grain weaker or stronger."""
    plain = cv2.GaussianBlur(canvas, (0, 0), 4)
    change = rng.uniform(0.05, 0.35) * rng.choice([-1, 1])
    return np.asarray((plain + (canvas - plain) * rng.uniform(0.3, 2.0)) * np.exp(change), np.float32)


def foreign(canvas: Shape, donor: Picture, cover: Shape, rng: np.random.Generator) -> Shape:
    """A piece of another picture from elsewhere, turned and in another light."""
    height, width = canvas.shape[:2]
    angle, scale = float(rng.uniform(0, 360)), float(rng.uniform(0.7, 2.5))
    turn = cv2.getRotationMatrix2D(_anywhere(height, width, rng), angle, scale)
    turned = cv2.warpAffine(donor, turn, (width, height), borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    covered = cover > 0.3
    if covered.any() and rng.random() < 0.5:
        turned *= (canvas[covered].mean() + 1) / (turned[covered].mean() + 1)
    return np.asarray(turned * np.exp(rng.uniform(-0.4, 0.4)), np.float32)


Drawer = Callable[[int, int, np.random.Generator], Shape]
SHAPES: tuple[Drawer, ...] = (spots, spots, line, line, stain, field, band, edge, edge, shade)
"""Small things twice: they are the hardest to find."""
SMALL = (spots, line)
FILLS: tuple[Callable[[Shape, Picture, Shape, np.random.Generator], Shape], ...] = (relit, faded, rough, worn, foreign)


def _anywhere(height: int, width: int, rng: np.random.Generator) -> tuple[float, float]:
    return float(rng.uniform(0, width)), float(rng.uniform(0, height))


def _soft(cover: Shape, sigma: float) -> Shape:
    return np.asarray(cv2.GaussianBlur(cover, (0, 0), float(sigma)), np.float32)


def _clouds(height: int, width: int, scale: float, rng: np.random.Generator) -> Shape:
    """(H, W) smooth noise of mean 0 and deviation 1; `scale` is its grain as a share of the longer side."""
    cells = [max(2, round(side / (scale * max(height, width)))) for side in (height, width)]
    noise = cv2.resize(rng.standard_normal(cells).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-6), np.float32)
