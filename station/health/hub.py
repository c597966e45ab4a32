"""What `/events` tells: the newest parts, and the health of the moment. Readers come to it; it waits for none."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

HISTORY = 1000
"""Parts that a reader may be behind."""


class PartEvent(NamedTuple):
    """A part as it is told; positions rise."""

    position: int
    document: bytes


@dataclass(frozen=True, slots=True)
class News:
    """What a reader does not know yet. `floor` is the position behind which no part was forgotten."""

    parts: Sequence[PartEvent]
    floor: int
    health: bytes
    edition: int
    """Rises with each change of the health."""


@dataclass(frozen=True, slots=True)
class Span:
    """The parts that are remembered: behind `floor`, up to `newest`."""

    floor: int
    newest: int
    positions: Sequence[int]

    def start(self, resume: int | None, last: int) -> int:
        """Return the position behind which a new reader begins; it may lie below the floor: then there is a gap."""
        if resume is not None:
            return min(resume, self.newest)
        if last == 0:
            return self.newest
        return self.floor if last >= len(self.positions) else self.positions[-last - 1]


class Hub:
    """Any thread may call any method."""

    def __init__(self, history: int = HISTORY) -> None:
        self._changed = threading.Condition()
        self._history = history
        self._parts: deque[PartEvent] = deque()
        self._floor = self._newest = 0
        self._loaded = False
        self._health, self._edition = b"{}", 0
        self._readers = 0
        self.closed = False

    # ---- who tells

    def announce(self, health: bytes, changed: bool = True) -> None:
        """Keep how the station does for whoever comes; where something has changed, tell every reader."""
        with self._changed:
            self._health = health
            if changed:
                self._edition += 1
                self._changed.notify_all()

    def begin(self, floor: int) -> None:
        """Remember parts behind this position, and none before."""
        with self._changed:
            self._parts.clear()
            self._floor = self._newest = floor

    def put(self, parts: Sequence[PartEvent]) -> None:
        """Tell further parts, in their order."""
        if not parts:
            return
        with self._changed:
            self._parts.extend(parts)
            self._newest = parts[-1].position
            while len(self._parts) > self._history:
                self._floor = self._parts.popleft().position
            self._changed.notify_all()

    def load(self) -> None:
        """What was there is told; readers may begin."""
        with self._changed:
            self._loaded = True
            self._changed.notify_all()

    def unload_unless_read(self) -> bool:
        """Forget the parts when nobody reads any more; True where they were forgotten."""
        with self._changed:
            if self._readers:
                return False
            self._loaded = False
            self._parts.clear()
            return True

    def wait_for_readers(self) -> bool:
        """Wait until somebody reads; False when the hub is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._readers or self.closed)
            return not self.closed

    def pause(self, timeout_s: float) -> None:
        """Wait so long, or until the hub is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed, timeout_s)

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    # ---- who reads

    def join(self, timeout_s: float) -> Span | None:
        """Become a reader, to `leave` later; None where the parts cannot be had in time."""
        with self._changed:
            self._readers += 1
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._loaded or self.closed, timeout_s) or self.closed:
                return None
            return Span(self._floor, self._newest, [part.position for part in self._parts])

    def leave(self) -> None:
        with self._changed:
            self._readers -= 1
            self._changed.notify_all()

    @property
    def readers(self) -> int:
        with self._changed:
            return self._readers

    def news(self, position: int, edition: int, timeout_s: float) -> News | None:
        """Wait for what lies behind `position` and `edition`, or so long; None when the hub is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._newest > position or self._edition > edition, timeout_s)
            if self.closed:
                return None
            fresh = [part for part in self._parts if part.position > position]
            return News(fresh, self._floor, self._health, self._edition)
