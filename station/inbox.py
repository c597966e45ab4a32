"""What other threads want done on the loop's thread."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue

Action = Callable[[], None]


class Inbox:
    """Actions for the loop's thread, which waits on `bell`: it rings once, however many actions wait."""

    def __init__(self) -> None:
        self._actions: SimpleQueue[Action] = SimpleQueue()
        self._lock = threading.Lock()
        self._rung = False
        self.bell: Connection
        self.bell, self._rope = multiprocessing.Pipe(duplex=False)

    def put(self, action: Action) -> None:
        """Have the loop's thread call `action`. Any thread may call this, also after `close`: then nothing happens."""
        self._actions.put(action)
        with self._lock, contextlib.suppress(OSError):
            if not self._rung:
                self._rope.send_bytes(b"!")
                self._rung = True

    def run_all(self) -> None:
        """Call what waits, in its order. Only the loop's thread calls this."""
        with self._lock:
            if self._rung:
                self.bell.recv_bytes()
                self._rung = False
        while not self._actions.empty():
            self._actions.get()()

    def close(self) -> None:
        with self._lock:
            self.bell.close()
            self._rope.close()
