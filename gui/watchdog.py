"""How long the GUI thread was away from its events: a heartbeat that tells its longest gap."""

from __future__ import annotations

import time
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, QTimer

BEAT_MS = 5


@dataclass(frozen=True, slots=True)
class Stall:
    """The longest gap between two beats, and what the GUI thread itself computed at most between two.

    On a machine that is busy with other things `wall_ms` is theirs as well.
    """

    wall_ms: float
    cpu_ms: float


class Watchdog(QObject):
    """Beats in the GUI thread between `start` and `stop`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._last = (0.0, 0.0)
        self.stall = Stall(0.0, 0.0)

    def start(self) -> None:
        self.stall = Stall(0.0, 0.0)
        self._last = (time.perf_counter(), time.thread_time())
        self._timer.start()

    def stop(self) -> Stall:
        self._beat()
        self._timer.stop()
        return self.stall

    def _beat(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        wall_ms, cpu_ms = (1e3 * (new - old) for new, old in zip(now, self._last, strict=True))
        self._last = now
        self.stall = Stall(max(self.stall.wall_ms, wall_ms), max(self.stall.cpu_ms, cpu_ms))
