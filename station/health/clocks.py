"""The wall clock: was it stepped, and does the system hold it to a reference?"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

STEP_S = 1.0
REMEMBERED_S = 3600.0
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
_TIMEX_BYTES = 256
"""Of struct timex there are 208; all zero, it asks and sets nothing."""


@dataclass(frozen=True, slots=True)
class ClockSight:
    """`stepped_s` is the last step that is remembered, None of none; `synchronised` is None where nobody knows."""

    stepped_s: float | None = None
    synchronised: bool | None = None


class ClockWatch:
    """Compares the wall clock with the monotonic one. One thread calls it."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        synchronised: Callable[[], bool | None] | None = None,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._synchronised = synchronised or is_synchronised
        self._offset_s = wall() - monotonic()
        self._stepped: tuple[float, float] | None = None

    def look(self) -> ClockSight:
        now_s = self._monotonic()
        offset_s = self._wall() - now_s
        step_s, self._offset_s = offset_s - self._offset_s, offset_s
        if abs(step_s) > STEP_S:
            self._stepped = (step_s, now_s)
        if self._stepped is not None and now_s - self._stepped[1] > REMEMBERED_S:
            self._stepped = None
        return ClockSight(self._stepped[0] if self._stepped else None, self._synchronised())


def is_synchronised() -> bool | None:
    """Whether the kernel says that the clock follows a reference; None where it cannot be asked."""
    if sys.platform != "linux":
        return None
    state = int(_system().adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    return None if state < 0 else state != _TIME_ERROR


@cache
def _system() -> ctypes.CDLL:
    return ctypes.CDLL(None)
