"""How far builds are, as events: a station serves on while an engine is built, and whoever waits wants to see it."""

from __future__ import annotations

import time
from collections.abc import Callable

from db.records import Severity
from station.journal import Journal

EVERY_S = 30.0
"""A vision process tells it every two seconds, which is too often for a ledger."""


class BuildNotes:
    """Only the loop's thread calls it."""

    def __init__(self, journal: Journal, clock: Callable[[], float] = time.monotonic) -> None:
        self._journal, self._clock = journal, clock
        self._noted_s: dict[tuple[str, int], float] = {}

    def note(self, group: str, number: int, words: str) -> bool:
        """Note how far the build for a vision process's bundle is, the first time and then seldom; tell whether."""
        now_s, noted_s = self._clock(), self._noted_s.get((group, number))
        if noted_s is not None and now_s - noted_s < EVERY_S:
            return False
        self._noted_s[group, number] = now_s
        self._journal.note(Severity.INFO, "building", words)
        return True
