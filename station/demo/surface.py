"""The flange and its tooling plate, drawn once per seed: grey levels, cover and the places where a mark can lie.

Shapes are signed distances (negative inside), so that edges are antialiased and a chamfer knows which way it faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from station.demo.plan import (
    BORE_RADIUS,
    BOSS_RADIUS,
    COUNTERBORE_RADIUS,
    FEATURES,
    HALF_HEIGHT,
    HALF_WIDTH,
    VARIANTS,
    Feature,
)

Grey = NDArray[np.uint8]
Plane = NDArray[np.float32]

FRAME_HEIGHT, FRAME_WIDTH = 1024, 1280
SPRITE_HEIGHT, SPRITE_WIDTH = 800, 1000
MIDDLE_X, MIDDLE_Y = SPRITE_WIDTH // 2, SPRITE_HEIGHT // 2
TEXTURE_MARGIN_X, TEXTURE_MARGIN_Y = 400, 200
NOISE_MARGIN = 64
FIELD_MARGIN = 128
LIGHT_X, LIGHT_Y = -0.55, -0.83
"""Where the lamp is, seen from the part: up and to the left."""


@dataclass(frozen=True, slots=True, eq=False)
class Sprites:
    """One grinding pattern, (800, 1000) uint8 each: without holes, drilled only, and finished."""

    blank: Grey
    drilled: Grey
    finished: Grey


@dataclass(frozen=True, slots=True, eq=False)
class Plant:
    """All that the parts of one seed have in common."""

    sprites: tuple[Sprites, ...]
    cover: Grey
    """Sprite: 255 where the part is."""
    background_share: Grey
    """Sprite: how much of the tooling plate is seen, 0 under the part, less than 255 in its shadow."""
    ground_mask: Grey
    """Sprite: 255 on the ground outer face, where the grain of each part differs."""
    face: Plane
    """Sprite: 1 on machined faces, 0 in holes and outside; marks are drawn only here."""
    background: Grey
    field: Grey
    """Light over the frame, 200 = nominal; wider than a frame so that the lamp can wander."""
    grain: tuple[Grey, Grey]
    noise: tuple[Grey, Grey]
    """Added and subtracted: two saturating operations are several times faster than one signed."""


@lru_cache(maxsize=4)
def build_plant(seed: int) -> Plant:
    """Draw everything that stays the same from part to part (about half a second, then cached)."""
    rng = np.random.default_rng((seed, 3))
    cover = _solid(_plate_distance())
    drilled, finished = _features(countersunk=False), _features(countersunk=True)
    base = _blank_face()
    return Plant(
        sprites=tuple(_sprites(rng, base, drilled, finished) for _ in range(VARIANTS)),
        cover=_grey(255 * cover),
        background_share=_grey(255 * (1 - cover) * (1 - 0.62 * _shadow(cover))),
        ground_mask=_grey(255 * cover * (_radius(0, 0) > BOSS_RADIUS + 2) * (1 - finished[1])),
        face=(_solid(_plate_distance() + 14) * _solid(COUNTERBORE_RADIUS - _radius(0, 0)) * (1 - finished[1])),
        background=_tooling_plate(rng),
        field=_light_field(),
        grain=_signed_pair(6.0 * _brushed(rng, SPRITE_HEIGHT + TEXTURE_MARGIN_Y, SPRITE_WIDTH + TEXTURE_MARGIN_X)),
        noise=_signed_pair(_sensor_noise(rng)),
    )


def _grid() -> tuple[Plane, Plane]:
    y, x = np.mgrid[0:SPRITE_HEIGHT, 0:SPRITE_WIDTH].astype(np.float32)
    return x - MIDDLE_X, y - MIDDLE_Y


def _radius(x0: float, y0: float) -> Plane:
    x, y = _grid()
    return np.asarray(np.hypot(x - x0, y - y0), np.float32)


def _plate_distance(corner: float = 78.0) -> Plane:
    x, y = _grid()
    dx, dy = np.abs(x) - (HALF_WIDTH - corner), np.abs(y) - (HALF_HEIGHT - corner)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return np.asarray(outside + np.minimum(np.maximum(dx, dy), 0) - corner, np.float32)


def _solid(distance: Plane) -> Plane:
    """Cover 0..1 of the inside of a shape, antialiased over one pixel."""
    return np.asarray(np.clip(0.5 - distance, 0, 1), np.float32)


def _ring(distance: Plane, width: float) -> Plane:
    """Cover of the band from the edge to `width` inwards."""
    return _solid(distance) - _solid(distance + width)


def _facing(distance: Plane) -> Plane:
    """How much a slope falling outwards looks towards the lamp, -1..1."""
    gy, gx = np.gradient(distance)
    return np.asarray((gx * LIGHT_X + gy * LIGHT_Y) / np.maximum(np.hypot(gx, gy), 1e-3), np.float32)


def _over(below: Plane, level: Plane | float, cover: Plane) -> Plane:
    return np.asarray(below * (1 - cover) + level * cover, np.float32)


def _grey(plane: Plane) -> Grey:
    return np.asarray(np.clip(np.round(plane), 0, 255), np.uint8)


def _signed_pair(plane: Plane) -> tuple[Grey, Grey]:
    return _grey(plane), _grey(-plane)


def _sheen_of_turning(x: Plane, y: Plane) -> Plane:
    """The two bright sectors that turned steel shows across the lamp, 0..1."""
    across = (x * LIGHT_X + y * LIGHT_Y) / np.maximum(np.hypot(x, y), 1)
    return np.asarray(np.abs(across) ** 5, np.float32)


def _blank_face() -> Plane:
    """Grey levels of the part with boss and bore but no holes: plate, edges, turned boss, counterbore, bore."""
    x, y = _grid()
    plate = _plate_distance()
    level = 138 + 20 * np.exp(-(((x - 0.35 * y + 60) / 260) ** 2)) - 0.012 * x
    level = _over(level, 142 + 74 * _facing(plate), _ring(plate, 11))
    return _bore(_boss(level.astype(np.float32), x, y))


def _boss(level: Plane, x: Plane, y: Plane) -> Plane:
    radius = np.hypot(x, y)
    shadow = np.exp(-np.maximum(np.hypot(x - 5, y - 7) - BOSS_RADIUS, 0) / 9)
    level = np.asarray(level * (1 - 0.34 * shadow), np.float32)
    level = _over(level, 148 + 62 * _sheen_of_turning(x, y), _solid(radius - BOSS_RADIUS))
    return _over(level, 150 + 82 * _facing(radius), _ring(radius - BOSS_RADIUS, 9))


def _bore(level: Plane) -> Plane:
    x, y = _grid()
    radius = np.hypot(x, y)
    floor = 100 + 46 * _sheen_of_turning(x, y) - 22 * np.exp(-(COUNTERBORE_RADIUS - radius) / 12)
    level = _over(level, floor, _solid(radius - COUNTERBORE_RADIUS))
    level = _over(level, 128 - 84 * _facing(radius), _ring(radius - COUNTERBORE_RADIUS, 7))
    level = _over(level, _hole_level(radius - BORE_RADIUS, 34), _solid(radius - BORE_RADIUS))
    return _over(level, 134 - 92 * _facing(radius), _ring(radius - BORE_RADIUS, 8))


def _hole_level(distance: Plane, wall: float) -> Plane:
    """Inside of a hole: nearly black, with the lit crescent of the wall that looks at the lamp."""
    lit = np.clip(-_facing(distance), 0, 1) ** 1.5 * np.exp(np.minimum(distance, 0) / wall)
    return np.asarray(20 + 66 * lit, np.float32)


def _features(countersunk: bool) -> tuple[Plane, Plane]:
    """Level and cover of all holes and the slot."""
    level = np.zeros((SPRITE_HEIGHT, SPRITE_WIDTH), np.float32)
    cover = np.zeros_like(level)
    for feature in FEATURES:
        reach_y = feature.radius + feature.chamfer + 4
        reach_x = reach_y + feature.half_length
        rows = slice(MIDDLE_Y + feature.y - reach_y, MIDDLE_Y + feature.y + reach_y)
        columns = slice(MIDDLE_X + feature.x - reach_x, MIDDLE_X + feature.x + reach_x)
        y, x = np.mgrid[-reach_y:reach_y, -reach_x:reach_x].astype(np.float32)
        level[rows, columns], cover[rows, columns] = _feature(feature, x, y, countersunk)
    return level, cover


def _feature(feature: Feature, x: Plane, y: Plane, countersunk: bool) -> tuple[Plane, Plane]:
    along = np.maximum(np.abs(x) - feature.half_length, 0)
    hole = np.asarray(np.hypot(along, y) - feature.radius, np.float32)
    turned = 26 * _sheen_of_turning(x, y) * (feature.half_length == 0)
    slope = np.asarray(122 - 66 * _facing(hole) + turned, np.float32)
    level = _over(slope, _hole_level(hole, feature.radius * 0.32), _solid(hole))
    return level, _solid(hole - (feature.chamfer if countersunk else 2))


def _sprites(
    rng: np.random.Generator, base: Plane, drilled: tuple[Plane, Plane], finished: tuple[Plane, Plane]
) -> Sprites:
    blank = _engrave(base + _grain_of_faces(rng))
    return Sprites(_grey(blank), _grey(_over(blank, *drilled)), _grey(_over(blank, *finished)))


def _grain_of_faces(rng: np.random.Generator) -> Plane:
    radius = _radius(0, 0)
    on_boss = _solid(radius - BOSS_RADIUS + 9)
    in_bore = _solid(radius - BORE_RADIUS)
    straight = 6.5 * _brushed(rng, SPRITE_HEIGHT, SPRITE_WIDTH)
    return np.asarray(_over(straight, 9.0 * _turned(rng), on_boss) * (1 - in_bore), np.float32)


def _brushed(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Grain along x, unit variance: long fine lines and a few coarse bands."""
    white = rng.standard_normal((height, width), np.float32)
    fine = cv2.blur(white, (91, 1)) * 9.5
    coarse = cv2.blur(cv2.GaussianBlur(white[::-1], (1, 9), 0), (301, 1)) * 30
    sparse = cv2.blur((white > 3.2).astype(np.float32), (61, 1)) * 24
    return np.asarray(0.72 * fine + 0.42 * coarse + 0.5 * sparse, np.float32)


