"""The health port as the line process has it: a socket that listens, and a process behind it that is kept alive.

A thread of its own hands over a snapshot, and the next only when that one was heard: a health process that hangs is
replaced, and never holds up more than this thread.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection

from inspector.errors import ConfigError
from station.health import health_process
from station.health.health_process import Serving
from station.health.settings import HealthSettings
from station.health.snapshot import Snapshot, Watched
from station.preview import PreviewSlot

logger = logging.getLogger(__name__)

TELL_S = 0.5
_HUNG_S = 30.0
"""On a busy small box a process of low priority may take its time."""
_END_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_WELL_S = 30.0
_BACKLOG = 16


def listen(settings: HealthSettings) -> socket.socket:
    """Return a socket that listens where the settings say; raise ConfigError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise ConfigError(f"health: cannot listen at {where} ({os.strerror(error.errno or 0)})") from error


@contextmanager
def health_port(
    watched: Watched, slots: Mapping[str, PreviewSlot], take: Callable[[], Snapshot], listening: socket.socket
) -> Iterator[HealthPort]:
    """Serve at the socket while the block runs."""
    port = HealthPort(watched, slots, take, listening)
    port.start()
    try:
        yield port
    finally:
        port.stop()


class HealthPort:
    """Starts the health process, hands it snapshots, and starts another when it dies or hangs."""

    def __init__(
        self,
        watched: Watched,
        slots: Mapping[str, PreviewSlot],
        take: Callable[[], Snapshot],
        listening: socket.socket,
    ) -> None:
        self._watched, self._slots, self._take, self._listening = watched, slots, take, listening
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="health", daemon=True)
        self.pid: int | None = None
        """Of the process that runs now."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _supervise(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            started_s = time.monotonic()
            why = self._run_once()
            if self._stopping.is_set():
                return
            logger.warning("the health process %s; another one is started", why)
            pause_s = _FIRST_PAUSE_S if time.monotonic() - started_s > _WELL_S else pause_s
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _run_once(self) -> str:
        """Start a process, feed it until it ends or hangs, and say which."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        serving = Serving(self._watched, self._take(), self._listening, self._slots)
        process = context.Process(target=health_process.main, args=(theirs, serving), name="health", daemon=True)
        try:
            process.start()
        except OSError as error:
            ours.close()
            theirs.close()
            return f"cannot be started ({error.strerror})"
        theirs.close()
        self.pid = process.pid
        try:
            why = self._feed(ours)
            ours.close()
            process.join(_END_S)
        finally:
            process.kill()
            process.join()
            process.close()
        return why

    def _feed(self, pipe: Connection) -> str:
        """Hand over snapshots until the process ends, hangs, or is no longer wanted."""
        try:
            while not self._stopping.wait(TELL_S):
                pipe.send(self._take())
                if not self._heard(pipe):
                    return f"did not answer for {_HUNG_S:g} s"
        except (EOFError, OSError):
            return "died"
        return "ended"

    def _heard(self, pipe: Connection) -> bool:
        """Wait until the process has heard; its start, which loads libraries, counts too."""
        until_s = time.monotonic() + _HUNG_S
        while time.monotonic() < until_s and not self._stopping.is_set():
            if pipe.poll(0.1):
                pipe.recv_bytes()
                return True
        return self._stopping.is_set()
