"""The vision process from outside: start it, talk to it, notice that it hangs or died, replace it within a budget."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Mapping

from inspector.errors import StationError
from station import vision
from station.config import StationConfig
from station.messages import FromLine, FromVision, Stop, Trigger
from station.preview import PreviewSlot

_BUDGET_WINDOW_S = 600.0


class VisionLost(StationError):
    """The vision process has died or was killed."""


class VisionProcess:
    """One vision process and the line's end of its pipe. `send` may be called from any thread."""

    def __init__(
        self,
        config: StationConfig,
        group: str,
        start: int,
        serving: int = 0,
        slots: Mapping[str, PreviewSlot] | None = None,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._lock = threading.Lock()
        pipes = {name: context.Pipe(duplex=False) for name in config.triggered(group)}
        self._triggers = {name: asking for name, (_, asking) in pipes.items()}
        asked = {name: end for name, (end, _) in pipes.items()}
        arguments = (theirs, asked, config, group, start, serving, slots or {})
        self._process = context.Process(target=vision.main, args=arguments, name=group, daemon=True)
        self._process.start()
        for end in (theirs, *asked.values()):
            end.close()
        self.started_s = time.monotonic()
        self._gone = False

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def send(self, message: FromLine) -> None:
        """Tell the vision process; what is told to a dead one is lost, and the line notices the death on its own."""
        try:
            with self._lock:
                pipe = self._triggers[message.camera] if isinstance(message, Trigger) else self.connection
                pipe.send(message)
        except OSError:
            return

    def receive(self) -> FromVision:
        """Return the next message; call when the connection is ready. Raises VisionLost at the end of the pipe."""
        try:
            message: FromVision = self.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise VisionLost(f"vision process {self.pid} died ({self._cause()})") from error
        return message

    def stop(self, timeout_s: float) -> None:
        """End it: ask, close the pipe, wait, and kill what still runs."""
        self.send(Stop())
        self._close()
        if not self._gone:
            self._process.join(timeout_s)
        self.kill()

    def kill(self) -> None:
        """End it at once; to kill a dead one does nothing."""
        if self._gone:
            return
        self._gone = True
        self._process.kill()
        self._process.join()
        self._process.close()
        self._close()

    def _close(self) -> None:
        with self._lock:
            for pipe in (self.connection, *self._triggers.values()):
                pipe.close()

    def _cause(self) -> str:
        self._process.join(1.0)
        code = self._process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"


class RestartBudget:
    """At most `limit` restarts within ten minutes; more means a fault that restarting does not mend."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._restarts_s: deque[float] = deque()

    def spend(self) -> bool:
        """Take one restart from the budget; False when it is used up."""
        now_s = time.monotonic()
        while self._restarts_s and self._restarts_s[0] < now_s - _BUDGET_WINDOW_S:
            self._restarts_s.popleft()
        if len(self._restarts_s) >= self._limit:
            return False
        self._restarts_s.append(now_s)
        return True
