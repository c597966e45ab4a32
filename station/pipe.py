"""A vision process's end of the pipe to the line."""

from __future__ import annotations

import pickle
import select
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from station.messages import FromLine, FromVision


class LineGone(Exception):
    """The line process has ended, and with it the reason to go on."""


class Pipe:
    """The end that the threads of the vision process share; `send` may be called from any of them."""

    def __init__(self, connection: Connection, lock: threading.Lock) -> None:
        self._connection, self._lock = connection, lock
        self._comes = _arrival(connection)

    def send(self, message: FromVision) -> None:
        pickled = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        try:
            with self._lock:
                self._connection.send_bytes(pickled)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise LineGone from error

    def receive(self, timeout_s: float) -> FromLine | None:
        """Return the next message, or None if none came in time. Only one thread may call it."""
        try:
            if not self._comes(timeout_s):
                return None
            message: FromLine = self._connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise LineGone from error
        return message


def _arrival(connection: Connection) -> Callable[[float], bool]:
    """Return what `connection.poll` is, for one thread; it makes no new selector for each call."""
    if sys.platform == "win32":
        return connection.poll
    system = select.poll()
    system.register(connection, select.POLLIN)
    return lambda timeout_s: bool(system.poll(1e3 * timeout_s))
