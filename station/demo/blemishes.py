"""Defects and harmless marks, drawn on small patches of the part.

A *relief* (scratch, dent, tool mark, dust) changes grey levels;
a *film* (stain, oil sheen) takes light away, from each colour its share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from station.demo.plan import Blemish
from station.demo.surface import (
    LIGHT_X,
    LIGHT_Y,
    MIDDLE_X,
    MIDDLE_Y,
    SPRITE_HEIGHT,
    SPRITE_WIDTH,
    Grey,
    Plane,
    Plant,
)

FILMS = frozenset({"stain", "sheen"})
_LOSSES = ((1.0, 0.78, 0.58), (0.95, 0.85, 0.72), (0.55, 0.8, 1.0), (0.8, 0.8, 0.8))
"""Share of the film's strength that each channel (BGR) loses: rust, coolant, heat tint, grease."""


@dataclass(frozen=True, slots=True)
class Window:
    """Where a patch lies in the sprite, pixels; half open."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


def window_around(blemish: Blemish) -> Window:
    reach = {"scratch": 0.5, "tool_mark": 0.5, "dent": 3.2, "dust": 0.5, "stain": 1.5, "sheen": 1.5}
    half = int(blemish.size_px * reach.get(blemish.kind, 1.0)) + 8
    x, y = round(blemish.x) + MIDDLE_X, round(blemish.y) + MIDDLE_Y
    return Window(max(x - half, 0), max(y - half, 0), min(x + half, SPRITE_WIDTH), min(y + half, SPRITE_HEIGHT))


def relief(blemish: Blemish, plant: Plant) -> Plane:
    """Grey levels to add within the blemish's window, whole numbers, 0 in holes."""
    window = window_around(blemish)
    draw = {"scratch": _scratch, "tool_mark": _scratch, "dent": _dent, "dust": _dust}[blemish.kind]
    return np.asarray(np.round(draw(blemish, window) * plant.face[window.slices]), np.float32)


def film(blemish: Blemish, plant: Plant) -> tuple[Plane, tuple[float, float, float]]:
    """Strength 0..1 of a film within the blemish's window, and the share of it that B, G and R lose."""
    window = window_around(blemish)
    draw = _stain if blemish.kind == "stain" else _sheen
    loss = _LOSSES[blemish.seed % len(_LOSSES)]
    return np.asarray(draw(blemish, window) * plant.face[window.slices], np.float32), loss


def changed(before: Grey, after: Grey) -> Grey:
    """255 wherever two patches differ."""
    return np.asarray((before != after) * 255, np.uint8)


def _offsets(blemish: Blemish, window: Window, step: int = 1) -> tuple[Plane, Plane]:
    """Distance of each `step`-th pixel from the blemish's middle, along and across its direction."""
    x = np.arange(window.left, window.right, step).astype(np.float32)[None, :] - np.float32(MIDDLE_X + blemish.x)
    y = np.arange(window.top, window.bottom, step).astype(np.float32)[:, None] - np.float32(MIDDLE_Y + blemish.y)
    cos, sin = np.float32(math.cos(blemish.angle)), np.float32(math.sin(blemish.angle))
    return cos * x + sin * y, -sin * x + cos * y


def _scratch(blemish: Blemish, window: Window) -> Plane:
    """A bright furrow with a dark flank on the side away from the lamp, interrupted here and there."""
    rng = np.random.default_rng(blemish.seed)
    line = _furrow(blemish, window, rng)
    patchy = 0.55 + 0.75 * _cloud(rng, line.shape, 18)
    polarity = 1.0 if rng.random() < 0.7 else -0.8
    contrast = (8 + 112 * blemish.severity) * polarity
    flank = cv2.warpAffine(line, np.array([[1, 0, 1.6], [0, 1, 2.0]]), line.shape[::-1])
    return np.asarray(contrast * np.clip(patchy, 0, 1.15) * (line - 0.55 * flank), np.float32)


