"""What ONNX Runtime's settings are worth on this machine: spinning and arena, alone and beside a line process.

python -m benchmarks.ort_settings --json FILE

EfficientNet-Lite0, cpu-int8, one picture of 224 px every 25 ms, as parts come on a line, with as many threads as there
are cores: with one thread there is no pool that could spin. Beside it a process wakes every 2 ms, as the line process
does, and says how late it was. All settings take turns; a ratio is that setting's figure over that of the shipped one
(no spinning, arena on), both medians over the turns.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
import psutil

from benchmarks import report
from benchmarks.reference_networks import SIDE, make_networks

PERIOD_S = 0.025
WAKE_S = 0.002
SHIPPED = (False, True)
SETTINGS = {
    "shipped": SHIPPED,
    "spinning": (True, True),
    "no_arena": (False, False),
    "spinning_no_arena": (True, False),
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one setting."""

    seconds: list[float]
    """Of each inference."""
    late_s: list[float]
    """How late the process beside it woke, each time; empty where there was none."""
    busy_s: float
    """Processor time of this process."""


def main() -> None:
    parser = report.arguments("ONNX Runtime's spinning and arena, alone and beside a line process")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of the runtime")
    parser.add_argument("--rounds", type=int, default=12, help="turns of each setting")
    parser.add_argument("--parts", type=int, default=80, help="inferences in a turn")
    args = parser.parse_args()
    figures: dict[str, float | int | str | bool | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        model = make_networks(Path(folder))[0].paths["cpu-int8"]
        sessions, grown_mb = _sessions(model, args.threads)
        for place, beside in (("alone", _nobody), ("beside", _a_line_process)):
            turns: dict[str, list[Turn]] = {name: [] for name in sessions}
            for _ in range(args.rounds):
                for name, run in sessions.items():
                    with beside() as late_of:
                        turns[name].append(_turn(run, args.parts, late_of))
            figures |= _compared(place, turns)
    figures |= {f"{name}_memory_mb": grown for name, grown in grown_mb.items()}
    figures |= {"threads": args.threads, "turns": args.rounds, "load_average": os.getloadavg()[0]}
    ratios = {key: value for key, value in figures.items() if key.endswith("_ratio")}
    report.write({**ratios, **{key: value for key, value in figures.items() if key not in ratios}}, args.json)


def _sessions(model: Path, threads: int) -> tuple[dict[str, Callable[[], object]], dict[str, float]]:
    """One warm session for each setting, and by how many MB each made this process grow (the first most)."""
    picture = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
    runs: dict[str, Callable[[], object]] = {}
    grown: dict[str, float] = {}
    for name, (spins, has_arena) in SETTINGS.items():
        before = psutil.Process().memory_info().rss
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_cpu_mem_arena = has_arena
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spins else "0")
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        runs[name] = partial(session.run, None, {"image": picture})
        for _ in range(20):
            runs[name]()
        grown[name] = (psutil.Process().memory_info().rss - before) / 1e6
    return runs, grown


def _turn(run: Callable[[], object], parts: int, late_of: Callable[[], list[float]]) -> Turn:
    seconds, busy, due = [], time.process_time(), time.perf_counter()
    for _ in range(parts):
        due += PERIOD_S
        time.sleep(max(0.0, due - time.perf_counter()))
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return Turn(seconds, late_of(), time.process_time() - busy)


@contextmanager
def _nobody() -> Iterator[Callable[[], list[float]]]:
    yield list


@contextmanager
def _a_line_process() -> Iterator[Callable[[], list[float]]]:
    """A process of its own that wakes every 2 ms until it is asked how late it was."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_wake_again_and_again, args=(there,), daemon=True)
    process.start()
    here.recv()

    def late_of() -> list[float]:
        here.send(None)
        told: list[float] = here.recv()
        return told

    yield late_of
    process.join()


def _wake_again_and_again(pipe: Connection) -> None:
    late: list[float] = []
    pipe.send("ready")
    due = time.perf_counter()
    while not pipe.poll():
        due += WAKE_S
        time.sleep(max(0.0, due - time.perf_counter()))
        late.append(time.perf_counter() - due)
    pipe.recv()
    pipe.send(late)


def _compared(place: str, turns: dict[str, list[Turn]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, own in turns.items():
        measures = {
            "p50": [median(turn.seconds) for turn in own],
            "p99": [report.percentile_ms(turn.seconds, 0.99) / 1e3 for turn in own],
            "busy": [turn.busy_s / len(turn.seconds) for turn in own],
            "late_p99": [report.percentile_ms(turn.late_s, 0.99) / 1e3 for turn in own if turn.late_s],
        }
        for key, values in measures.items():
            if values:
                figures[f"{place}_{name}_{key}_ms"] = 1e3 * median(values)
    for name in turns:
        for key in ("p50", "p99", "busy", "late_p99"):
            if name != "shipped" and f"{place}_{name}_{key}_ms" in figures:
                ratio = figures[f"{place}_{name}_{key}_ms"] / figures[f"{place}_shipped_{key}_ms"]
                figures[f"{place}_{name}_{key}_ratio"] = ratio
    return figures


if __name__ == "__main__":
    main()
