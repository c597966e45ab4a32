"""Does the drift watch alarm before the escape rate has doubled, and is it quiet while nothing changes?

    python -m benchmarks.drift --bundle BUNDLE --dataset DATASET --split val --cache DIR --json FILE

Held parts are scored once at each degree of each degradation (`benchmarks.drift_grid`). A stream draws among them at
random, good and defective ones as the line would bring them, in the noise of one of three exposures; between two
degrees its figures are interpolated. Each run learns anew, then stays healthy for a while, then changes. A new texture
comes as a material does: the share of parts that have it rises from none to all (`new_texture`), or it is there all at
once; `texture_creeping` is the same texture growing on every part, beside one aslant and one without a direction.

The escape rate of a degree is the share of the degraded defective held parts that pass. It has doubled at the first
degree at which it is twice that of no degradation (or twice one part, where none escapes). Two policies are looked at:
the bundle's own; and one without the novelty guard whose single limit lets 2 % of the defective parts pass when nothing
has changed. Where the escape rate never doubles, the alarm must come within a stated number of parts.
"""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from benchmarks.drift_grid import DEGRADATIONS, VALUES, Grid, Held, held_parts
from inspector.charts import SUBGROUPS_LEARNT
from inspector.dataset import SPLITS
from inspector.drift import DriftSettings, DriftWatch, WatchKey
from inspector.grain import Grain
from inspector.imaging import Imaging
from inspector.values import Outcome, Prediction, Quality, Verdict, ViewInspection

DEFECT_SHARE = 0.02
HEALTHY_PARTS = 500
"""Between learning and the change."""
LOOSE_ESCAPE = 0.02
OUTCOMES = (Outcome.PASS, Outcome.REJECT, Outcome.REVIEW)


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

    def degree(self, part: int, rng: np.random.Generator) -> float:
        """Return the degree of the part of that number since the change began."""
        if self.mixes:
            return self.last if rng.random() < self.per_part * part else 0.0
        return min(self.per_part * part, self.last) if self.per_part else self.last


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


class Stream:
    """Draws views of held parts at a degree of one degradation."""

    def __init__(self, held: Held, degradation: str, seed: int) -> None:
        self._grid: Grid = held.grids[degradation]
        self.rng = np.random.default_rng(seed)
        self._good, self._defective = np.flatnonzero(~held.is_defect), np.flatnonzero(held.is_defect)
        self._sizes = held.sizes_px

    def draw(self, degree: float) -> tuple[ViewInspection, Imaging]:
        parts = self._defective if self.rng.random() < DEFECT_SHARE else self._good
        part = int(parts[self.rng.integers(len(parts))])
        exposure = int(self.rng.integers(self._grid.values.shape[2]))
        above = min(int(np.searchsorted(self._grid.degrees, degree)), len(self._grid.degrees) - 1)
        below = max(above - 1, 0)
        step = self._grid.degrees[above] - self._grid.degrees[below]
        share = (degree - self._grid.degrees[below]) / step if step else 0.0
        nearest = above if share >= 0.5 else below
        values, looks = (
            (1 - share) * figures[below, part, exposure] + share * figures[above, part, exposure]
            for figures in (self._grid.values, self._grid.looks)
        )
        fate = OUTCOMES[int(self._grid.values[nearest, part, exposure, 2:5].argmax())]
        return _view(values, fate), self._imaging(looks, self._grid.profiles[nearest, part, exposure], part)

    def _imaging(self, looks: NDArray[np.float64], profiles: NDArray[np.float32], part: int) -> Imaging:
        redness, blueness, *grain = looks.tolist()
        along_x, along_y = profiles.astype(np.float64)
        width, height = self._sizes[part].tolist()
        return Imaging(redness, blueness, Grain(*grain), along_x, along_y, width, height)


def _view(values: NDArray[np.float64], outcome: Outcome) -> ViewInspection:
    named = dict(zip(VALUES, values.tolist(), strict=True))
    prediction = Prediction("", (), named["probability"], (), novelty=named["novelty"])
    quality = Quality(named["focus"], named["brightness"], named["dark"], named["saturated"])
    return ViewInspection("held", 0, "", quality, prediction, Verdict(outcome))


