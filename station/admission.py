"""How many parts may wait for a camera's inspections, so that each of them is judged in time.

A queue that takes every part under overload makes every part late: each waits until its deadline has nearly passed and
is inspected for nothing. So a part is admitted only where those before it leave it the time; one that is not admitted
costs no exposure and no inspection, and those that are admitted are judged at the full rate of the network.
"""

from __future__ import annotations

from uuid import UUID

MOST_WAITING = 16
"""Each holds a frame in memory until it is judged."""
_SHARE = 0.5
"""Of the deadline, so much may pass waiting; the rest is for what varies."""
_WEIGHT = 0.1
"""Of the newest part in the time that one takes."""


class Admission:
    """What was asked of a camera and is not answered yet. Only the loop's thread calls it."""

    def __init__(self, deadline_ms: float) -> None:
        self._deadline_ms = deadline_ms
        self._waiting: set[UUID] = set()
        self._service_ms = 0.0  # A first part that took long must not turn away those after it.
        self._busy_since_ns = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def most(self) -> int:
        """How many may wait: as many as are judged within a share of the deadline."""
        if not self._service_ms:
            return MOST_WAITING
        return max(1, min(MOST_WAITING, int(_SHARE * self._deadline_ms / self._service_ms)))

    @property
    def has_room(self) -> bool:
        return len(self._waiting) < self.most

    def is_behind(self, now_ns: int) -> bool:
        """Whether parts wait although verdicts come: too many were asked for, and nothing hangs."""
        return bool(self._waiting) and now_ns - self._busy_since_ns < self._deadline_ms * 1e6

    def ask(self, part_id: UUID, now_ns: int) -> None:
        if part_id in self._waiting:
            return
        if not self._waiting:
            self._busy_since_ns = now_ns
        self._waiting.add(part_id)

    def judged(self, part_id: UUID, now_ns: int) -> None:
        """Take note of a verdict; while others wait, the time since the one before is what a part takes."""
        if part_id not in self._waiting:
            return
        self._waiting.remove(part_id)
        took_ms = min((now_ns - self._busy_since_ns) / 1e6, self._deadline_ms)
        self._busy_since_ns = now_ns
        self._service_ms += _WEIGHT * (took_ms - self._service_ms)

    def spared(self, part_id: UUID) -> None:
        """Take note that a part was answered for without being judged."""
        self._waiting.discard(part_id)

    def forget_all(self) -> None:
        """Nothing that was asked will be answered: the process that was asked is gone."""
        self._waiting.clear()
