"""How far a build has come: on a GPU it takes minutes, and whoever waits wants to see that it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from inspector.runtimes import Tell

PERIOD_S = 2.0
Clock = Callable[[], float]


def make_progress(api: Any, tell: Tell, clock: Clock = time.monotonic) -> Any:
    """The library's monitor, whose class must be derived from; `tell` hears of it every two seconds at most.

    The library calls it from threads of its own, one at a time.
    """

    class Progress(api.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            api.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}
            self.told_s = clock()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            """Return whether the build goes on."""
            if clock() - self.told_s >= PERIOD_S:
                self.told_s = clock()
                tell(f"{phase_name.lower()}: {step + 1} of {self.steps.get(phase_name, step + 1)}")
            return True

        def phase_finish(self, phase_name: str) -> None:
            self.steps.pop(phase_name, None)

    return Progress()
