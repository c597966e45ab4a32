"""A chart as a value: points with the words that say them, lines behind them, and where they lie in a rectangle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from db.history.listing import Wanted

NEAR_PX = 24.0
MARGIN = 0.06
"""Of the axis, left free above and below."""


class Form(StrEnum):
    """How points are drawn."""

    LINE = "line"
    POINTS = "points"
    BARS = "bars"


class Look(StrEnum):
    """What a line is: the middle, a limit, or values between which the points lie."""

    CENTRE = "centre"
    LIMIT = "limit"
    CURVE = "curve"


@dataclass(frozen=True, slots=True)
class Point:
    """One figure. `words` say it in full, with its count and bound; `parts` are those it was made of."""

    x: float
    y: float
    words: str
    low: float | None = None
    high: float | None = None
    flagged: bool = False
    parts: Wanted | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """A line behind the points. None in `y` interrupts it."""

    look: Look
    x: tuple[float, ...]
    y: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A place on an axis with its word."""

    at: float
    word: str


@dataclass(frozen=True, slots=True)
class Chart:
    """All of a chart. One without points says why in `empty`."""

    title: str
    caption: str = ""
    form: Form = Form.LINE
    points: tuple[Point, ...] = ()
    traces: tuple[Trace, ...] = ()
    names: tuple[Name, ...] = ()
    """Of the x axis, from left to right."""
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] | None = None
    """None: as far as points and lines go."""
    percent: bool = False
    empty: str = ""

    def heights(self) -> tuple[float, float]:
        """Return the ends of the y axis."""
        if self.y_range is not None:
            return self.y_range
        values = [value for point in self.points for value in (point.y, point.low, point.high) if value is not None]
        values += [value for trace in self.traces for value in trace.y if value is not None]
        low, high = min(values, default=0.0), max(values, default=1.0)
        if self.form is Form.BARS or (self.percent and low < 0.5 * high):
            low = min(low, 0.0)
        spread = (high - low) or abs(high) or 1.0
        below = low if low == 0 else low - MARGIN * spread
        top = high + MARGIN * spread
        return (max(below, 0.0), min(top, 1.0)) if self.percent else (below, top)


@dataclass(frozen=True, slots=True)
class Frame:
    """The rectangle of a chart's plot in px of the screen, y downwards, and the axes that it stands for."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / ((high - low) or 1.0) * self.width

    def y(self, value: float) -> float:
        low, high = self.y_range
        share = (value - low) / ((high - low) or 1.0)
        return self.top + (1 - min(max(share, 0.0), 1.0)) * self.height

    @property
    def bottom(self) -> float:
        return self.top + self.height


def nearest(chart: Chart, frame: Frame, x: float, y: float) -> int | None:
    """Return the point at a place of the screen: of bars that of the column, else the nearest one that is near."""
    if not chart.points:
        return None
    if chart.form is Form.BARS:
        number = min(range(len(chart.points)), key=lambda n: abs(frame.x(chart.points[n].x) - x))
        pitch = frame.width / max(1, len(chart.points))
        return number if abs(frame.x(chart.points[number].x) - x) <= pitch / 2 else None
    distances = [math.hypot(frame.x(point.x) - x, frame.y(point.y) - y) for point in chart.points]
    number = min(range(len(distances)), key=distances.__getitem__)
    return number if distances[number] <= NEAR_PX else None


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round values between two, at a step of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_words(values: list[float], *, percent: bool) -> list[str]:
    """Write values with as many places as tell them apart."""
    shown = [100 * value for value in values] if percent else values
    step = min((abs(after - before) for before, after in pairwise(shown)), default=1.0)
    places = min(8, max(0, math.ceil(-math.log10(step) - 1e-9))) if step > 0 else 0
    return [f"{value:.{places}f}{' %' if percent else ''}" for value in shown]


def thinned(names: tuple[Name, ...], most: int) -> tuple[Name, ...]:
    """Leave out names evenly until at most `most` are left."""
    step = max(1, math.ceil(len(names) / max(1, most)))
    return names[::step]
