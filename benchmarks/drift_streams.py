"""Streams of held parts that change as a line does, and how a drift watch takes them, run by run.

A stream draws among the held parts at random, good and defective ones as the line would bring them, in the noise of one
of three exposures; between two degrees of a degradation its figures are interpolated. Drawn in batches, watched part by
part as on the line. Everything of a run follows from its course and its number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift_grid import VALUES, Grid, Held
from inspector.drift import DriftSettings, DriftWatch, WatchKey
from inspector.grain import Grain
from inspector.imaging import Imaging
from inspector.values import Outcome, Prediction, Quality, Verdict, ViewInspection

DEFECT_SHARE = 0.02
HEALTHY_PARTS = 500
"""Between learning and the change."""
OUTCOMES = (Outcome.PASS, Outcome.REJECT, Outcome.REVIEW)
BATCH = 250
"""Parts drawn at once."""
UNCHANGED = "unchanged"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """How a degradation comes, and within how many parts it must be noticed if it lets no more parts escape."""

    degradation: str
    per_part: float
    """Rise from part to part, of the degree or of the share; 0: all at once."""
    last: float
    """The greatest degree."""
    within: int
    mixes: bool = False
    """It is no degree that rises but the share of parts that come at the last degree."""

    def degrees(self, numbers: NDArray[np.int64], rng: np.random.Generator) -> Floats:
        """(N,) degrees of the parts of those numbers since the change began."""
        if self.mixes:
            comes = rng.random(len(numbers)) < self.per_part * numbers
            return np.asarray(np.where(comes, self.last, 0.0), np.float64)
        if self.per_part:
            return np.asarray(np.minimum(self.per_part * numbers, self.last), np.float64)
        return np.full(len(numbers), self.last)


COURSES = {
    "lamp_fade": Course("fade", 0.01 / 100, 0.5, 2000),
    "defocus": Course("defocus", 0.05 / 100, 4.0, 2000),
    "shift_3_px": Course("shift", 0.0, 3.0, 2000),
    "new_texture": Course("texture", 0.01 / 100, 0.04, 2000, mixes=True),
    "new_texture_at_once": Course("texture", 0.0, 0.04, 200),
    "texture_creeping": Course("texture", 0.002 / 100, 0.2, 2000),
    "texture_creeping_aslant": Course("texture aslant", 0.002 / 100, 0.2, 2000),
    "texture_creeping_speckle": Course("speckle", 0.002 / 100, 0.2, 2000),
}


@dataclass(frozen=True, slots=True)
class Run:
    """What a watch made of one stream."""

    early: bool
    """It alarmed before the change, or on an unchanged line: a false alarm."""
    alarm_after: float
    """Parts of the change until the alarm; infinite where none came, or one too early."""
    figure: str
    """The first that alarmed; "none" where none did."""
    warnings: int


class Stream:
    """Draws views of held parts at degrees of one degradation."""

    def __init__(self, held: Held, degradation: str, seed: int) -> None:
        self._grid: Grid = held.grids[degradation]
        self.rng = np.random.default_rng(seed)
        self._good, self._defective = np.flatnonzero(~held.is_defect), np.flatnonzero(held.is_defect)
        self._sizes = held.sizes_px

    def draw(self, degrees: Floats) -> Iterator[tuple[ViewInspection, Imaging]]:
        """Draw one part at each degree."""
        parts, exposures = self._parts(len(degrees))
        below, above, share = self._between(degrees)
        nearest = np.where(share >= 0.5, above, below)
        values, looks = (
            (1 - share)[:, None] * figures[below, parts, exposures] + share[:, None] * figures[above, parts, exposures]
            for figures in (self._grid.values, self._grid.looks)
        )
        fates = self._grid.values[nearest, parts, exposures, 2:5].argmax(axis=1).tolist()
        profiles = self._grid.profiles[nearest, parts, exposures].astype(np.float64)
        sizes = self._sizes[parts].tolist()
        for row, look, fate, edges, size in zip(values.tolist(), looks.tolist(), fates, profiles, sizes, strict=True):
            redness, blueness, *grain = look
            yield _view(row, OUTCOMES[fate]), Imaging(redness, blueness, Grain(*grain), edges[0], edges[1], *size)

    def _parts(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw (n,) parts and (n,) exposures."""
        good, defective = self.rng.choice(self._good, n), self.rng.choice(self._defective, n)
        parts = np.where(self.rng.random(n) < DEFECT_SHARE, defective, good)
        return parts, self.rng.integers(self._grid.values.shape[2], size=n)

    def _between(self, degrees: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """Return the places of the degrees below and above each, and how far it lies from the one to the other."""
        known = np.array(self._grid.degrees)
        above = np.minimum(np.searchsorted(known, degrees), len(known) - 1)
        below = np.maximum(above - 1, 0)
        step = known[above] - known[below]
        return below, above, np.divide(degrees - known[below], step, out=np.zeros(len(degrees)), where=step > 0)


def _view(values: list[float], outcome: Outcome) -> ViewInspection:
    named = dict(zip(VALUES, values, strict=True))
    prediction = Prediction("", (), named["probability"], (), novelty=named["novelty"])
    quality = Quality(named["focus"], named["brightness"], named["dark"], named["saturated"])
    return ViewInspection("held", 0, "", quality, prediction, Verdict(outcome))


def new_watch(learn_parts: int) -> DriftWatch:
    return DriftWatch(DriftSettings(learn_parts=learn_parts), WatchKey(bundle="b", recipe="r", camera="c"))


def run(held: Held, name: str, seed: int, learn_parts: int, parts: int) -> Run:
    """Run one stream: a course, or an unchanged line of so many parts after learning."""
    if name == UNCHANGED:
        return _unchanged(held, seed, learn_parts, parts)
    return _changed(held, COURSES[name], seed, learn_parts)


def _changed(held: Held, course: Course, seed: int, learn_parts: int) -> Run:
    stream, watch = Stream(held, course.degradation, seed), new_watch(learn_parts)
    warnings = _healthy(watch, stream, learn_parts + HEALTHY_PARTS)
    if watch.alarms:
        return Run(True, math.inf, watch.alarms[0].figure, warnings)
    for start in range(0, 20 * course.within, BATCH):
        degrees = course.degrees(np.arange(start + 1, start + BATCH + 1), stream.rng)
        for number, (view, imaging) in enumerate(stream.draw(degrees), start + 1):
            watch.see(view, imaging)
            if watch.alarms:
                return Run(False, number, watch.alarms[0].figure, warnings)
    return Run(False, math.inf, "none", warnings)


def _unchanged(held: Held, seed: int, learn_parts: int, parts: int) -> Run:
    stream, watch = Stream(held, "fade", 1000 + seed), new_watch(learn_parts)
    warnings = _healthy(watch, stream, learn_parts + parts)
    return Run(bool(watch.alarms), math.inf, watch.alarms[0].figure if watch.alarms else "none", warnings)


def _healthy(watch: DriftWatch, stream: Stream, parts: int) -> int:
    """Watch so many unchanged parts; return how many warnings there were."""
    warnings = 0
    for start in range(0, parts, BATCH):
        for view, imaging in stream.draw(np.zeros(min(BATCH, parts - start))):
            warnings += sum(said.severity == "WARNING" for said in watch.see(view, imaging))
    return warnings
