"""What a person draws on a picture to show where a defect is: boxes, polygons and brush strokes, in frame pixels.

Shapes are kept and not pixels: they are small, exact at any zoom, and a mask is made of them by one function.
"""

from __future__ import annotations

from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.documents import Document

MOST_POINTS = 20_000
_SHIFT = 4
"""OpenCV draws in sixteenths of a pixel."""

Point = tuple[float, float]
"""x to the right, y down, px; 0 at the outer edge of the first pixel."""
Points = Annotated[tuple[Point, ...], Field(max_length=MOST_POINTS)]


class Box(Document):
    """An upright rectangle."""

    kind: Literal["box"] = "box"
    x: float
    y: float
    width: float = Field(gt=0)
    height: float = Field(gt=0)


class Polygon(Document):
    """An outline; the last point is joined to the first."""

    kind: Literal["polygon"] = "polygon"
    points: Points = Field(min_length=3)


class Stroke(Document):
    """A path of a round brush, or of the eraser."""

    kind: Literal["stroke"] = "stroke"
    points: Points = Field(min_length=1)
    radius_px: float = Field(gt=0)
    erases: bool = False


Shape = Annotated[Box | Polygon | Stroke, Field(discriminator="kind")]


class Drawing(Document):
    """All that was drawn on one picture, in the order in which it was drawn."""

    width_px: int = Field(ge=1)
    height_px: int = Field(ge=1)
    shapes: tuple[Shape, ...] = ()


def mask(drawing: Drawing) -> NDArray[np.uint8]:
    """(H, W) uint8: 255 where something was drawn and not erased later."""
    painted = np.zeros((drawing.height_px, drawing.width_px), np.uint8)
    for shape in drawing.shapes:
        _paint(painted, shape)
    return painted


def _paint(painted: NDArray[np.uint8], shape: Box | Polygon | Stroke) -> None:
    if isinstance(shape, Stroke):
        _stroke(painted, shape)
    else:
        cv2.fillPoly(painted, [_fixed(_outline(shape))], 255, shift=_SHIFT)


def _outline(shape: Box | Polygon) -> tuple[Point, ...]:
    if isinstance(shape, Polygon):
        return shape.points
    right, below = shape.x + shape.width, shape.y + shape.height
    return (shape.x, shape.y), (right, shape.y), (right, below), (shape.x, below)


def _stroke(painted: NDArray[np.uint8], stroke: Stroke) -> None:
    value, points = 0 if stroke.erases else 255, _fixed(stroke.points)
    radius = round(stroke.radius_px * 2**_SHIFT)
    for point in points:
        cv2.circle(painted, (int(point[0]), int(point[1])), radius, value, -1, shift=_SHIFT)
    if len(points) > 1:
        thickness = max(1, round(2 * stroke.radius_px))
        cv2.polylines(painted, [points], isClosed=False, color=value, thickness=thickness, shift=_SHIFT)


def _fixed(points: tuple[Point, ...]) -> NDArray[np.int32]:
    """Pixel centres are whole numbers to OpenCV, halves to us."""
    return np.asarray(np.rint((np.array(points) - 0.5) * 2**_SHIFT), np.int32)
