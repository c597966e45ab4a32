"""A process beside the line: started with it, started again when it dies, ended with it.

It costs no part time, whatever its work or its driver does. It follows the line process when the pipe between them
ends.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from inspector.logs import configure

logger = logging.getLogger(__name__)

_NICER = 10
_RESTART_S = 5.0
_LAST_WORK_S = 5.0


class Companion:
    """Runs `work(pipe, *args)` in a process called `name`; what that sends is given to `hear`, on a thread of its own.

    `work` calls `until_told` first. It is given a moment to end what it has in hand, and is killed if it does not.
    """

    def __init__(
        self,
        name: str,
        work: Callable[..., None],
        args: tuple[object, ...],
        hear: Callable[[Any], None],
        died: Callable[[], None],
    ) -> None:
        self._name, self._work, self._args, self._hear, self._died = name, work, args, hear, died
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._pipe: Connection | None = None
        self._thread = threading.Thread(target=self._run, name=f"{name} watch", daemon=True)
        self.pid: int | None = None
        """Of the process that runs now."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let what is in hand be ended, end the process and the thread."""
        with self._lock:
            self._stopping.set()
            if self._pipe is not None:
                self._pipe.send_bytes(b"")
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._serve_one()
            if not self._stopping.is_set():
                self._died()
                logger.warning("the %s process died; it starts again in %g s", self._name, _RESTART_S)
                self._stopping.wait(_RESTART_S)

    def _serve_one(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=self._work, args=(theirs, *self._args), name=self._name, daemon=True)
        process.start()
        theirs.close()
        self.pid = process.pid
        with self._lock:
            self._pipe = ours
            if self._stopping.is_set():
                ours.send_bytes(b"")
        self._listen(ours)
        with self._lock:
            self._pipe = None
            ours.close()
        process.join(_LAST_WORK_S)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()

    def _listen(self, pipe: Connection) -> None:
        """Take what the process says until it ends, or does not end in time once it was told to."""
        while not self._stopping.is_set() or pipe.poll(_LAST_WORK_S):
            try:
                if pipe.poll(0.2):
                    self._hear(pipe.recv())
            except (EOFError, ConnectionResetError):
                return


@contextmanager
def beside(companion: Companion) -> Iterator[None]:
    companion.start()
    try:
        yield
    finally:
        companion.stop()


def until_told(pipe: Connection) -> threading.Event:
    """Make this process a companion, which works when nobody else does; the event is set when it is to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the line process decides
    os.nice(_NICER)
    configure()
    stop = threading.Event()
    threading.Thread(target=_await_end, args=(pipe, stop), name="pipe", daemon=True).start()
    return stop


def _await_end(pipe: Connection, stop: threading.Event) -> None:
    try:
        pipe.recv_bytes()
    except (EOFError, OSError):
        pass
    finally:
        stop.set()