def _furrow(blemish: Blemish, window: Window, rng: np.random.Generator) -> Plane:
    """The line itself, 0..1: slightly bent, tapering off."""
    t = np.linspace(-0.48, 0.48, 24)
    bend = rng.uniform(-0.07, 0.07) * np.cos(np.pi * t) + 0.01 * np.cumsum(rng.normal(0, 0.25, t.size))
    along, across = t * blemish.size_px, bend * blemish.size_px
    cos, sin = math.cos(blemish.angle), math.sin(blemish.angle)
    x = blemish.x + MIDDLE_X - window.left + cos * along - sin * across
    y = blemish.y + MIDDLE_Y - window.top + sin * along + cos * across
    points = np.round(np.stack([x, y], 1) * 16).astype(np.int32)
    line = np.zeros((window.bottom - window.top, window.right - window.left), np.uint8)
    width = 1 + round(4.2 * blemish.severity * rng.uniform(0.6, 1.0))
    cv2.polylines(line, [points], False, 255, width, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(line, (3, 3), 0.7) / 255, np.float32)


def _dent(blemish: Blemish, window: Window) -> Plane:
    """A dimple: the slope that faces the lamp is bright, the other one dark, the bottom a little dull."""
    rng = np.random.default_rng(blemish.seed)
    along, across = _offsets(blemish, window)
    u, v = along / blemish.size_px, across / (blemish.size_px * float(rng.uniform(0.6, 1.0)))
    depth = np.exp(-0.5 * (u * u + v * v) ** 1.8)  # flat bottom, sharp shoulder
    gy, gx = np.gradient(depth)
    slope = (gx * LIGHT_X + gy * LIGHT_Y) * blemish.size_px
    return np.asarray((4 + 104 * blemish.severity) * (1.1 * slope - 0.18 * depth) * (depth > 0.02), np.float32)


def _dust(blemish: Blemish, window: Window) -> Plane:
    """A few lint specks, dark or bright, one or two pixels wide."""
    rng = np.random.default_rng(blemish.seed)
    height, width = window.bottom - window.top, window.right - window.left
    specks = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(3, 14))):
        place = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(specks, place, int(rng.integers(1, 3)), float(rng.choice((-1.0, 0.8))), -1)
    return np.asarray(np.float32(450 * blemish.severity) * cv2.GaussianBlur(specks, (3, 3), 0), np.float32)


def _stain(blemish: Blemish, window: Window) -> Plane:
    """A dried drop of ragged outline, darker towards its rim."""
    rng = np.random.default_rng(blemish.seed)
    along, across = _offsets(blemish, window)
    ragged = _cloud(rng, along.shape, max(blemish.size_px / 3, 6))
    reach = np.hypot(along, across * 1.25) / blemish.size_px + 0.75 * (ragged - 0.5)
    body = np.clip((1 - reach) * 5, 0, 1)
    rim = np.exp(-(((reach - 0.86) / 0.09) ** 2))
    mottled = 0.7 + 0.6 * _cloud(rng, along.shape, 9)
    return np.asarray(
        (0.02 + 0.52 * blemish.severity) * body * np.clip(0.75 * mottled + 0.35 * rim, 0, 1.3), np.float32
    )


def _sheen(blemish: Blemish, window: Window) -> Plane:
    """A breath of oil: wide, without an edge, so drawn coarsely."""
    along, across = _offsets(blemish, window, step=4)
    reach = (along**2 + 2.0 * across**2) / blemish.size_px**2
    coarse = np.float32(0.7 * blemish.severity) * np.clip(np.exp(-2.2 * reach) - 0.05, 0, 1)
    size = (window.right - window.left, window.bottom - window.top)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _cloud(rng: np.random.Generator, shape: tuple[int, ...], scale_px: float) -> Plane:
    """Smooth noise of mean 0.5, roughly 0..1, with features of about `scale_px`."""
    rows, columns = (max(int(side / scale_px) + 3, 4) for side in shape[:2])
    coarse = rng.random((rows, columns), np.float32)
    return np.asarray(cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_CUBIC), np.float32)
