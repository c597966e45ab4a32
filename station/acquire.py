"""The acquire thread: the only one that touches the camera."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection

from inspector.errors import CameraEnded, CameraError, FrameLost, FrameStale, TriggerTimeout, UserError
from inspector.values import Frame
from station.cameras import camera_factory
from station.cameras.base import Camera, CameraSettings, OnDemand
from station.cameras.notes import CameraNotes
from station.detection import PartDetector
from station.messages import CameraState, Ended, Exposed, FromVision, Trigger, Unexposed, Unfit
from station.serving import HeldView

_SLICE_S = 0.2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0

Announce = Callable[[FromVision], None]
Prepare = Callable[[Frame, int], HeldView | None]
"""Make a frame ready by the bundle of a number."""


class _Asked:
    """A frame to be prepared. `ready` is free once that is done: a lock costs less than an event."""

    __slots__ = ("frame", "held", "ready", "serving")

    def __init__(self, frame: Frame, serving: int) -> None:
        self.frame, self.serving = frame, serving
        self.held: HeldView | None = None
        self.ready = threading.Lock()
        self.ready.acquire()


class FrameShelf:
    """Frames announced and not yet judged: at most `room` of them, each taken once.

    The acquire thread reserves a place before it exposes; a source that can wait waits for it. A frame is prepared
    (preprocessed) by a thread of its own while the one before it is inferred and while its ledger row becomes durable,
    and assessed while it is inferred itself; the inspecting thread takes it by its number.
    """

    def __init__(self, room: int, prepare: Prepare) -> None:
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()  # in C; a Semaphore's timed wait costs 0.1 ms
        self._views: dict[int, _Asked] = {}
        self._prepare = prepare
        self.why_full = f"overload: {room} frames wait to be inspected"
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._preparer = threading.Thread(target=self._run, name="prepare", daemon=True)
        self._preparer.start()
        for _ in range(room):
            self._room.put(None)

    def close(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._asked.get_nowait()
        self._asked.put(None)
        self._preparer.join()

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

    @property
    def empty(self) -> bool:
        return not self._views

    def put(self, frame: Frame, serving: int) -> None:
        self._views[frame.sequence] = asked = _Asked(frame, serving)
        self._asked.put(asked)

    def take(self, sequence: int) -> HeldView | None:
        """Wait until the frame is prepared, return it and free its place; None if it was taken or discarded before.

        Raises:
            RuntimeError: preparing one failed, which is a fault of the program.
        """
        asked = self._views.pop(sequence, None)
        if asked is None:
            return None
        self._room.put(None)
        while not asked.ready.acquire(timeout=_SLICE_S):
            if not self._preparer.is_alive():
                raise RuntimeError(f"frame {sequence} was not prepared: the prepare thread has failed")
        return asked.held

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            asked.held = held = self._prepare(asked.frame, asked.serving)
            asked.ready.release()
            if held is not None:
                held.assess()


class Acquisition:
    """Exposes, announces, and keeps the camera open: a lost one is opened again without limit, backing off.

    With `triggers`, the pipe's end where the line asks, it exposes once for each Trigger. Without, a source that can
    wait (files, renderings) exposes whenever the shelf has room, and a sensor, which cannot, as fast as it delivers: an
    exposure that finds the shelf full is announced without its picture.
    """

    def __init__(
        self,
        settings: CameraSettings,
        start: int,
        shelf: FrameShelf,
        announce: Announce,
        notes: CameraNotes,
        triggers: Connection | None = None,
        aligned: bool = False,
        detector: PartDetector | None = None,
        serving: Callable[[], int] = lambda: 0,
    ) -> None:
        self._settings = settings
        self._start = start
        self._shelf = shelf
        self._announce = announce
        self._notes = notes
        self._triggers = triggers
        self._detector = detector
        self._serving = serving
        """Which bundle judges what is exposed now; with a trigger comes the one that the part is for."""
        self._aligned = aligned
        """Show a replayed source's picture of the trigger's own number: it stands for one of several views."""
        self._stop = threading.Event()
        self._ends_unsaid = False
        self._well = True
        self._opened = False
        """Before the first opening a wrong setting is the user's fault; later, a source that has gone may come back."""
        self._pending: Trigger | None = None
        self._idle = True
        self._exposed_at_s = time.monotonic()
        self._round_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"acquire-{settings.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        self._stop.set()
        if self._thread.ident is None:  # never begun
            self._announce(Ended(self._settings.name, "stopped"))
        else:
            self._thread.join(timeout_s)

    def abandon(self, timeout_s: float) -> None:
        """Stop and say nothing of it: this process ends, and the camera has not."""
        self._ends_unsaid = True
        self._stop.set()
        if self._thread.ident is not None:
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
                self._announce(Ended(self._settings.name, str(error)))
                return
            except (CameraError, UserError) as error:
                if isinstance(error, UserError) and not self._opened:
                    self._announce(Unfit(str(error)))
                    return
                self._report(False, f"{error}; opening it again")
                self._stop.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        if not self._ends_unsaid:
            self._announce(Ended(self._settings.name, "stopped"))

    def _expose_until_stopped(self, camera: Camera) -> None:
        while not self._stop.is_set():
            self._round_s = time.monotonic()
            if self._triggers is not None and not self._await_trigger(self._triggers, camera):
                continue
            cannot_wait = self._triggers is not None or camera.live
            has_place = self._shelf.wait_for_room(0.0 if cannot_wait else _SLICE_S)
            if has_place or cannot_wait:
                self._expose(camera, has_place)

    def _expose(self, camera: Camera, has_place: bool) -> None:
        trigger = self._pending
        frame = None
        try:
            frame = self._expose_once(camera)
        finally:
            if frame is None and has_place:
                self._shelf.give_back()
        if frame is None:
            return
        serving = self._number(trigger)
        if has_place:
            self._shelf.put(frame, serving)
        exposed_ns = frame.exposed_ns or time.monotonic_ns()
        fault = None if has_place else self._shelf.why_full
        name = self._settings.name
        at, source = frame.captured_at, frame.source
        self._tell(Exposed(name, frame.sequence, at, exposed_ns, source, fault, not has_place, serving))

    def _number(self, trigger: Trigger | None) -> int:
        return self._serving() if trigger is None else trigger.serving

    def _expose_once(self, camera: Camera) -> Frame | None:
        """Return one exposure, or None where none came in time, or its picture cannot be had."""
        trigger = self._pending
        try:
            frame = self._grab(camera, trigger)
        except FrameStale as error:
            self._notes.stale(str(error), time.monotonic())
            self._note_silence()
            return None
        except TriggerTimeout:
            self._note_silence()
            return None
        except FrameLost as error:
            if self._detector is not None:  # a part is in view for longer than a frame
                self._notes.stale(str(error), time.monotonic())
                return None
            sequence, self._pending = (error.sequence if trigger is None else trigger.sequence), None
            now = datetime.now(UTC)
            lost = Exposed(self._settings.name, sequence, now, time.monotonic_ns(), error.source, str(error))
            self._tell(replace(lost, serving=self._number(trigger)))
            return None
        if trigger is None:
            return frame if self._detector is None or self._is_part(self._detector, frame) else None
        self._pending = None
        if time.monotonic_ns() >= trigger.deadline_ns:
            self._announce(Unexposed(self._settings.name, trigger.sequence))
            return None
        return replace(frame, sequence=trigger.sequence)

    def _is_part(self, detector: PartDetector, frame: Frame) -> bool:
        """Whether the frame shows a part that has just come; any frame shows that the camera delivers."""
        self._exposed_at_s = time.monotonic()
        return detector.comes(frame.image)

    def _grab(self, camera: Camera, trigger: Trigger | None) -> Frame:
        frame = camera.grab(_SLICE_S)
        while trigger is not None and self._aligned and not camera.live and frame.sequence < trigger.sequence:
            frame = camera.grab(_SLICE_S)
        return frame

    def _await_trigger(self, triggers: Connection, camera: Camera) -> bool:
        """Wait a while for a trigger whose time has not passed; True when there is one to expose for."""
        if self._pending is not None and self._pending.deadline_ns <= time.monotonic_ns():
            self._announce(Unexposed(self._settings.name, self._pending.sequence))
            self._pending = None
        if self._pending is not None:
            return True
        try:
            if not triggers.poll(_SLICE_S):
                return False
            self._pending = triggers.recv()
            if isinstance(camera, OnDemand):
                camera.expose()
        except (EOFError, OSError):  # the line is gone
            self._stop.set()
            return False
        if self._idle:
            self._idle, self._exposed_at_s = False, time.monotonic()
        return False  # asked again, now with its deadline

    def _tell(self, exposed: Exposed) -> None:
        self._start = exposed.sequence + 1
        self._idle, self._exposed_at_s = True, time.monotonic()
        self._report(True, f"camera {self._settings.name!r} delivers")
        self._announce(exposed)

    def _note_silence(self) -> None:
        silent_s = time.monotonic() - self._exposed_at_s
        if silent_s >= self._settings.grab_timeout_s:
            self._report(False, f"camera {self._settings.name!r}: no exposure for {self._settings.grab_timeout_s:g} s")

    def _report(self, well: bool, message: str) -> None:
        if well is not self._well:
            self._well = well
            self._announce(CameraState(self._settings.name, well, message))
