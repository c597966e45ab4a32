"""Render machined flanges of known truth: the same (seed, index) gives the same pixels and the same truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from station.demo.blemishes import FILMS, Window, changed, film, relief, window_around
from station.demo.plan import DEFAULT_DEFECT_SHARE, Blemish, Light, PartPlan, plan_part
from station.demo.surface import (
    FIELD_MARGIN,
    FRAME_HEIGHT,
    FRAME_WIDTH,
    MIDDLE_X,
    MIDDLE_Y,
    SPRITE_HEIGHT,
    SPRITE_WIDTH,
    Grey,
    Plane,
    Plant,
    Sprites,
    build_plant,
)

_COUNTERSINK_ONLY_BELOW = 0.4
"""A missing feature less severe than this is drilled and only lacks its countersink."""
_MASK_MARGIN_PX = 5
_FILM_SEEN = 0.004

_CENTRE = (FRAME_WIDTH // 2, FRAME_HEIGHT // 2)
_REACH = (548, 450)
"""How far the part with its shadow reaches from the frame's middle, whatever its pose; x and y in pixels."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RenderedPart:
    """A picture and its truth."""

    image: NDArray[np.uint8]
    """(1024, 1280, 3) uint8 BGR."""
    label: str
    """`good` or one of DEFECTS."""
    mask: Grey | None
    """(1024, 1280) uint8, 255 where the defect changed the picture; None for a good part."""


def render(seed: int, index: int, defect_share: float = DEFAULT_DEFECT_SHARE, drift: float = 1.0) -> RenderedPart:
    """Render part `index` of the line `seed`. `drift` scales how far the light wanders (0 = steady)."""
    return render_plan(seed, plan_part(seed, index, defect_share, drift))


def render_plan(seed: int, plan: PartPlan) -> RenderedPart:
    """Render what was planned; a plan without its defect gives the part's flawless twin."""
    plant = build_plant(seed)
    pose = _pose(plan)
    marks = plan.marks + ((plan.defect,) if plan.defect else ())
    sprite, touched = _machine(plant, plan, marks)
    grey = _light(_place(sprite, plant, pose), plant, plan.light)
    image = _colour(grey, plan.light)
    mask = _mask(touched, plan.defect, plant, pose)
    for mark in marks:
        if mark.kind in FILMS:
            _lay_film(image, mark, plant, pose)
    return RenderedPart(_expose(image, plant, plan.noise_px), plan.label, mask)


def _pose(plan: PartPlan) -> Matrix:
    matrix = np.asarray(cv2.getRotationMatrix2D((MIDDLE_X, MIDDLE_Y), plan.angle_deg, 1.0), np.float64)
    matrix[:, 2] += (
        FRAME_WIDTH / 2 - MIDDLE_X + plan.shift_px[0],
        FRAME_HEIGHT / 2 - MIDDLE_Y + plan.shift_px[1],
    )
    return matrix


def _machine(plant: Plant, plan: PartPlan, marks: tuple[Blemish, ...]) -> tuple[Grey, Grey | None]:
    """Return the part's own sprite, premultiplied by its cover, and what the defect changed in its window."""
    sprites = plant.sprites[plan.variant]
    sprite = sprites.finished.copy()
    _grain(sprite, plant, plan.texture_px)
    touched = None
    for mark in marks:
        window = window_around(mark)
        before = sprite[window.slices].copy()
        _draw_on(sprite, sprites, mark, window, plant)
        if mark is plan.defect:
            touched = changed(before, sprite[window.slices])
    return np.asarray(cv2.multiply(sprite, plant.cover, scale=1 / 255), np.uint8), touched


def _grain(sprite: Grey, plant: Plant, texture_px: tuple[int, int]) -> None:
    top, left = texture_px
    rows, columns = slice(top, top + SPRITE_HEIGHT), slice(left, left + SPRITE_WIDTH)
    cv2.add(sprite, plant.grain[0][rows, columns], dst=sprite, mask=plant.ground_mask)
    cv2.subtract(sprite, plant.grain[1][rows, columns], dst=sprite, mask=plant.ground_mask)


def _draw_on(sprite: Grey, sprites: Sprites, mark: Blemish, window: Window, plant: Plant) -> None:
    patch = sprite[window.slices]
    if mark.kind == "missing_feature":
        source = sprites.drilled if mark.severity < _COUNTERSINK_ONLY_BELOW else sprites.blank
        wanting = source[window.slices] != sprites.finished[window.slices]
        patch[wanting] = source[window.slices][wanting]
    elif mark.kind not in FILMS:
        patch[:] = np.clip(patch + relief(mark, plant), 0, 255).astype(np.uint8)


