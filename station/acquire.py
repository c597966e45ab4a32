"""The acquire thread: the only one that touches the camera."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

from inspector.errors import CameraEnded, CameraError, FrameLost, FrameStale, TriggerTimeout, UserError
from inspector.inspection import PreparedView
from inspector.values import Frame
from station.cameras import camera_factory
from station.cameras.base import Camera, CameraSettings, OnDemand
from station.cameras.notes import CameraNotes
from station.messages import CameraState, Ended, Exposed, FromVision, Trigger, Unfit

_SLICE_S = 0.2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0

Announce = Callable[[FromVision], None]


class FrameShelf:
    """Frames announced and not yet judged: at most `room` of them, each taken once.

    The acquire thread waits for room before it exposes, so that a source which can wait is never hurried. A frame is
    prepared (assessed, preprocessed) by a thread of its own while the one before it is inferred and while its
    ledger row becomes durable; the inspecting thread takes it by its number.
    """

    def __init__(self, room: int, prepare: Callable[[Frame], PreparedView]) -> None:
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()  # in C; a Semaphore's timed wait costs 0.1 ms
        self._lock = threading.Lock()
        self._views: dict[int, Future[PreparedView]] = {}
        self._prepare = prepare
        self._preparer = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        for _ in range(room):
            self._room.put(None)

    def close(self) -> None:
        self._preparer.shutdown(cancel_futures=True)

    def wait_for_room(self, timeout_s: float) -> bool:
        """Reserve a place; False if none came free in time."""
        try:
            self._room.get(timeout=timeout_s)
        except queue.Empty:
            return False
        return True

    def give_back(self) -> None:
        """Return a place that was reserved and not used."""
        self._room.put(None)

    def put(self, frame: Frame) -> None:
        view = self._preparer.submit(self._prepare, frame)
        with self._lock:
            self._views[frame.sequence] = view

    def take(self, sequence: int) -> PreparedView | None:
        """Wait until the frame is prepared, return it and free its place; None if it was taken or discarded before."""
        with self._lock:
            view = self._views.pop(sequence, None)
        if view is None:
            return None
        self._room.put(None)
        return view.result()


class Acquisition:
    """Exposes, announces, and keeps the camera open: a lost one is opened again without limit, backing off.

    With `triggers`, it exposes once for each sequence number that the line puts there; without, as fast as the
    camera delivers and the shelf has room.
    """

    def __init__(
        self,
        settings: CameraSettings,
        start: int,
        shelf: FrameShelf,
        announce: Announce,
        notes: CameraNotes,
        triggers: queue.Queue[Trigger] | None = None,
    ) -> None:
        self._settings = settings
        self._start = start
        self._shelf = shelf
        self._announce = announce
        self._notes = notes
        self._triggers = triggers
        self._stop = threading.Event()
        self._well = True
        self._opened = False
        """Before the first opening a wrong setting is the user's fault; later, a source that has gone may come back."""
        self._pending: Trigger | None = None
        self._exposed_at_s = time.monotonic()
        self._round_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="acquire", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        self._stop.set()
        self._thread.join(timeout_s)

    def silent_s(self) -> float:
        """Return how long the thread has not gone round; 0 after its end. Called by the inspecting thread."""
        return time.monotonic() - self._round_s if self._thread.is_alive() else 0.0

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stop.is_set():
            self._round_s = time.monotonic()
            try:
                with ExitStack() as stack:
                    camera = stack.enter_context(camera_factory(self._settings.kind)(self._settings, self._start))
                    self._opened, pause_s = True, _FIRST_PAUSE_S
                    self._notes.opened(camera)
                    self._exposed_at_s = time.monotonic()
                    self._expose_until_stopped(camera)
            except CameraEnded as error:
                self._announce(Ended(str(error)))
                return
            except (CameraError, UserError) as error:
                if isinstance(error, UserError) and not self._opened:
                    self._announce(Unfit(str(error)))
                    return
                self._report(False, f"{error}; opening it again")
                self._stop.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        self._announce(Ended("stopped"))

    def _expose_until_stopped(self, camera: Camera) -> None:
        while not self._stop.is_set():
            self._round_s = time.monotonic()
            if not self._shelf.wait_for_room(_SLICE_S):
                continue
            frame = None
            try:
                frame = self._expose_once(camera)
            finally:
                if frame is None:
                    self._shelf.give_back()
            if frame is not None:
                self._shelf.put(frame)
                exposed_ns = frame.exposed_ns or time.monotonic_ns()
                self._tell(Exposed(frame.sequence, frame.captured_at, exposed_ns, frame.source))

    def _expose_once(self, camera: Camera) -> Frame | None:
        """Return one exposure, or None where none was wanted, none came, or its picture cannot be had."""
        trigger = self._next_trigger(camera)
        if self._triggers is not None and trigger is None:
            return None
        try:
            frame = camera.grab(_SLICE_S)
        except FrameStale as error:
            self._notes.stale(str(error), time.monotonic())
            self._note_silence()
            return None
        except TriggerTimeout:
            self._note_silence()
            return None
        except FrameLost as error:
            sequence, self._pending = (error.sequence if trigger is None else trigger.sequence), None
            self._tell(Exposed(sequence, datetime.now(UTC), time.monotonic_ns(), error.source, str(error)))
            return None
        if trigger is None:
            return frame
        self._pending = None
        return replace(frame, sequence=trigger.sequence) if time.monotonic_ns() < trigger.deadline_ns else None

    def _next_trigger(self, camera: Camera) -> Trigger | None:
        """Return the trigger to expose for, the oldest whose deadline has not passed; None without one."""
        if self._triggers is None:
            return None
        if self._pending is None or self._pending.deadline_ns <= time.monotonic_ns():
            with contextlib.suppress(queue.Empty):
                self._pending = None
                self._pending = self._triggers.get(timeout=_SLICE_S)
                if isinstance(camera, OnDemand):
                    camera.expose()
        return self._pending

    def _tell(self, exposed: Exposed) -> None:
        self._start = exposed.sequence + 1
        self._exposed_at_s = time.monotonic()
        self._report(True, f"camera {self._settings.name!r} delivers")
        self._announce(exposed)

    def _note_silence(self) -> None:
        silent_s = time.monotonic() - self._exposed_at_s
        if silent_s >= self._settings.grab_timeout_s:
            self._report(False, f"camera {self._settings.name!r}: no exposure for {self._settings.grab_timeout_s:g} s")

    def _report(self, well: bool, message: str) -> None:
        if well is not self._well:
            self._well = well
            self._announce(CameraState(well, message))
