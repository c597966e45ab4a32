"""A newcomer's line: where no database is named or found, the demo's station runs as long as the window is open."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gui.database import DEMO, HERE
from inspector.errors import UserError

FOLDER = DEMO.parent
START_S = 60.0
STOP_S = 20.0
_LOOPBACK = "127.0.0.1"


def is_wanted(database: str | None) -> bool:
    """Whether nothing was named and nothing lies here but, maybe, the demo's own."""
    return not (database or os.environ.get("INSPECTOR_DATABASE") or HERE.is_file())


@contextmanager
def demo_line(folder: Path = FOLDER) -> Iterator[str]:
    """Yield the address of the demo's running station; one that runs is taken, else one is started and ended after.

    Raises:
        UserError: it does not start.
    """
    if (address := _running(folder)) is not None:
        yield address
        return
    port = _free_port()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        line = _start(folder, port, said)
        try:
            _await_health(line, port, said)
            yield f"http://{_LOOPBACK}:{port}"
        finally:
            _end(line)


def _running(folder: Path) -> str | None:
    """Return the address of a station that runs in the folder, as its own configuration names it."""
    try:
        port = tomllib.loads((folder / "station.toml").read_text(encoding="utf-8"))["health"]["port"]
    except (OSError, ValueError, KeyError):
        return None
    return f"http://{_LOOPBACK}:{port}" if isinstance(port, int) and _answers(port) else None


def _start(folder: Path, port: int, said: IO[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "inspector.cli", "demo", "--live", str(port), "--out", str(folder)]
    print(f"starting the demo's line in {folder} ...", flush=True)
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)


def _await_health(line: subprocess.Popen[bytes], port: int, said: IO[str]) -> None:
    give_up_s = time.monotonic() + START_S
    while not _answers(port):
        if line.poll() is not None or time.monotonic() > give_up_s:
            said.seek(0)
            last = (said.read().strip().splitlines() or ["it said nothing"])[-1]
            raise UserError(f"the demo's line did not start: {last}; name a database with --database to go without")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    with suppress(OSError, http.client.HTTPException):
        caller = http.client.HTTPConnection(_LOOPBACK, port, timeout=2.0)
        try:
            caller.request("GET", "/health")
            caller.getresponse().read()
            return True
        finally:
            caller.close()
    return False


def _free_port() -> int:
    with socket.socket() as held:
        held.bind((_LOOPBACK, 0))
        port: int = held.getsockname()[1]
        return port


def _end(line: subprocess.Popen[bytes]) -> None:
    """Stop it as a person would: what was triggered still gets its verdict."""
    line.terminate()
    try:
        line.wait(STOP_S)
    except subprocess.TimeoutExpired:
        line.kill()
        line.wait()
