"""Processor time of a paced station by process, and by thread of the line process.

    python -m benchmarks.cpu_time --json FILE

The demo bundle's station, paced below its capacity: what it uses per part changes little with what else the machine
does, so two versions of the program can be compared where their latencies cannot.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import report, station
from station.running import run_station
from station.status import Tally

FIRST_PARTS = 200
"""Parts before the first look: what is made once, at the start, is none of them."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was used by then, in seconds of processor time."""

    parts: int
    line_s: dict[str, float]
    vision_s: float


class CpuWatch:
    """A station's screen that looks at what its processes use; the share per part is between first and last look."""

    def __init__(self, look_again_s: float = 0.5) -> None:
        self.looks: list[Look] = []
        self._look_again_s = look_again_s

    @contextlib.contextmanager
    def __call__(self, tally: Tally) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._watch, args=(tally, stop), name="cpu-watch")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _watch(self, tally: Tally, stop: threading.Event) -> None:
        line = psutil.Process()
        vision: list[psutil.Process] = []
        while not stop.wait(self._look_again_s):
            if tally.state == "running" and tally.triggers >= FIRST_PARTS:
                vision = vision or [
                    each for each in line.children() if "resource_tracker" not in " ".join(each.cmdline())
                ]
                used = [each.cpu_times() for each in vision]
                self.looks.append(Look(tally.triggers, _by_thread(), sum(each.user + each.system for each in used)))

    def ms_per_part(self) -> dict[str, float]:
        first, last = self.looks[0], self.looks[-1]
        share = {f"line {name}": last.line_s[name] - first.line_s.get(name, 0.0) for name in last.line_s}
        share |= {"line": sum(share.values()), "vision": last.vision_s - first.vision_s}
        parts = last.parts - first.parts
        return {f"{name} cpu_ms_per_part": 1e3 * used / parts for name, used in share.items()} | {"parts": parts}


def _by_thread() -> dict[str, float]:
    """Return what each thread of this process has used; two of one name together."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    used: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            name = names.get(int(task.name), "not Python's")
            used[name] = used.get(name, 0.0) + int((task / "schedstat").read_text().split()[0]) / 1e9
    return used


def main() -> None:
    parser = report.arguments("processor time per part of a paced station")
    default = Path(__file__).parents[1] / "station" / "demo" / "bundle"
    parser.add_argument("--bundle", type=Path, default=default, help="bundle that runs")
    parser.add_argument("--parts", type=int, default=2000, help="parts that are triggered")
    parser.add_argument("--rate", type=float, default=265, help="parts a second")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        report.write(measure(args, Path(scratch)), args.json)


def measure(args: argparse.Namespace, scratch: Path) -> dict[str, float]:
    pictures = station._write_pictures(scratch / "pictures")
    station._write_recipe(scratch, args.bundle, pictures, 2)
    os.sync()
    watch = CpuWatch()
    config = station._config(scratch / "paced", args.bundle, pictures, args.parts, args.rate)
    began_s = time.monotonic()
    summary = run_station(config, threading.Event(), watch)
    return watch.ms_per_part() | {"p99_ms": summary.status.p99_ms or 0.0, "seconds": time.monotonic() - began_s}


if __name__ == "__main__":
    main()
