"""What one part takes of the inspecting thread for the drift watch: while it learns, while it ends that, and after.

    python -m benchmarks.watch_time --json FILE

The stream is made: every figure of every part, half of the figures hanging together from part to part, a fifth of the
parts to review, positions from edge profiles. It is watched several times over; a part's time is the least of its
times, since the rest is the machine's: `raw_...` are all of them. The rates end their learning after 25 subgroups.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Sequence

import numpy as np

from benchmarks import report
from inspector.charts import SUBGROUPS_LEARNT
from inspector.drift import DriftSettings, DriftWatch, WatchKey
from inspector.grain import Grain
from inspector.imaging import BINS, Imaging
from inspector.values import Outcome, Prediction, Quality, Verdict, ViewInspection

Seen = tuple[ViewInspection, Imaging]
LIMIT_US = 50.0
AFTER_PARTS = 2000
"""Watched after the last learning's end."""
ENDING_PARTS = 400
"""From the part that ends a learning on, most pieces of its work are done with these."""


def stream(parts: int, seed: int) -> list[Seen]:
    rng = np.random.default_rng(seed)
    memory = np.array([0.6 * (place % 2) for place in range(11)])
    profiles = rng.normal(size=(2, BINS - 1))
    latest = np.zeros(11)
    seen = []
    for _ in range(parts):
        latest = memory * latest + rng.normal(size=11)
        noisy = profiles + 0.2 * rng.normal(size=profiles.shape)
        seen.append(_seen(latest.tolist(), noisy / np.linalg.norm(noisy, axis=1, keepdims=True), rng.random() < 0.2))
    return seen


def _seen(figures: Sequence[float], profiles: np.ndarray, review: bool) -> Seen:
    score, novelty, focus, brightness, dark, saturated = figures[:6]
    probability = 1 / (1 + np.exp(2 - score))
    prediction = Prediction("good", (1 - probability, probability), probability, (), novelty=0.4 + 0.1 * novelty)
    verdict = Verdict(Outcome.REVIEW if review else Outcome.PASS)
    view = ViewInspection("made", 0, "", Quality(focus, brightness, dark, saturated), prediction, verdict)
    redness, blueness, *grain = figures[6:]
    return view, Imaging(redness, blueness, Grain(*grain), profiles[0], profiles[1], 640, 480)


def seconds_of(settings: DriftSettings, seen: Sequence[Seen]) -> list[float]:
    watch = DriftWatch(settings, WatchKey(bundle="b", recipe="r", camera="c"))
    spent = []
    for view, imaging in seen:
        started = time.perf_counter()
        watch.see(view, imaging)
        spent.append(time.perf_counter() - started)
    return spent


def figures_of(spent: np.ndarray, settings: DriftSettings) -> dict[str, float]:
    """`spent` (parts,) seconds."""
    ends = (settings.learn_parts, SUBGROUPS_LEARNT * settings.subgroup)
    ending = np.zeros(len(spent), bool)
    for end in ends:
        ending[end - 1 : end + ENDING_PARTS] = True
    learning = (np.arange(len(spent)) < settings.learn_parts) & ~ending
    phases = {"learning": learning, "ending": ending, "after": ~learning & ~ending}
    return {
        f"{phase}_{name}_us": round(1e6 * value, 2)
        for phase, mask in phases.items()
        for name, value in {
            "p50": float(np.quantile(spent[mask], 0.5)),
            "p99": float(np.quantile(spent[mask], 0.99)),
            "max": float(spent[mask].max()),
        }.items()
    }


def memory_of(settings: DriftSettings, seen: Sequence[Seen], settled: int) -> dict[str, float]:
    """What a watch takes once all its charts watch, what that grows by with the parts after, and its state on disk."""
    tracemalloc.start()
    watch = DriftWatch(settings, WatchKey(bundle="b", recipe="r", camera="c"))
    for view, imaging in seen[:settled]:
        watch.see(view, imaging)
    learnt_bytes = tracemalloc.get_traced_memory()[0]
    for view, imaging in seen[settled:]:
        watch.see(view, imaging)
    grown_bytes = tracemalloc.get_traced_memory()[0] - learnt_bytes
    tracemalloc.stop()
    return {
        "memory_kib": round(learnt_bytes / 1024, 1),
        f"memory_grown_over_{len(seen) - settled}_parts_kib": round(grown_bytes / 1024, 1),
        "state_kib": round(len(watch.state().model_dump_json()) / 1024, 1),
    }


def main() -> None:
    parser = report.arguments("time of the drift watch for one part")
    parser.add_argument("--learn", type=int, default=DriftSettings().learn_parts, help="parts learnt")
    parser.add_argument("--subgroup", type=int, default=DriftSettings().subgroup, help="parts in a subgroup")
    parser.add_argument("--rounds", type=int, default=5, help="times that the same parts are watched")
    args = parser.parse_args()
    settings = DriftSettings(learn_parts=args.learn, subgroup=args.subgroup)
    last_end = max(args.learn, SUBGROUPS_LEARNT * args.subgroup)
    seen = stream(last_end + ENDING_PARTS + AFTER_PARTS, seed=0)
    rounds = np.array([seconds_of(settings, seen) for _ in range(args.rounds)])
    least = rounds.min(axis=0)
    slowest = np.argsort(least)[::-1][:5] + 1
    figures: dict[str, float | int | str | bool | None] = {
        **figures_of(least, settings),
        "max_us": round(1e6 * float(least.max()), 2),
        "parts_over_50_us": int((1e6 * least > LIMIT_US).sum()),
        "slowest_parts": ", ".join(map(str, slowest.tolist())),
        "raw_p99_us": round(1e6 * float(np.quantile(rounds, 0.99)), 2),
        "raw_max_us": round(1e6 * float(rounds.max()), 2),
        **memory_of(settings, seen, last_end + ENDING_PARTS),
        "parts": len(seen),
        "learn_parts": args.learn,
        "subgroup": args.subgroup,
        "rounds": args.rounds,
    }
    report.write(figures, args.json)


if __name__ == "__main__":
    main()
