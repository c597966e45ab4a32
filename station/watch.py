"""The drift watch on the line: feeds it, tells the line what it says, and keeps its memory on the disk.

Runs in the vision process, on the inspecting thread, after a part's verdict has been told: the part waits for none of
it. A safe mode therefore begins with the part after the alarm.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from inspector.documents import read_json
from inspector.drift import DriftWatch, WatchKey, WatchState
from inspector.errors import InspectorError, StorageFault, UserError
from inspector.imaging import measure
from inspector.recipe import Recipe
from inspector.values import Image, PartResult
from station.messages import Drifted, DriftPoint, DriftStatus, FromVision, Relearning
from station.relearning import order_path, take_order

POINT_PARTS = 500
"""A point of every chart is recorded after so many parts."""
LOOKED_AT_AFTER_S = 0.05
"""Colour and position are measured so often at most: they change slowly, and measuring costs a fast line its speed."""
ORDERS_LOOKED_FOR_AFTER_S = 1.0
"""An order to learn anew is looked for so often."""
SAVED_AFTER_S = 30.0
"""So much of what was seen may be forgotten when the process is killed; an alarm never."""


def memory_path(folder: Path, camera: str) -> Path:
    """Return where the watch of a camera keeps its memory, in the station's folder."""
    return folder / "drift" / f"{re.sub(r'[^A-Za-z0-9._-]', '_', camera)}.json"


class LineWatch:
    """The watch of one camera. Only the inspecting thread calls it."""

    def __init__(
        self,
        recipe: Recipe,
        key: WatchKey,
        file: Path,
        send: Callable[[FromVision], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        certified: bool = True,
    ) -> None:
        self._file, self._send, self._clock = file, send, clock
        self._settings, self._key, self._certified = recipe.drift, key, certified
        self._writes = True
        self._watch = self._make(self._remembered()) if recipe.drift.enabled else None
        self._saved_s = clock()
        self._looked_s = self._heeded_s = -math.inf
        self._refused = ""
        self._heed_order()
        self._tell_status()

    def _make(self, state: WatchState | None) -> DriftWatch:
        return DriftWatch(self._settings, self._key, state, certified=self._certified)

    def guard(self, part: PartResult) -> PartResult:
        """Return the part as the line is to treat it."""
        return part if self._watch is None else self._watch.guard(part)

    def see(self, part: PartResult, image: Image) -> None:
        """Take a part as it was judged, before `guard`. One without a prediction says nothing of the line."""
        if self._watch is None or part.views[0].prediction is None:
            return
        if self._clock() - self._heeded_s >= ORDERS_LOOKED_FOR_AFTER_S:
            self._heed_order()
        said = self._watch.see(part.views[0], measure(image) if self._is_due() else None)
        for alarm in said:
            self._send(Drifted(self._watch.key.camera, alarm))
        if said or self._watch.parts == self._settings.learn_parts:
            self._tell_status()
        if self._watch.parts % POINT_PARTS == 0 and (point := self._watch.point()).levels:
            self._send(DriftPoint(point))
        if said or self._clock() - self._saved_s >= SAVED_AFTER_S:
            self.save()

    def _heed_order(self) -> None:
        """Learn anew where a person has ordered it; killed on the way, the station still has the alarm."""
        self._heeded_s = self._clock()
        if self._watch is None or not order_path(self._file).exists():
            return
        try:
            order = take_order(self._file)
        except InspectorError as error:
            refused, self._refused = self._refused, str(error)
            if refused != self._refused:
                self._send(DriftStatus(self._key.camera, f"order to learn anew not taken: {error}", False))
            return
        self._send(Relearning(self._key.camera, order.by, order.why, self._watch.alarms))
        self._watch = self._make(None)
        self.save()
        self._tell_status()

    def _is_due(self) -> bool:
        now_s = self._clock()
        due = now_s - self._looked_s >= LOOKED_AT_AFTER_S
        self._looked_s = now_s if due else self._looked_s
        return due

    def resume(self) -> None:
        """Go on after another bundle has served: what is known counts again, and alarms that held hold again."""
        for alarm in self._watch.alarms if self._watch else ():
            self._send(Drifted(self._key.camera, alarm))
        self.save()
        self._tell_status()

    def save(self) -> None:
        """Write the memory; a disk that does not take it is told once, and the watch goes on."""
        if self._watch is None:
            return
        self._saved_s = self._clock()
        try:
            _write(self._file, self._watch.state().model_dump_json())
        except StorageFault as fault:
            if self._writes:
                self._send(DriftStatus(self._key.camera, f"memory not written: {fault}", False))
            self._writes = False
        else:
            self._writes = True

    def _remembered(self) -> WatchState | None:
        if not self._file.exists():
            return None
        try:
            return read_json(self._file, WatchState, UserError)
        except InspectorError as error:
            self._send(DriftStatus(self._key.camera, f"memory lost, learning anew: {error}", False))
            return None

    def _tell_status(self) -> None:
        self._send(DriftStatus(self._key.camera, status_of(self._watch, self._settings.learn_parts), True))


def status_of(watch: DriftWatch | None, learn_parts: int) -> str:
    """Return the watch's state in a few words."""
    if watch is None:
        return "not watched"
    return watch.void or ("well" if watch.parts >= learn_parts else f"learning from {learn_parts} parts")


def _write(file: Path, text: str) -> None:
    """Replace the file as a whole, so that a kill leaves the old one or the new one."""
    new = file.with_suffix(".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, encoding="utf-8")
        os.replace(new, file)
    except OSError as error:
        raise StorageFault(f"{file}: cannot be written ({error.strerror})") from error
