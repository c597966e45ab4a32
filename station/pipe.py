"""A vision process's end of the pipe to the line."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection

from station.messages import FromLine, FromVision


class LineGone(Exception):
    """The line process has ended, and with it the reason to go on."""


@dataclass(frozen=True, slots=True)
class Pipe:
    """The end that the threads of the vision process share; `send` may be called from any of them."""

    connection: Connection
    lock: threading.Lock

    def send(self, message: FromVision) -> None:
        try:
            with self.lock:
                self.connection.send(message)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise LineGone from error

    def receive(self, timeout_s: float) -> FromLine | None:
        """Return the next message, or None if none came in time."""
        try:
            if not self.connection.poll(timeout_s):
                return None
            message: FromLine = self.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise LineGone from error
        return message
