"""A thread that acts for the line: it takes parts at once, beats a heart, and forgets what it could not do in time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from pydantic import Field

from db.records import utc_now
from inspector.errors import PeerFault
from station.outputs.base import JudgedPart, LineState, OutputSettings, OutputState, TriggeredPart
from station.outputs.breaker import Breaker

MOST_WAITING = 256
FRESH_S = 1.0
"""A loop that has not gone round for so long is not well: the heart stops, and the controller diverts."""
_LONGEST_PAUSE_S = 5.0


class ControllerSettings(OutputSettings):
    """Where a Modbus TCP server is."""

    host: str = Field(min_length=1, description="the controller")
    port: int = Field(default=502, ge=1, le=65535, description="its port")
    device_id: int = Field(default=1, ge=0, le=255, description="unit identifier behind the address")
    timeout_ms: float = Field(
        default=100, ge=1, le=60_000, description="a request that is not answered for so long is lost"
    )


@dataclass(frozen=True, slots=True)
class Heard:
    """What the line said, and when (time.monotonic_ns())."""

    said: TriggeredPart | JudgedPart
    at_ns: int


class Work(Protocol):
    """What is done with the peer. Every method is called on the thread."""

    def begin(self) -> None:
        """Have a connection; raise PeerFault."""
        ...

    def do(self, heard: Heard) -> bool:
        """Do what is to be done of it now; False for a verdict that could not be acted on. Raises PeerFault."""
        ...

    def beat(self, line: LineState | None) -> None:
        """Called every `period_s`: say that the line is well, or, with None, keep safe: it is not. Raises PeerFault."""
        ...

    def end(self, politely: bool) -> None:
        """Leave the line safe, as far as the peer can be reached."""
        ...


class ActThread:
    """Calls a `Work`. The line's thread calls `hear` and `pulse`, and waits for none of it.

    A verdict is acted on or missed, never kept for later: while the peer is away all are missed, and the peer diverts.
    """

    def __init__(self, name: str, work: Work, period_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._work, self._period_s, self._clock = work, period_s, clock
        self._waiting: deque[Heard] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._line, self._pulsed_s = LineState(), -1e9
        self._state = OutputState(name, "act", True, "well")
        self._breaker = Breaker(failures=1, pause_s=0.2, longest_pause_s=_LONGEST_PAUSE_S)
        self._beat_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"act-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def hear(self, said: TriggeredPart | JudgedPart) -> None:
        with self._changed:
            self._waiting.append(Heard(said, time.monotonic_ns()))
            while len(self._waiting) > MOST_WAITING:
                self._miss(self._waiting.popleft())
            self._changed.notify()

    def pulse(self, line: LineState) -> OutputState:
        with self._changed:
            self._line, self._pulsed_s = line, self._clock()
            return self._state

    def _run(self) -> None:
        while (heard := self._next()) is not None:
            self._turn(heard)
        self._work.end(politely=not self._breaker.faults)

    def _next(self) -> list[Heard] | None:
        """Wait for something to do; None at the end, when all that was heard is done."""
        with self._changed:
            if not self._waiting and not self._ended:
                self._changed.wait(max(0.0, self._beat_at_s - self._clock()))
            if self._ended and not self._waiting:
                return None
            heard = list(self._waiting)
            self._waiting.clear()
            return heard

    def _turn(self, heard: Sequence[Heard]) -> None:
        if self._breaker.wait_s(self._clock()):
            self._give_up(heard)
            self._beat_at_s = self._clock() + min(self._period_s, self._breaker.wait_s(self._clock()))
            return
        done = 0
        try:
            self._work.begin()
            for each in heard:
                self._count(each, self._work.do(each))
                done += 1
            self._beat()
        except PeerFault as fault:
            self._give_up(heard[done:])
            self._failed(str(fault))
        else:
            self._succeeded()

    def _beat(self) -> None:
        now_s = self._clock()
        if now_s < self._beat_at_s:
            return
        self._beat_at_s = now_s + self._period_s
        with self._changed:
            line, fresh = self._line, now_s - self._pulsed_s < FRESH_S
        self._work.beat(line if fresh else None)

    def _count(self, heard: Heard, acted: bool) -> None:
        if not acted:
            self._miss(heard)
        elif isinstance(heard.said, JudgedPart):
            self._set(delivered=self._state.delivered + 1)

    def _give_up(self, heard: Sequence[Heard]) -> None:
        for each in heard:
            self._miss(each)

    def _miss(self, heard: Heard) -> None:
        if isinstance(heard.said, JudgedPart):
            self._set(missed=self._state.missed + 1)

    def _failed(self, why: str) -> None:
        self._breaker = self._breaker.failed(self._clock())
        since: datetime = self._state.down_since or utc_now()
        self._set(well=False, words=why, down_since=since)

    def _succeeded(self) -> None:
        self._breaker = self._breaker.succeeded()
        if not self._state.well:
            self._set(well=True, words="well", down_since=None)

    def _set(self, **changes: object) -> None:
        self._state = replace(self._state, **changes)  # type: ignore[arg-type]
