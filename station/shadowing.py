"""A bundle in the shadow: what it would have said of as many parts as leave it the time, and nothing comes of it.

It works on a thread of its own that comes last, and begins a view only while no part waits. What comes meanwhile takes
the place of the one that waited, which is skipped and counted.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from inspector.values import Frame
from station.messages import FromVision, ShadowJudged
from station.pipe import LineGone
from station.scheduling import this_thread_last
from station.serving import Serving

_LOOK_AGAIN_S = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class _Offer:
    part_id: UUID
    camera: str
    frame: Frame


class Shadow:
    """Only the inspecting thread calls it; it says by `idle` that no part waits."""

    def __init__(self, serving: Serving, send: Callable[[FromVision], None], idle: threading.Event) -> None:
        self._serving, self._send, self._idle = serving, send, idle
        self._change = threading.Condition()
        self._offer: _Offer | None = None
        self._closed = False
        self._judged = self._skipped = 0
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    @property
    def number(self) -> int:
        return self._serving.number

    def offer(self, part_id: UUID, camera: str, frame: Frame) -> None:
        """Have a view scored that was judged, if there is time before the next."""
        with self._change:
            self._skipped += self._offer is not None
            self._offer = _Offer(part_id, camera, frame)
            self._change.notify()

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join(5.0)

    def _run(self) -> None:
        this_thread_last()
        while self._await_offer():
            if self._idle.wait(_LOOK_AGAIN_S) and (offer := self._take()) is not None:
                self._judge(offer)

    def _await_offer(self) -> bool:
        with self._change:
            while self._offer is None and not self._closed:
                self._change.wait()
            return not self._closed

    def _take(self) -> _Offer | None:
        with self._change:
            offer, self._offer = self._offer, None
            return offer

    def _judge(self, offer: _Offer) -> None:
        view = self._serving.inspector.prepare(offer.frame)
        verdict = self._serving.judge([view]).verdict
        self._judged += 1
        bundle_id = self._serving.inspector.bundle.id
        said = ShadowJudged(offer.part_id, offer.camera, bundle_id, verdict, self._judged, self._skipped)
        with contextlib.suppress(LineGone):
            self._send(said)
