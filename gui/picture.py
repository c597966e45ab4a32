"""Pictures of any size on a screen: levels of half the size each, where a picture lies in a view, contrast and gamma.

No Qt: a view is rendered into an array of its own size, so the time it takes is that of the view, whatever the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.values import Image

SMALLEST_PX = 512
"""No further level below this."""
CLOSEST = 40.0
"""Screen pixels per picture pixel, at most."""
SHARP_FROM = 3.0
"""From here on pixels are shown as squares."""
Rgb = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """A picture and its halves, (H, W, 3) RGB each, the largest first."""

    levels: tuple[Rgb, ...]

    @property
    def width_px(self) -> int:
        return int(self.levels[0].shape[1])

    @property
    def height_px(self) -> int:
        return int(self.levels[0].shape[0])


def pyramid(image: Image) -> Pyramid:
    """Build the levels of a picture (H, W, 3) BGR or (H, W) grey."""
    code = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
    return _leveled(np.ascontiguousarray(cv2.cvtColor(image, code), np.uint8))


def blended(picture: Pyramid, other: Pyramid) -> Pyramid:
    """Half of each, at the size of the first: what is alike stays, what differs is seen twice."""
    size = (picture.width_px, picture.height_px)
    fitting = cv2.resize(other.levels[0], size, interpolation=cv2.INTER_AREA)
    return _leveled(np.asarray(cv2.addWeighted(picture.levels[0], 0.5, fitting, 0.5, 0), np.uint8))


def _leveled(whole: Rgb) -> Pyramid:
    levels = [whole]
    while max(levels[-1].shape[:2]) > 2 * SMALLEST_PX:
        height, width = levels[-1].shape[:2]
        half = (max(1, width // 2), max(1, height // 2))
        levels.append(np.asarray(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA), np.uint8))
    return Pyramid(tuple(levels))


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in a view: view = scale x picture + (x, y), in screen pixels."""

    scale: float = 1.0
    x: float = 0.0
    y: float = 0.0

    def to_view(self, x: float, y: float) -> tuple[float, float]:
        return self.scale * x + self.x, self.scale * y + self.y

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        return (x - self.x) / self.scale, (y - self.y) / self.scale

    def zoomed(self, factor: float, x: float, y: float, least: float) -> Placement:
        """Zoom so that what lies at (x, y) of the view stays there."""
        scale = min(max(self.scale * factor, least), CLOSEST)
        at_x, at_y = self.to_picture(x, y)
        return Placement(scale, x - scale * at_x, y - scale * at_y)

    def moved(self, dx: float, dy: float) -> Placement:
        return replace(self, x=self.x + dx, y=self.y + dy)


def fitted(picture: tuple[int, int], view: tuple[int, int]) -> Placement:
    """The whole picture (width, height) in the middle of the view."""
    scale = min(view[0] / picture[0], view[1] / picture[1])
    return Placement(scale, (view[0] - scale * picture[0]) / 2, (view[1] - scale * picture[1]) / 2)


@dataclass(frozen=True, slots=True)
class Tones:
    """How grey levels are shown: contrast about the middle grey, then gamma."""

    contrast: float = 1.0
    gamma: float = 1.0

    def table(self) -> NDArray[np.uint8]:
        """(256,) what each grey level is shown as."""
        levels = np.arange(256) / 255
        stretched = np.clip((levels - 0.5) * self.contrast + 0.5, 0.0, 1.0)
        return np.asarray(np.rint(255 * stretched ** (1 / self.gamma)), np.uint8)


def render(
    picture: Pyramid, place: Placement, view: tuple[int, int], tones: Tones, behind: tuple[int, int, int]
) -> Rgb:
    """Show a picture in a view (width, height): (height, width, 3) RGB, `behind` where it does not reach."""
    level = _level(picture, place.scale)
    height, width = level.shape[:2]
    across, down = place.scale * picture.width_px / width, place.scale * picture.height_px / height
    # Between centres of pixels, as OpenCV counts; our coordinates count from their outer edges.
    matrix = np.array([[across, 0, place.x + across / 2 - 0.5], [0, down, place.y + down / 2 - 0.5]])
    how = cv2.INTER_NEAREST if place.scale >= SHARP_FROM else cv2.INTER_LINEAR
    warped = np.asarray(
        cv2.warpAffine(level, matrix, view, flags=how, borderMode=cv2.BORDER_CONSTANT, borderValue=behind), np.uint8
    )
    if tones != Tones():
        _tone(warped, place, picture, tones)
    return warped


def _level(picture: Pyramid, scale: float) -> Rgb:
    """The smallest level that is not magnified by more than 1.4."""
    at = 0
    while at + 1 < len(picture.levels) and scale * 2 ** (at + 1) <= 1.4:
        at += 1
    return picture.levels[at]


def _tone(warped: Rgb, place: Placement, picture: Pyramid, tones: Tones) -> None:
    """Change the tones of the picture and not of what lies behind it."""
    height, width = warped.shape[:2]
    left, top = (max(0, round(value)) for value in place.to_view(0, 0))
    right, bottom = (max(0, round(value)) for value in place.to_view(picture.width_px, picture.height_px))
    inside = warped[top : min(height, bottom), left : min(width, right)]
    if inside.size:
        inside[:] = cv2.LUT(np.ascontiguousarray(inside), tones.table())