def _place(sprite: Grey, plant: Plant, pose: Matrix) -> Grey:
    """Lay the part with its shadow on the tooling plate, (1024, 1280)."""
    columns, rows = (slice(c - reach, c + reach) for c, reach in zip(_CENTRE, _REACH, strict=True))
    moved = pose.copy()
    moved[:, 2] -= columns.start, rows.start
    size = (2 * _REACH[0], 2 * _REACH[1])
    part = cv2.warpAffine(sprite, moved, size, flags=cv2.INTER_LINEAR)
    share = cv2.warpAffine(plant.background_share, moved, size, flags=cv2.INTER_NEAREST, borderValue=255.0)
    frame = plant.background.copy()
    frame[rows, columns] = cv2.add(part, cv2.multiply(share, frame[rows, columns], dst=share, scale=1 / 255))
    return frame


def _light(grey: Grey, plant: Plant, light: Light) -> Grey:
    left, top = (int(np.clip(FIELD_MARGIN + o, 0, 2 * FIELD_MARGIN)) for o in light.offset_px)
    field = plant.field[top : top + FRAME_HEIGHT, left : left + FRAME_WIDTH]
    return np.asarray(cv2.multiply(grey, field, dst=grey, scale=1 / 200), np.uint8)


def _colour(grey: Grey, light: Light) -> NDArray[np.uint8]:
    """Expose and tint: steel is nearly grey, its shadows are bluish, the lamp warms or cools the whole."""
    level = np.arange(256) / 255
    gains = np.array([1 - 0.055 * light.temperature, 1.0, 1 + 0.045 * light.temperature]) * light.exposure
    tints = np.array([0.022, 0.006, 0.0])  # added in the shadows, BGR
    curve = level[:, None] * gains * 1.06 + tints * (1 - level[:, None])
    curve = np.where(curve > 0.8, 0.8 + 0.2 * np.tanh((curve - 0.8) / 0.2), curve)  # soft shoulder
    table = np.round(curve * 255).astype(np.uint8)
    return np.asarray(cv2.merge([cv2.LUT(grey, table[:, c]) for c in range(3)]), np.uint8)


def _expose(image: NDArray[np.uint8], plant: Plant, noise_px: tuple[int, int]) -> NDArray[np.uint8]:
    """Add the sensor's noise."""
    top, left = noise_px
    area = (slice(top, top + FRAME_HEIGHT), slice(left, left + FRAME_WIDTH))
    cv2.add(image, plant.noise[0][area], dst=image)
    return np.asarray(cv2.subtract(image, plant.noise[1][area], dst=image), np.uint8)


def _lay_film(image: NDArray[np.uint8], mark: Blemish, plant: Plant, pose: Matrix) -> None:
    strength, loss = film(mark, plant)
    warped, area = _warp_patch(strength, window_around(mark), pose)
    gain = cv2.merge([cv2.convertScaleAbs(warped, alpha=-255 * share, beta=255) for share in loss])
    image[area] = cv2.multiply(image[area], gain, scale=1 / 255)


def _mask(touched: Grey | None, defect: Blemish | None, plant: Plant, pose: Matrix) -> Grey | None:
    if defect is None or touched is None:
        return None
    if defect.kind in FILMS:
        touched = np.asarray((film(defect, plant)[0] > _FILM_SEEN) * 255, np.uint8)
    mask = np.zeros((FRAME_HEIGHT, FRAME_WIDTH), np.uint8)
    warped, area = _warp_patch(touched.astype(np.float32), window_around(defect), pose)
    mask[area] = (warped > 0) * np.uint8(255)
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _disc()), np.uint8)


def _disc() -> Grey:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_MASK_MARGIN_PX, _MASK_MARGIN_PX)), np.uint8)


def _warp_patch(patch: Plane, window: Window, pose: Matrix) -> tuple[Plane, tuple[slice, slice]]:
    """Turn a patch of the sprite into its place in the frame; return it with the area that it fills there."""
    corners = np.array([(x, y, 1.0) for x in (window.left, window.right) for y in (window.top, window.bottom)])
    placed = corners @ pose.T
    left, top = np.maximum(np.floor(placed.min(0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(placed.max(0)).astype(int) + 2, (FRAME_WIDTH, FRAME_HEIGHT))
    moved = pose.copy()
    moved[:, 2] += pose[:, :2] @ (window.left, window.top) - (left, top)
    warped = cv2.warpAffine(patch, moved, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR)
    return np.asarray(warped, np.float32), (slice(int(top), int(bottom)), slice(int(left), int(right)))
