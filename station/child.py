"""How the processes that a line starts end: never later than the line, and never with a thread missing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

from inspector.logs import configure

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that the kernel sends this process when its parent ends."""


def live_with_line() -> None:
    """End this process with the line process, and with each of its own threads that fails; log as the line does.

    Where a driver or a peer hangs and nobody reads the pipe, the kernel ends it: a process that outlives its line would
    go on holding the camera, or speaking for the station, which the next start needs to do. When a thread fails, the
    line notices and starts another process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the group; the line process says when to stop.
    threading.excepthook = _die
    configure()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _die(fault: threading.ExceptHookArgs) -> None:
    threading.__excepthook__(fault)
    os._exit(70)
