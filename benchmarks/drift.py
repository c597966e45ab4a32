"""Does the drift watch alarm before the escape rate has doubled, and is it quiet while nothing changes?

    python -m benchmarks.drift --bundle BUNDLE --dataset DATASET --split val --cache DIR --json FILE

Held parts are scored once at each degree of each degradation (`benchmarks.drift_grid`); streams are drawn from them
(`benchmarks.drift_streams`). Each run learns anew, then stays healthy for a while, then changes. A new texture comes as
a material does: the share of parts that have it rises from none to all (`new_texture`), or it is there all at once;
`texture_creeping` is the same texture growing on every part, beside one aslant and one without a direction.

What is scored and each run that is finished are written to DIR at once: stopped and begun again, it goes on where it
was. `--minutes` stops it by itself. FILE then has what the runs done so far say, and `complete` is false.

The escape rate of a degree is the share of the degraded defective held parts that pass. It has doubled at the first
degree at which it is twice that of no degradation (or twice one part, where none escapes). Two policies are looked at:
the bundle's own; and one without the novelty guard whose single limit lets 2 % of the defective parts pass when nothing
has changed. Where the escape rate never doubles, the alarm must come within a stated number of parts. A run that
alarmed before the change is not in time.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import inspector
from benchmarks import report
from benchmarks.drift_grid import DEGRADATIONS, Held, grid_folder, held_parts, pool, progress, score_all
from benchmarks.drift_streams import COURSES, DEFECT_SHARE, HEALTHY_PARTS, UNCHANGED, Course, Run, run
from inspector.dataset import SPLITS
from inspector.drift import DriftSettings
from inspector.risk import Rate

LOOSE_ESCAPE = 0.02
WATCH_MODULES = ("drift*.py", "charts.py", "martingale.py", "imaging.py", "piecework.py")
"""Runs that were watched by another code are not gone on with."""
Task = tuple[str, int]
"""Name of a course, or `unchanged`, and the number of the run."""


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
    """Return (degrees,) escape rates over defective held parts and exposures, at the bundle's and the loose policy.

    That of no change is taken over the exposures of all kinds of degradation: over one kind's three it is a count of a
    few, and doubles by chance.
    """
    values = held.grids[degradation].values[:, held.is_defect]
    unchanged = np.concatenate([grid.values[0, held.is_defect] for grid in held.grids.values()], axis=1)
    limit = np.quantile(unchanged[..., 0], LOOSE_ESCAPE)
    curves = {"bundle": values[..., 2].mean(axis=(1, 2)), "loose": (values[..., 0] < limit).mean(axis=(1, 2))}
    curves["bundle"][0], curves["loose"][0] = unchanged[..., 2].mean(), (unchanged[..., 0] < limit).mean()
    return curves


def changed(held: Held, name: str, runs: Sequence[Run]) -> dict[str, float | int | str | bool | None]:
    """Say what the runs of a change found, with exact bounds."""
    course = COURSES[name]
    delays = np.array([run.alarm_after for run in runs])
    named = Counter(run.figure for run in runs)
    figures: dict[str, float | int | str | bool | None] = {
        f"{name}_runs": len(runs),
        f"{name}_parts_to_alarm_p50": _finite(float(np.quantile(delays, 0.5, method="higher"))),
        f"{name}_parts_to_alarm_p95": _finite(float(np.quantile(delays, 0.95, method="higher"))),
        f"{name}_first_figures": ", ".join(f"{figure} {count}" for figure, count in named.most_common()),
        f"{name}_alarms_before_the_change": sum(run.early for run in runs),
    }
    degrees, n = DEGRADATIONS[course.degradation][1], int(held.is_defect.sum())
    for policy, escapes in escape_curves(held, course.degradation).items():
        doubled = doubled_after(escapes, course, degrees, n)
        due = course.within if doubled in (0.0, math.inf) else doubled
        in_time = Rate(int((delays <= due).sum()), len(runs))
        figures |= {
            f"{name}_{policy}_escape_before": float(escapes[0]),
            f"{name}_{policy}_escape_greatest": float(escapes.max()),
            f"{name}_{policy}_doubled_after_parts": _finite(doubled),
            f"{name}_{policy}_due_after_parts": due,
            f"{name}_{policy}_in_time_runs": in_time.count,
            f"{name}_{policy}_in_time_share": in_time.value,
            f"{name}_{policy}_in_time_share_at_least": in_time.lower(),
        }
    return figures


def unchanged(runs: Sequence[Run], parts: int, learn_parts: int) -> dict[str, float | int | str | bool | None]:
    """Say what the runs of a healthy line found; the parts learnt come before those counted."""
    alarmed = Rate(sum(run.early for run in runs), len(runs))
    kinds = Counter(run.figure for run in runs if run.early)
    return {
        "unchanged_runs": alarmed.n,
        "unchanged_parts_each": parts,
        "unchanged_runs_with_alarm": alarmed.count,
        "unchanged_share_with_alarm_at_most": alarmed.upper(),
        "unchanged_alarms": ", ".join(f"{figure} {count}" for figure, count in kinds.most_common()) or "none",
        "unchanged_warnings_per_100000_parts": 1e5
        * sum(run.warnings for run in runs)
        / (len(runs) * (parts + learn_parts)),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


class Finished:
    """Runs done, a line each in a file; one that was cut off while it was written is done again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.runs: dict[Task, Run] = dict(self._read())

    def _read(self) -> Iterator[tuple[Task, Run]]:
        for line in self._file.read_text().splitlines() if self._file.is_file() else ():
            try:
                name, seed, said = json.loads(line)
            except ValueError:
                continue
            yield (name, seed), Run(**said)

    def add(self, task: Task, run: Run) -> None:
        self.runs[task] = run
        with self._file.open("a") as lines:
            lines.write("\n" + json.dumps([*task, asdict(run)]))

    def of(self, name: str) -> list[Run]:
        return [run for (course, _), run in sorted(self.runs.items()) if course == name]


