"""From the ledger to one peer: read on from the cursor, tell, move the cursor; be patient with a peer that is away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine

from db import outbox
from db.engine import storage_errors
from db.records import Report, utc_now
from inspector.errors import DatabaseError, PeerFault, ReportRefused
from station.outputs.base import LineState, OutputState, Teller, TellSettings
from station.outputs.breaker import Breaker

logger = logging.getLogger(__name__)

GATHER_S = 0.05
"""Parts are gathered for so long: one look into the ledger and one step of the cursor for all of them."""
ATTEND_S = 0.5
STUCK_S = 30.0
"""A part is judged by its deadline and a missing image given up after ten seconds: what lies longer lies for ever."""


class Queue(Protocol):
    """What is to be told. Called by the pump's thread."""

    def reports(self, after: int, limit: int) -> Sequence[Report]: ...

    def waiting(self, after: int) -> int: ...


@dataclass(frozen=True, slots=True)
class LedgerQueue:
    """A station's outbox; each call is a short transaction of its own, so that the ledger's log can be folded back."""

    engine: Engine
    station: str

    def reports(self, after: int, limit: int) -> Sequence[Report]:
        with storage_errors(self.engine.url), self.engine.connect() as connection:
            return outbox.reports(connection, self.station, after, limit)

    def waiting(self, after: int) -> int:
        with storage_errors(self.engine.url), self.engine.connect() as connection:
            return outbox.waiting(connection, self.station, after)


@dataclass(frozen=True, slots=True)
class Told:
    """An output has told `count` parts more, the last of them at `position`."""

    output: str
    position: int
    count: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer of an output will never take this part's report."""

    output: str
    trigger: int
    message: str


FromPump = Told | Refused | OutputState


class Pump:
    """One output's thread. Everything but `line` and `finish` belongs to it.

    `finish` ends it when all is told, or at once while the peer is at fault: what is left is told in the next run.
    """

    def __init__(
        self,
        settings: TellSettings,
        teller: Teller,
        queue: Queue,
        position: int,
        send: Callable[[FromPump], None],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.line = LineState()
        self.finish = threading.Event()
        self._settings, self._teller, self._queue, self._send = settings, teller, queue, send
        self._clock, self._now = clock, now
        self._position = position
        self._breaker = Breaker(settings.failures, settings.pause_s, settings.longest_pause_s)
        self._state = OutputState(settings.called, "tell", True, "well")
        self._said: OutputState | None = None
        self._said_s = self._moved_s = clock()

    def run(self) -> None:
        """Tell until `finish`."""
        with self._teller:
            while not self._is_done(told := self._turn()):
                if told < self._settings.batch:
                    self.finish.wait(min(ATTEND_S, max(GATHER_S, self._breaker.wait_s(self._clock()))))
            self._say(at_once=True)

    def _is_done(self, told: int) -> bool:
        return self.finish.is_set() and (not told or self._breaker.faults > 0)

    def _turn(self) -> int:
        """Tell what is there, if the peer may be tried; return how many parts the cursor moved."""
        before = self._position
        if not self._breaker.wait_s(self._clock()):
            try:
                self._teller.attend(self.line)
                self._tell(self._queue.reports(self._position, self._settings.batch if not self._breaker.faults else 1))
            except PeerFault as fault:
                self._failed(str(fault))
            except DatabaseError as fault:
                self._state = replace(self._state, well=False, words=f"ledger: {fault}")
            else:
                self._succeeded()
        self._say(at_once=False)
        return self._position - before

    def _tell(self, reports: Sequence[Report]) -> None:
        if not reports:
            return
        try:
            self._teller.tell(reports)
        except ReportRefused as refusal:
            self._move(reports[: refusal.told + 1], refused=1)
            self._send(Refused(self._settings.called, reports[refusal.told].record.trigger, str(refusal)))
        except PeerFault as fault:
            self._move(reports[: fault.told])
            raise
        else:
            self._move(reports)

    def _move(self, reports: Sequence[Report], refused: int = 0) -> None:
        if not reports:
            return
        self._position, count = reports[-1].position, len(reports) - refused
        self._moved_s = self._clock()
        self._send(Told(self._settings.called, self._position, count))
        self._state = replace(self._state, delivered=self._state.delivered + count, missed=self._state.missed + refused)

    def _failed(self, why: str) -> None:
        self._breaker = self._breaker.failed(self._clock())
        if self._state.down_since is None:
            logger.warning("output %s: %s", self._settings.called, why)
        self._state = replace(self._state, well=False, words=why, down_since=self._state.down_since or self._now())

    def _succeeded(self) -> None:
        if self._state.down_since is not None:
            logger.warning("output %s is back", self._settings.called)
        self._breaker = self._breaker.succeeded()
        self._state = replace(self._state, well=True, words="well", down_since=None)

    def _say(self, at_once: bool) -> None:
        """Say how it does: at once where it changed from well to ill, else now and then."""
        changed = self._said is None or self._said.well != self._state.well
        if not (changed or at_once or self._clock() - self._said_s >= ATTEND_S):
            return
        self._said_s = self._clock()
        try:
            waiting = self._queue.waiting(self._position)
        except DatabaseError:
            waiting = self._state.waiting
        self._state = self._stuck(replace(self._state, waiting=waiting))
        self._said = self._state
        self._send(self._state)

    def _stuck(self, state: OutputState) -> OutputState:
        """A part whose row is never completed would hold up all behind it, unseen."""
        if not state.well or not state.waiting:
            self._moved_s = self._clock()
        if self._clock() - self._moved_s < STUCK_S:
            return state
        words = (
            f"the next part's row has not been completed for {STUCK_S:g} s; a restart of the station accounts for it"
        )
        return replace(state, well=False, words=words)