def new_watch(learn_parts: int) -> DriftWatch:
    return DriftWatch(DriftSettings(learn_parts=learn_parts), WatchKey(bundle="b", recipe="r", camera="c"))


def first_alarm(watch: DriftWatch, stream: Stream, course: Course, most_parts: int) -> tuple[int, str] | None:
    """Return after how many parts of the change the watch alarmed, and which figure did; None where it did not."""
    for part in range(most_parts):
        watch.see(*stream.draw(course.degree(part + 1, stream.rng)))
        if watch.alarms:
            return part + 1, watch.alarms[0].figure
    return None


def doubled_after(escapes: NDArray[np.float64], course: Course, degrees: tuple[float, ...], n: int) -> float:
    """Return after how many parts of the change the escape rate has doubled; infinity where it never does."""
    limit = 2 * max(float(escapes[0]), 1 / n)
    if course.mixes:
        rise = float(escapes[degrees.index(course.last)] - escapes[0])
        share = (limit - float(escapes[0])) / rise if rise > 0 else float("inf")
        return share / course.per_part if share <= 1 else float("inf")
    reached = [place for place in range(1, len(degrees)) if escapes[place] >= limit and degrees[place] <= course.last]
    if not reached:
        return float("inf")
    if not course.per_part:
        return 0.0
    place = reached[0]
    rise = escapes[place] - escapes[place - 1]
    share = (limit - escapes[place - 1]) / rise if rise > 0 else 1.0
    return float((degrees[place - 1] + share * (degrees[place] - degrees[place - 1])) / course.per_part)


def escape_curves(held: Held, degradation: str) -> dict[str, NDArray[np.float64]]:
    """Return (degrees,) escape rates over defective held parts and exposures, at the bundle's and the loose policy."""
    values = held.grids[degradation].values[:, held.is_defect]
    limit = np.quantile(held.grids["fade"].values[0, held.is_defect, :, 0], LOOSE_ESCAPE)
    return {"bundle": values[..., 2].mean(axis=(1, 2)), "loose": (values[..., 0] < limit).mean(axis=(1, 2))}


def changed(held: Held, name: str, runs: int, learn_parts: int) -> dict[str, float | int | str | None]:
    """Run a change many times."""
    course = COURSES[name]
    found, figures, early = [], Counter[str](), 0
    for seed in range(runs):
        stream, watch = Stream(held, course.degradation, seed), new_watch(learn_parts)
        for _ in range(learn_parts + HEALTHY_PARTS):
            watch.see(*stream.draw(0.0))
        early += bool(watch.alarms)
        alarm = first_alarm(watch, stream, course, 20 * course.within)
        found.append(float("inf") if alarm is None else alarm[0])
        figures[alarm[1] if alarm else "none"] += 1
    delays = np.array(found)
    figures_of_course: dict[str, float | int | str | None] = {
        f"{name}_parts_to_alarm_p50": float(np.median(delays)),
        f"{name}_parts_to_alarm_p95": float(np.quantile(delays, 0.95, method="higher")),
        f"{name}_first_figures": ", ".join(f"{figure} {count}" for figure, count in figures.most_common()),
        f"{name}_alarms_before_the_change": early,
        f"{name}_runs": runs,
    }
    degrees, n = DEGRADATIONS[course.degradation][1], int(held.is_defect.sum())
    for policy, escapes in escape_curves(held, course.degradation).items():
        doubled = doubled_after(escapes, course, degrees, n)
        due = course.within if doubled in (0.0, float("inf")) else doubled
        figures_of_course |= {
            f"{name}_{policy}_escape_before": float(escapes[0]),
            f"{name}_{policy}_escape_greatest": float(escapes.max()),
            f"{name}_{policy}_doubled_after_parts": None if doubled == float("inf") else doubled,
            f"{name}_{policy}_due_after_parts": due,
            f"{name}_{policy}_in_time_share": float(np.mean(delays <= due)),
        }
    return figures_of_course


