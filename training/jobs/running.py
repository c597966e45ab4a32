"""`inspector` commands on behalf of a job: their output is its log, and their steps are its progress."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from inspector.errors import InspectorError
from training.jobs.settings import WorkerSettings

_EPOCH = re.compile(r"epoch (\d+)/(\d+) ")
_LAST_LINES = 20


class CommandFailed(InspectorError):
    """A command of a job that ended with another status than it may; its last words."""


class Commands(Protocol):
    """Runs one `inspector` command to its end. Called by the worker's thread; `beat` may raise to have it stopped."""

    def run(self, words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
        """Return its exit status; what it says goes to `log`, and how far it is (0 to 1) to `beat`."""
        ...


class Children:
    """Runs commands as processes of their own, within the worker's limits."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings

    def run(self, words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
        limits = [str(os.getpid()), str(self._settings.nice), str(self._settings.memory_mb or 0)]
        command = [sys.executable, "-m", "training.jobs.child", *limits, *words]
        environment = {**os.environ, "OMP_NUM_THREADS": str(self._settings.threads)}
        with (
            log.open("a", encoding="utf-8") as kept,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True, errors="replace"
            ) as process,
        ):
            try:
                for line in process.stdout or ():
                    kept.write(line)
                    kept.flush()
                    beat(*_progress(line))
                return process.wait()
            finally:
                if process.poll() is None:
                    process.kill()


def _progress(line: str) -> tuple[float, str]:
    """Return how much is done by what a line says, and its words; a line without a count says nothing of it."""
    found = _EPOCH.match(line)
    share = int(found[1]) / max(1, int(found[2])) if found else 0.0
    return min(1.0, share), line.strip()[:200]


def last_words(log: Path) -> str:
    """Return the end of a log in one line."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return next((line.strip() for line in reversed(lines[-_LAST_LINES:]) if line.strip()), "it said nothing")
