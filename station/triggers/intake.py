"""Triggers from their source to the loop: bounded, debounced, reconciled with the source's own count."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from db.records import Severity
from station.inbox import Action
from station.journal import Journal
from station.triggers import is_by_camera, trigger_factory
from station.triggers.base import CountBegins, Pulse, SourceEnded, SourceState, Told, TriggerSettings, TriggerSource
from station.triggers.counting import Counting

MOST_WAITING = 1024
"""Triggers that the loop has not taken; of those beyond, only their number is kept."""


class Intake:
    """The loop's side of a trigger source. Only the loop's thread calls it; the source tells it from its own."""

    def __init__(
        self,
        settings: TriggerSettings,
        put: Callable[[Action], None],
        journal: Journal,
        part: Callable[[Pulse], None],
        missed: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._put = put
        self._journal = journal
        self._part = part
        self._part_missed = missed
        self._counting = Counting()
        self._lock = threading.Lock()
        self._waiting = 0
        self._shed = 0
        self._bounced = 0
        self._last_ns: int | None = None
        self._source: TriggerSource | None = None
        self._closed = False
        self.ended = False
        self.words = "well"
        """How the source does: "well", or why it is lost."""

    def open(self) -> None:
        """Open the source, once; the station is ready for parts."""
        if self._source is None and not self._closed and not is_by_camera(self._settings):
            self._source = trigger_factory(self._settings.kind)(self._settings, self._tell)
            self._source.__enter__()

    def close(self) -> None:
        """Close the source. What it told before is still waiting for the loop."""
        self._closed = True
        if self._source is not None:
            self._source.__exit__(None, None, None)
            self._source = None
            if self._bounced:
                self._journal.note(Severity.INFO, "triggers debounced", f"{self._bounced} in this run")
                self._bounced = 0

    def _tell(self, told: Told) -> None:
        with self._lock:
            if isinstance(told, Pulse) and self._waiting >= MOST_WAITING:
                self._shed += 1
                return
            self._waiting += 1
        self._put(partial(self._take, told))

    def _take(self, told: Told) -> None:
        with self._lock:
            self._waiting -= 1
            shed, self._shed = self._shed, 0
        for _ in range(shed):
            self._part_missed(f"overload: its trigger came while {MOST_WAITING} others waited")
        match told:
            case Pulse():
                self._take_pulse(told)
            case CountBegins(count):
                self._counting.begin(count)
            case SourceState(well, why):
                severity, kind = (Severity.INFO, "trigger back") if well else (Severity.ALARM, "trigger lost")
                self.words = "well" if well else why
                self._journal.note(severity, kind, why)
            case SourceEnded(why):
                self.ended = True
                self._journal.note(Severity.INFO, "trigger ended", why)

    def _take_pulse(self, pulse: Pulse) -> None:
        if self._bounces(pulse):
            self._bounced += 1
            return
        counted = self._counting.take(pulse.count)
        if counted.fault is not None:
            self._journal.note(Severity.ALARM, "trigger count", counted.fault)
        if counted.repeated:
            self._journal.note(Severity.WARNING, "trigger repeated", f"count {pulse.count} came again; one part")
            return
        if counted.missed:
            why = f"trigger missed: {counted.missed} before count {pulse.count} never came"
            self._journal.note(Severity.ALARM, "trigger missed", why)
            for _ in range(counted.missed):
                self._part_missed(why)
        self._part(pulse)

    def _bounces(self, pulse: Pulse) -> bool:
        """A source that counts its parts needs no debouncing: a bounce has no number of its own."""
        last_ns, self._last_ns = self._last_ns, pulse.at_ns
        close = last_ns is not None and pulse.at_ns - last_ns < self._settings.debounce_ms * 1e6
        return pulse.count is None and close
