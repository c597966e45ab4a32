"""Parts at a steady rate: for demonstrations, benchmarks, and lines whose belt never varies."""

from __future__ import annotations

import threading
import time
from typing import ClassVar, Self

from pydantic import Field

from station.triggers.base import Pulse, SourceEnded, Tell, TriggerSettings


class TimerSettings(TriggerSettings):
    """`kind = "timer"`."""

    rate_hz: float = Field(default=1.0, gt=0, le=10_000, description="parts per second")
    count: int | None = Field(default=None, ge=1, description="the timer stops after so many parts; unset: never")


class TimerTrigger:
    """Pulses at the rate that was set; where the processor was away for longer, none is made up for."""

    Settings: ClassVar[type[TimerSettings]] = TimerSettings

    def __init__(self, settings: TimerSettings, tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trigger", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        period_s, due_s, told = 1 / self._settings.rate_hz, time.monotonic(), 0
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            told += 1
            self._tell(Pulse(count=told))
            if told == self._settings.count:
                self._tell(SourceEnded(f"all {told} parts triggered"))
                return
            due_s = max(due_s + period_s, time.monotonic())
