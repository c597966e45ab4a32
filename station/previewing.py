"""The preview thread of a vision process: puts the newest judged picture of each camera where others can see it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Self

from station.preview import Preview, PreviewSlot, shrunk
from station.scheduling import this_thread_last

PERIOD_S = 0.2
"""Between two pictures of a camera at which nobody looks."""
LOOKED_AT_PERIOD_S = 1 / 60
"""Half of the time between two pictures of a film of 30 a second: none of them is missed for coming at a bad moment."""
LOOKED_AT_S = 2.0
"""So long after a question somebody is taken to look."""


class Previews:
    """The inspecting thread hands over a picture and goes on; what is not shown in its turn is never shown."""

    def __init__(self, slots: Mapping[str, PreviewSlot]) -> None:
        self._slots = slots
        self._newest: dict[str, Preview] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)

    def __enter__(self) -> Self:
        if self._slots:
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._slots:
            self._thread.join(1.0)

    def show(self, camera: str, preview: Preview) -> None:
        if camera in self._slots:
            self._newest[camera] = preview

    def _run(self) -> None:
        this_thread_last()
        while not self._stop.wait(self.period_s):
            for camera in list(self._newest):
                preview = self._newest.pop(camera)
                written_ns = time.monotonic_ns()
                self._slots[camera].write(replace(preview, image=shrunk(preview.image), written_ns=written_ns))

    @property
    def period_s(self) -> float:
        looked_at = any(slot.asked_within(LOOKED_AT_S) for slot in self._slots.values())
        return LOOKED_AT_PERIOD_S if looked_at else PERIOD_S
