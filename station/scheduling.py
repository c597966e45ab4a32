"""Which threads the processor serves first: those that a part waits for.

On a small box a ready thread waits milliseconds for a core that something less urgent has: the slowest parts are slow
for no other reason. Linux serves realtime threads before all others, and lets a program ask for that as root, with
CAP_SYS_NICE, or within RLIMIT_RTPRIO (systemd: LimitRTPRIO=3). It keeps a twentieth of the time for the rest, so a
thread that never ends cannot lock the box.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

LINE = 3
"""Rank of the loop that acts on parts: short, and everything waits for it."""
WORK = 2
"""Rank of what a part waits for: its row, its picture, its inference."""
NICER = 10
"""Steps of niceness where nobody waits: a tenth of the weight of an ordinary thread."""
_IS_LINUX = sys.platform == "linux"


@contextlib.contextmanager
def line_first(writer: int) -> Iterator[str | None]:
    """Serve the calling thread first and the thread `writer` next; yield None, or why the system does not.

    The caller is an ordinary thread again at the end. Processes and threads that it starts are ordinary ones.
    """
    if sys.platform != "linux":
        yield f"{sys.platform} has no realtime threads for programs"
        return
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    refusal = None
    try:
        _serve_at(0, LINE, os.SCHED_RESET_ON_FORK)
        _serve_at(writer, WORK, os.SCHED_RESET_ON_FORK)
    except OSError as error:
        refusal = f"{error.strerror}; needs root, CAP_SYS_NICE or LimitRTPRIO={LINE}"
    try:
        yield refusal
    finally:
        os.sched_setscheduler(0, before | os.SCHED_RESET_ON_FORK, parameters)  # only root may take that flag back


def all_threads_first() -> None:
    """Serve this process's threads, and those that they start, at the rank of work, where the system allows it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # the line process was refused too, and has said so
            for thread in Path("/proc/self/task").iterdir():
                _serve_at(int(thread.name), WORK, 0)


def threads_first(threads: Iterable[int]) -> None:
    """Serve these threads of this process at the rank of work, where the system allows it and they are still there."""
    for thread in threads:
        with contextlib.suppress(OSError):
            _serve_at(thread, WORK, 0)


def threads() -> frozenset[int]:
    """Return the system's numbers of this process's threads."""
    return frozenset(int(thread.name) for thread in Path("/proc/self/task").iterdir()) if _IS_LINUX else frozenset()


def this_thread_ordinary() -> None:
    """Have the calling thread, and those that it starts, served like any other program's."""
    if sys.platform == "linux":
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_OTHER, os.sched_param(0))


def this_thread_last() -> None:
    """Let the calling thread have the processor when the others leave it."""
    if sys.platform == "linux":  # where a thread has a priority of its own
        thread = threading.get_native_id()
        os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + NICER))


def _serve_at(thread: int, rank: int, flags: int) -> None:
    if sys.platform == "linux":
        os.sched_setscheduler(thread, os.SCHED_RR | flags, os.sched_param(rank))