def unchanged(held: Held, runs: int, parts: int, learn_parts: int) -> dict[str, float | int | str]:
    """Run a healthy line; the parts learnt come before those counted."""
    alarmed, warnings, kinds = 0, 0, Counter[str]()
    for seed in range(runs):
        stream, watch = Stream(held, "fade", 1000 + seed), new_watch(learn_parts)
        for _ in range(learn_parts + parts):
            said = watch.see(*stream.draw(0.0))
            warnings += sum(each.severity == "WARNING" for each in said)
        alarmed += bool(watch.alarms)
        kinds.update(alarm.figure for alarm in watch.alarms)
    return {
        "unchanged_runs": runs,
        "unchanged_parts_each": parts,
        "unchanged_runs_with_alarm": alarmed,
        "unchanged_alarms": ", ".join(f"{figure} {count}" for figure, count in kinds.most_common()) or "none",
        "unchanged_warnings_per_100000_parts": 1e5 * warnings / (runs * (parts + learn_parts)),
    }


def cost(held: Held, learn_parts: int, parts: int = 20_000) -> dict[str, float | int]:
    """Measure the time of `see` alone, the memory that a watch takes, and what its state weighs."""
    stream = Stream(held, "fade", 1)
    drawn = [stream.draw(0.0) for _ in range(learn_parts + parts)]
    tracemalloc.start()
    watch = new_watch(learn_parts)
    for view, imaging in drawn[: learn_parts + 1]:
        watch.see(view, imaging)
    settled = learn_parts + SUBGROUPS_LEARNT * DriftSettings().subgroup
    for view, imaging in drawn[learn_parts + 1 : settled]:
        watch.see(view, imaging)
    learnt_bytes = tracemalloc.get_traced_memory()[0]
    for view, imaging in drawn[settled:]:
        watch.see(view, imaging)
    grown_bytes = tracemalloc.get_traced_memory()[0] - learnt_bytes
    tracemalloc.stop()
    watch = new_watch(learn_parts)
    seconds = []
    for view, imaging in drawn:
        started = time.perf_counter()
        watch.see(view, imaging)
        seconds.append(time.perf_counter() - started)
    watching = seconds[learn_parts:]
    return {
        "see_p50_us": 1e3 * report.percentile_ms(watching, 0.5),
        "see_p99_us": 1e3 * report.percentile_ms(watching, 0.99),
        "see_slowest_while_learning_ms": 1e3 * max(seconds[:learn_parts]),
        "memory_kib": learnt_bytes / 1024,
        "memory_grown_over_15000_parts_kib": grown_bytes / 1024,
        "state_kib": len(watch.state().model_dump_json()) / 1024,
    }


def main() -> None:
    parser = report.arguments("drift watch: alarms in time, false alarms, cost")
    parser.add_argument("--bundle", type=Path, required=True, help="classifier's bundle, or a folder of bundles")
    parser.add_argument("--dataset", type=Path, required=True, help="folder with index.csv")
    parser.add_argument("--split", choices=SPLITS, default="val", help="rows that are the held parts")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="where scored parts are kept")
    parser.add_argument("--runs", type=int, default=200, help="of each change")
    parser.add_argument("--quiet-runs", type=int, default=20, help="of an unchanged line")
    parser.add_argument("--parts", type=int, default=100_000, help="in a run of an unchanged line")
    parser.add_argument("--learn", type=int, default=DriftSettings().learn_parts, help="parts learnt in each run")
    args = parser.parse_args()
    held = held_parts(args.bundle, args.dataset, args.split, args.cache)
    figures: dict[str, float | int | str | bool | None] = {
        "held_good": int((~held.is_defect).sum()),
        "held_defective": int(held.is_defect.sum()),
        "defect_share": DEFECT_SHARE,
        "learn_parts": args.learn,
        **cost(held, args.learn),
    }
    for name in COURSES:
        figures |= changed(held, name, args.runs, args.learn)
    figures |= unchanged(held, args.quiet_runs, args.parts, args.learn)
    report.write(figures, args.json)


if __name__ == "__main__":
    main()
