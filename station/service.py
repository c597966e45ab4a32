"""What a service manager is told of the station (sd_notify): ready, alive while the line's loop goes round, ending."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from station.outputs.base import JudgedPart, LineState, OutputState, TriggeredPart

_ENDING_S = 90.0
"""The end of a run waits for peers and for the disk, and no loop goes round any more."""


class ServiceHeart:
    """An output that moves nothing: its pulse is that of the loop, and that is what is told.

    Each message is one datagram that is sent without waiting; one that does not leave is told again with the next.
    """

    def __init__(self, address: str, watchdog_s: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_s, self._clock = watchdog_s, clock
        self._told: LineState | None = None
        self._ready = False
        self._beat_s = clock()

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()
        self._socket.close()

    def expect(self, part: TriggeredPart) -> None:
        return None

    def act(self, judged: JudgedPart) -> None:
        return None

    def pulse(self, line: LineState) -> Sequence[OutputState]:
        if line != self._told:
            self._tell_state(line)
        if self._watchdog_s is not None and self._clock() - self._beat_s >= self._watchdog_s / 3:
            self._beat_s = self._clock()
            self._send("WATCHDOG=1")
        return ()

    def _tell_state(self, line: LineState) -> None:
        words = [f"STATUS={line.state}" + (f": {_one_line(line.fault)}" if line.fault else "")]
        ready = self._ready or line.state == "running"
        if ready and not self._ready:
            words.append("READY=1")
        if self._send("\n".join(words)):
            self._told, self._ready = line, ready
        if line.state == "ending":
            self._end()

    def _end(self) -> None:
        longer = f"\nWATCHDOG_USEC={int(_ENDING_S * 1e6)}" if self._watchdog_s is not None else ""
        self._send(f"STOPPING=1{longer}")

    def _send(self, words: str) -> bool:
        with contextlib.suppress(OSError):  # the manager's queue is full, or it is away
            self._socket.sendto(words.encode(), self._address)
            return True
        return False


def service_heart(environment: Mapping[str, str] = os.environ) -> tuple[ServiceHeart, ...]:
    """Return what tells the service manager, or nothing where none has started this process."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return ()
    return (ServiceHeart(address, _watchdog_s(environment)),)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    interval = environment.get("WATCHDOG_USEC", "")
    return int(interval) / 1e6 if ours and interval.isdecimal() and int(interval) > 0 else None


def _one_line(words: str) -> str:
    return " ".join(words.split())