def finished_file(folder: Path, learn_parts: int, parts: int) -> Path:
    package = Path(inspector.__file__).parent
    code = b"".join(file.read_bytes() for pattern in WATCH_MODULES for file in sorted(package.glob(pattern)))
    courses = repr((COURSES, DEFECT_SHARE, HEALTHY_PARTS)).encode()
    return folder / f"runs-{learn_parts}-{parts}-{hashlib.sha256(code + courses).hexdigest()[:12]}.jsonl"


def finish(
    folder: Path, tasks: Sequence[Task], finished: Finished, sizes: tuple[int, int], workers: int, until_s: float
) -> None:
    """Do the runs that are missing, until that time of the monotonic clock; `sizes`: parts learnt, parts unchanged."""
    missing = iter([task for task in tasks if task not in finished.runs])
    running: dict[Future[Run], Task] = {}
    with pool(workers) as runners:
        while True:
            while len(running) < 2 * workers and time.monotonic() < until_s and (task := next(missing, None)):
                running[runners.submit(one_run, folder, *task, *sizes)] = task
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                finished.add(task := running.pop(done), done.result())
                told = len(finished.of(task[0]))
                if told % 10 == 0 or task[0] == UNCHANGED:
                    progress(f"{task[0]}: {told} runs")


def one_run(folder: Path, name: str, seed: int, learn_parts: int, parts: int) -> Run:
    return run(_held(folder), name, seed, learn_parts, parts)


@lru_cache(maxsize=1)
def _held(folder: Path) -> Held:
    return held_parts(folder)


def said(held: Held, finished: Finished, learn_parts: int, parts: int) -> Mapping[str, float | int | str | bool | None]:
    figures: dict[str, float | int | str | bool | None] = {
        "held_good": int((~held.is_defect).sum()),
        "held_defective": int(held.is_defect.sum()),
        "defect_share": DEFECT_SHARE,
        "learn_parts": learn_parts,
    }
    for name in COURSES:
        if runs := finished.of(name):
            figures |= changed(held, name, runs)
    if runs := finished.of(UNCHANGED):
        figures |= unchanged(runs, parts, learn_parts)
    return figures


def main() -> None:
    parser = report.arguments("drift watch: alarms in time, false alarms")
    parser.add_argument("--bundle", type=Path, required=True, help="classifier's bundle, or a folder of bundles")
    parser.add_argument("--dataset", type=Path, required=True, help="folder with index.csv")
    parser.add_argument("--split", choices=SPLITS, default="val", help="rows that are the held parts")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="where scores and runs are kept")
    parser.add_argument("--runs", type=int, default=200, help="of each change")
    parser.add_argument("--quiet-runs", type=int, default=20, help="of an unchanged line")
    parser.add_argument("--parts", type=int, default=100_000, help="in a run of an unchanged line")
    parser.add_argument("--learn", type=int, default=DriftSettings().learn_parts, help="parts learnt in each run")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no run after so long")
    args = parser.parse_args()
    until_s = time.monotonic() + 60 * args.minutes
    folder = grid_folder(args.bundle, args.dataset, args.split, args.cache)
    score_all(args.bundle, args.dataset, args.split, folder, args.workers)
    tasks = [(name, seed) for seed in range(args.runs) for name in COURSES]
    tasks[len(COURSES) : len(COURSES)] = [(UNCHANGED, seed) for seed in range(args.quiet_runs)]
    finished = Finished(finished_file(folder, args.learn, args.parts))
    finish(folder, tasks, finished, (args.learn, args.parts), args.workers, until_s)
    complete = all(task in finished.runs for task in tasks)
    figures = said(held_parts(folder), finished, args.learn, args.parts)
    report.write({**figures, "complete": complete}, args.json)


if __name__ == "__main__":
    main()
