"""What a station's processes take of the processor, per part: it changes less than latency with what else runs."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from station.status import Tally

FIRST_PARTS = 50
_LOOK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Look:
    """What was used by then, in seconds of processor time."""

    parts: int
    line_s: dict[str, float]
    vision_s: float


class CpuWatch:
    """A station's screen that looks twice: after the first parts, and when the run has ended.

    Nothing that it does is between the two, since to look takes the interpreter that the line needs.
    """

    def __init__(self) -> None:
        self._first: Look | None = None
        self._last: Look | None = None

    @contextlib.contextmanager
    def __call__(self, tally: Tally) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._await_first, args=(tally, stop), name="cpu-watch")
        before_s = _ended_children_s()
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self._last = Look(tally.triggers, _by_thread(), _ended_children_s() - before_s)

    def ms_per_part(self) -> dict[str, float]:
        """Return the share of each part by process and by thread of the line process; empty of too short a run."""
        if self._first is None or self._last is None or self._last.parts <= self._first.parts:
            return {}
        first, last, parts = self._first, self._last, self._last.parts - self._first.parts
        used = {f"line_{name}": last.line_s[name] - first.line_s.get(name, 0.0) for name in _kept(first, last)}
        used |= {"line": sum(last.line_s.values()) - sum(first.line_s.values())}
        used |= {"vision": last.vision_s - first.vision_s}
        return {f"{name}_cpu_ms_per_part": 1e3 * seconds / parts for name, seconds in used.items()}

    def _await_first(self, tally: Tally, stop: threading.Event) -> None:
        while not stop.wait(_LOOK_AGAIN_S):
            if tally.triggers >= FIRST_PARTS:
                self._first = Look(tally.triggers, _by_thread(), _children_s())
                return


def _kept(first: Look, last: Look) -> Iterator[str]:
    return (name for name in last.line_s if name in first.line_s)


def _by_thread() -> dict[str, float]:
    """Return what each thread of this process has used; two of one name together."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    used: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            name = names.get(int(task.name), "other")
            used[name] = used.get(name, 0.0) + int((task / "schedstat").read_text().split()[0]) / 1e9
    return used


def _children_s() -> float:
    living = [each for each in psutil.Process().children() if "resource_tracker" not in " ".join(each.cmdline())]
    used = [each.cpu_times() for each in living]
    return float(sum(each.user + each.system for each in used))


def _ended_children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system
