"""A connection to a trigger's peer that is kept up: tried again without limit, backing off, its state truthful."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Self

from inspector.errors import TriggerLost
from station.triggers.base import SourceState, Tell

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0

Up = Callable[[], None]
Serve = Callable[[threading.Event, Up], None]


class Link:
    """The thread of a source. `serve(stop, up)` connects, calls `up`, and tells pulses until `stop` is set.

    It raises TriggerLost when the peer is not there, or no longer.
    """

    def __init__(self, peer: str, tell: Tell, serve: Serve) -> None:
        self._peer = peer
        self._tell = tell
        self._serve = serve
        self._stop = threading.Event()
        self._well = True
        self._pause_s = _FIRST_PAUSE_S
        self._thread = threading.Thread(target=self._run, name="trigger", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._serve(self._stop, self._up)
            except TriggerLost as error:
                self._note(False, f"{self._peer}: {error}; trying again")
                self._stop.wait(self._pause_s)
                self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _up(self) -> None:
        self._pause_s = _FIRST_PAUSE_S
        self._note(True, f"{self._peer}: connected")

    def _note(self, well: bool, why: str) -> None:
        if well is not self._well:
            self._well = well
            self._tell(SourceState(well, why))


def serve_async(coroutine: Callable[[Up], Awaitable[None]]) -> Serve:
    """Make a `serve` of a coroutine function, which is cancelled when `stop` is set."""

    def serve(stop: threading.Event, up: Up) -> None:
        asyncio.run(_until_stopped(coroutine(up), stop))

    return serve


async def _until_stopped(work: Awaitable[None], stop: threading.Event) -> None:
    task = asyncio.ensure_future(work)
    while not stop.is_set() and not task.done():
        await asyncio.wait([task], timeout=0.1)
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled() and (fault := task.exception()) is not None:
        raise fault
