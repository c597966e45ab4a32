"""A build in a process of its own, behind all others, so that the one that serves parts goes on meanwhile.

A builder takes every core for minutes, stops Python's collector while it works, and may take its process down when it
fails. Here it is another process, of the least priority, and it ends with the one that wants the engine. What it is to
build comes as JSON on its standard input, which ends when nobody wants it any more; how far it is goes line by line to
its standard output; a refusal is the last line of its standard error, with exit status 2.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from inspector.bundle import Precision, load_bundle
from inspector.documents import Document
from inspector.errors import BundleError, InspectorError
from inspector.runtimes import Tell
from inspector.runtimes.trt.driver import open_device
from inspector.runtimes.trt.engines import Order, store
from inspector.runtimes.trt.kept import WantedEngine
from inspector.runtimes.trt.library import Kind, load_library
from inspector.runtimes.trt.progress import PERIOD_S

PATIENCE_S = 600.0
"""A build that says nothing new for so long hangs: the kernels of one large layer take minutes on a small GPU."""
_NICER = 19
_REFUSED = 2


class BuildSheet(Document):
    """What the building process is to build."""

    kind: Kind
    device: str
    bundle: Path
    precision: Precision
    target: str
    best_batch: int
    largest_batch: int
    path: Path


def sheet_of(wanted: WantedEngine, device: str) -> BuildSheet:
    order = wanted.order
    return BuildSheet(
        kind=wanted.library.kind,
        device=device,
        bundle=wanted.bundle.path,
        precision=order.precision,
        target=order.target,
        best_batch=order.best_batch,
        largest_batch=order.largest_batch,
        path=wanted.path,
    )


def build_apart(
    wanted: WantedEngine,
    device: str,
    tell: Tell,
    patience_s: float = PATIENCE_S,
    command: Sequence[str] = (sys.executable, "-m", "inspector.runtimes.trt.apart"),
) -> None:
    """Build an engine and keep it; `tell` hears every two seconds how far it is, whether that is news or not.

    Raises:
        BundleError: it cannot be built, its process died, or it said nothing new within `patience_s`.
    """
    try:
        _build_apart(wanted, device, tell, patience_s, command)
    except OSError as error:
        raise BundleError(f"{wanted.path}: no process to build it in ({error.strerror})") from error


def _build_apart(wanted: WantedEngine, device: str, tell: Tell, patience_s: float, command: Sequence[str]) -> None:
    sheet = sheet_of(wanted, device).model_dump_json()
    with (
        tempfile.TemporaryFile("w+", errors="replace") as complaints,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True) as child,
    ):
        try:
            _hand_over(child, sheet)
            _follow(child, tell, patience_s)
            status = child.wait()
        finally:
            child.kill()
        if status != 0:
            complaints.seek(0)
            raise BundleError(_refusal(wanted, status, complaints.read()))


def _hand_over(child: subprocess.Popen[str], sheet: str) -> None:
    if child.stdin is not None:  # it stays open: its end tells the child that nobody waits
        with contextlib.suppress(OSError):  # a child that died at once is told of by its status
            child.stdin.write(f"{sheet}\n")
            child.stdin.flush()


def _follow(child: subprocess.Popen[str], tell: Tell, patience_s: float) -> None:
    """Pass on how far the build is until it ends."""
    said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(child.stdout, said), name="engine-progress", daemon=True)
    reader.start()
    began_s = news_s = time.monotonic()
    words: str | None = "begun"
    while words is not None:
        tell(f"{words}, after {time.monotonic() - began_s:.0f} s")
        with contextlib.suppress(queue.Empty):
            words, news_s = said.get(timeout=PERIOD_S), time.monotonic()
        if time.monotonic() - news_s > patience_s:
            child.kill()
            raise BundleError(f"engine: nothing new of its build within {patience_s:g} s ({words})")
    reader.join()


def _read(lines: IO[str] | None, said: queue.SimpleQueue[str | None]) -> None:
    for line in lines or ():
        said.put(line.strip())
    said.put(None)


def _refusal(wanted: WantedEngine, status: int, complaints: str) -> str:
    last = complaints.strip().splitlines()[-1][:300] if complaints.strip() else "no reason given"
    if status == _REFUSED:
        return last
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"{wanted.path}: the process that built it died ({how}: {last})"


@contextlib.contextmanager
def only_builder(path: Path, tell: Tell) -> Iterator[bool]:
    """Wait until no other process builds the engine of this path; yield whether it can be written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("w")
    except OSError:
        yield False
        return
    with lock:
        while not _taken(lock):
            tell("another process builds it")
            time.sleep(PERIOD_S)
        yield True


def _taken(lock: IO[str]) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# ---- the building process


def main() -> int:
    """Build what the sheet on standard input says."""
    if sys.platform != "win32":
        os.nice(_NICER)
    sheet = BuildSheet.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        _build(sheet)
    except InspectorError as error:
        print(error, file=sys.stderr)
        return _REFUSED
    return 0


def _build(sheet: BuildSheet) -> None:
    library = load_library(sheet.kind)
    if sheet.target not in library.targets:
        open_device(sheet.device)  # the GPU that is current is the one it is built for
    order = Order(sheet.precision, sheet.target, sheet.best_batch, sheet.largest_batch)
    wanted = WantedEngine(load_bundle(sheet.bundle), order, library, sheet.path)
    store(sheet.path, *wanted.build(lambda words: print(words, flush=True)))


def _end_with_parent() -> None:
    while sys.stdin.read(1):
        continue
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
