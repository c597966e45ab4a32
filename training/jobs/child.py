"""The process that does a job's work: it steps back, keeps within its limits, and ends with the worker that started it.

`python -m training.jobs.child PARENT NICE MEMORY_MB COMMAND...` is `inspector COMMAND...` under these conditions.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

from inspector.cli import main

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that the kernel sends this process when its parent ends."""


def end_with_parent(parent: int) -> None:
    """Have the kernel end this process with its parent, so that a job that is tried again has no second writer."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before that
        os._exit(70)


def stand_back(nice: int, memory_mb: int) -> None:
    """Let other programs go first; an allocation beyond the limit (0: none) fails."""
    os.nice(nice)
    if memory_mb:
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))


def run(words: list[str]) -> int:
    parent, nice, memory_mb = (int(word) for word in words[:3])
    end_with_parent(parent)
    stand_back(nice, memory_mb)
    return main(words[3:])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
