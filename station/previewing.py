"""The preview thread of a vision process: puts the newest judged picture of each camera where others can see it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Self

import cv2
import numpy as np

from inspector.values import Image
from station.preview import LONGEST_PX, Preview, PreviewSlot
from station.scheduling import this_thread_last

PERIOD_S = 0.2
"""Between two pictures of a camera."""


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
        while not self._stop.wait(PERIOD_S):
            for camera in list(self._newest):
                preview = self._newest.pop(camera)
                written_ns = time.monotonic_ns()
                self._slots[camera].write(replace(preview, image=shrunk(preview.image), written_ns=written_ns))


def shrunk(image: Image) -> Image:
    """Return a picture of LONGEST_PX at most, shrunk by a whole number: fast, and without moire."""
    step = -(-max(image.shape[:2]) // LONGEST_PX)
    if step == 1:
        return image
    rows, columns = (max(1, side // step) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