def _turned(rng: np.random.Generator) -> Plane:
    """Concentric feed marks of the tool, unit variance, uneven around the circle."""
    x, y = _grid()
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    around = np.pad(rng.standard_normal((63, 660), np.float32), ((12, 13), (0, 0)), mode="wrap")
    rings = cv2.blur(around, (1, 25))[12:-12] * 3.4  # first and last row are the same: no seam
    polar = np.asarray((angle / (2 * np.pi) + 0.5) * 63, np.float32)
    lines = cv2.remap(rings, np.asarray(radius, np.float32), polar, cv2.INTER_LINEAR)
    return np.asarray(0.8 * lines + 0.5 * np.sin(radius * 1.45), np.float32)


def _engrave(level: Plane) -> Plane:
    """Laser marking below the boss."""
    marked = np.zeros((SPRITE_HEIGHT, SPRITE_WIDTH), np.uint8)
    cv2.putText(marked, "FL-62  S355", (MIDDLE_X - 128, MIDDLE_Y + 300), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 3, 16)
    cover = np.asarray(cv2.GaussianBlur(marked, (3, 3), 0) / 255, np.float32)
    return _over(level, level * 0.58, cover)


def _shadow(cover: Plane) -> Plane:
    moved = np.roll(cover, (16, 11), (0, 1))
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), 13), np.float32)


def _tooling_plate(rng: np.random.Generator) -> Grey:
    """Dark anodised plate with a grid of tapped holes, as large as a frame."""
    y, x = np.mgrid[0:FRAME_HEIGHT, 0:FRAME_WIDTH].astype(np.float32)
    white = rng.standard_normal((FRAME_HEIGHT, FRAME_WIDTH), np.float32)
    level = 56 + 3.2 * cv2.GaussianBlur(white, (3, 3), 0) * 2 + 20 * cv2.GaussianBlur(white, (0, 0), 9)
    radius = np.hypot((x + 20) % 160 - 80, (y - 8) % 160 - 80).astype(np.float32)
    level = _over(level, 62 - 34 * _facing(radius), _ring(radius - 21, 5))
    level = _over(level, _hole_level(radius - 16, 6) * 0.6, _solid(radius - 16))
    return _grey(level)


def _light_field() -> Grey:
    """Vignetting and the lamp's broad spot; 200 stands for a factor of 1."""
    height, width = FRAME_HEIGHT + 2 * FIELD_MARGIN, FRAME_WIDTH + 2 * FIELD_MARGIN
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    spot = np.hypot((x - width * 0.46) / 1.15, y - height * 0.45)
    return _grey(214 - 78 * (spot / 860) ** 2.2)


def _sensor_noise(rng: np.random.Generator) -> Plane:
    """Mostly the same in all channels, as after a Bayer interpolation; grey levels."""
    height, width = FRAME_HEIGHT + NOISE_MARGIN, FRAME_WIDTH + NOISE_MARGIN
    common = rng.standard_normal((height, width, 1), np.float32)
    own = rng.standard_normal((height, width, 3), np.float32)
    return np.asarray(2.0 * common + 1.2 * own, np.float32)
