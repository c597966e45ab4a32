"""The vision process: owns the camera and the network. Grab, assess, preprocess, infer, decide, store the image.

Four threads: `acquire` exposes and announces, `prepare` assesses and preprocesses, the main thread infers and decides
what the line asks for, `encode` writes images.
Nothing here decides what the line does: a verdict is only told. The process ends when the line process does: the pipe
between them then ends, and where this process hangs and does not see it, Linux kills it.
"""

from __future__ import annotations

import contextlib
import gc
import queue
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from uuid import UUID

import cv2

from db.images import ImageStore, StoredImage
from inspector.bundle import load_bundle
from inspector.certificate import is_certified, require_certified
from inspector.draws import draw_pass
from inspector.drift import WatchKey
from inspector.errors import StationError, StorageFault, UserError
from inspector.inspection import Inspector, PreparedView
from inspector.values import Image, Outcome, PartResult
from station.acquire import Acquisition, FrameShelf
from station.auditing import AuditPlan, audit_plan
from station.cameras.notes import CameraNotes
from station.child import live_with_line
from station.config import StationConfig
from station.messages import (
    Alive,
    Discard,
    FromLine,
    FromVision,
    ImageFailed,
    ImageStored,
    Inspect,
    Inspected,
    NotHeld,
    Ready,
    RuntimeFailed,
    Stop,
    Trigger,
    Unfit,
)
from station.scheduling import all_threads_first, this_thread_last
from station.watch import LineWatch, memory_path

FRAMES_IN_FLIGHT = 2
"""One being inspected, one announced: its row becomes durable meanwhile."""
_IMAGES_WAITING = 8
_ACQUIRE_HANG_S = 30.0
"""A camera driver that does not come back for so long is hung: no sign of life, and the line replaces the process."""
_JPEG = (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 95))
_PNG = (".png", (cv2.IMWRITE_PNG_COMPRESSION, 1))


class LineGone(Exception):
    """The line process has ended, and with it the reason to go on."""


@dataclass(frozen=True, slots=True)
class Pipe:
    """The end that the threads of the vision process share; `send` may be called from any of them."""

    connection: Connection
    lock: threading.Lock

    def send(self, message: FromVision) -> None:
        try:
            with self.lock:
                self.connection.send(message)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise LineGone from error

    def receive(self, timeout_s: float) -> FromLine | None:
        """Return the next message, or None if none came in time."""
        try:
            if not self.connection.poll(timeout_s):
                return None
            message: FromLine = self.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise LineGone from error
        return message


def main(connection: Connection, config: StationConfig, start: int) -> None:
    """Entry point of the process. `start` is the sequence number of the first frame to take."""
    live_with_line()
    cv2.setNumThreads(1)
    pipe = Pipe(connection, threading.Lock())
    try:
        _serve(pipe, config, start)
    except LineGone:
        return


def _settle_heap() -> None:
    """Keep the collector away from what is loaded by now: looking through all of it takes 25 ms, ten parts' time."""
    gc.collect()
    gc.freeze()


def _serve(pipe: Pipe, config: StationConfig, start: int) -> None:
    try:
        inspector = Inspector(load_bundle(config.station.bundle), config.recipe, post=config.post)
        plan = audit_plan(config, inspector.policy)
        golden_samples = inspector.self_test()
        if inspector.recipe.require_certificate:
            require_certified(inspector.bundle, inspector.recipe)
        inspector.warm_up()
        _settle_heap()
    except (UserError, StationError) as error:
        pipe.send(Unfit(str(error)))
        return
    if config.station.realtime:
        all_threads_first()
    with Encoder(pipe, ImageStore(config.images), config.station.image_format) as encoder:
        pipe.send(Ready(inspector.describe(), golden_samples))
        watch = _watch(pipe, inspector, config)
        Vision(pipe, inspector, encoder, watch, config, start, plan).answer_until_line_ends()


def _watch(pipe: Pipe, inspector: Inspector, config: StationConfig) -> LineWatch:
    camera = config.camera.name
    key = WatchKey(bundle=inspector.bundle.id, recipe=config.recipe.revision(), camera=camera)
    memory = memory_path(config.station.folder, camera)
    certified = is_certified(inspector.bundle, inspector.recipe)
    return LineWatch(config.recipe, key, memory, pipe.send, certified=certified)


class Vision:
    """Answers the line: inspects the frames that were announced, when asked."""

    def __init__(
        self,
        pipe: Pipe,
        inspector: Inspector,
        encoder: Encoder,
        watch: LineWatch,
        config: StationConfig,
        start: int,
        plan: AuditPlan | None = None,
    ) -> None:
        self._pipe = pipe
        self._watch = watch
        self._inspector = inspector
        self._encoder = encoder
        self._keep = config.station.keep_images
        self._plan = plan
        self._faults_told = 0
        self._life_sign_s = config.station.hang_s / 4
        self._shelf = FrameShelf(FRAMES_IN_FLIGHT, inspector.prepare)
        self._triggers: queue.Queue[Trigger] | None = queue.Queue() if config.trigger.kind == "timer" else None
        notes = CameraNotes(config.camera, config.recipe, config.station.folder / "cameras", self._announce)
        self._acquisition = Acquisition(config.camera, start, self._shelf, self._announce, notes, self._triggers)

    def answer_until_line_ends(self) -> None:
        """Raise LineGone at the end; after Stop, what was announced is still inspected."""
        self._acquisition.start()
        try:
            while True:
                message = self._pipe.receive(self._life_sign_s)
                if message is not None:
                    self._answer(message)
                elif self._acquisition.silent_s() < _ACQUIRE_HANG_S:
                    self._pipe.send(Alive())
        finally:
            self._acquisition.stop(timeout_s=1.0)
            self._shelf.close()
            self._watch.save()

    def _answer(self, message: FromLine) -> None:
        match message:
            case Inspect(part_id, sequence):
                self._inspect(part_id, self._shelf.take(sequence))
            case Discard(sequence):
                self._shelf.take(sequence)
            case Trigger() if self._triggers is not None:
                self._triggers.put(message)
            case Stop():
                self._acquisition.stop(timeout_s=0.0)

    def _inspect(self, part_id: UUID, view: PreparedView | None) -> None:
        if view is None:
            self._pipe.send(NotHeld(part_id))
            return
        judged = self._inspector.judge([view])
        part = self._watch.guard(judged)
        draw = draw_pass(self._plan.key, self._plan.strata, part_id, part.verdict) if self._plan else None
        keep = draw is not None or keeps_image(part, self._keep)
        self._pipe.send(Inspected(part_id, part.without_heat(), keep, draw))
        self._tell_faults()
        if keep:
            self._encoder.put(part_id, view.frame.image)
        self._watch.see(judged, view.frame.image)

    def _tell_faults(self) -> None:
        for fault in self._inspector.faults[self._faults_told :]:
            self._pipe.send(RuntimeFailed(fault))
            self._faults_told += 1

    def _announce(self, message: FromVision) -> None:
        """Tell the line; called by the acquire thread. When the line is gone, the main thread notices it and ends."""
        with contextlib.suppress(LineGone):
            self._pipe.send(message)


def keeps_image(part: PartResult, policy: str) -> bool:
    """Tell whether a part's image is stored: `all`, `none`, or `not-pass`."""
    return policy == "all" or (policy == "not-pass" and part.verdict.outcome is not Outcome.PASS)


class Encoder:
    """The encode thread: pictures to content-addressed files, off the hot path.

    The queue is bounded; when it is full, `put` waits: a record is never dropped for speed.
    """

    def __init__(self, pipe: Pipe, store: ImageStore, image_format: str) -> None:
        self._pipe = pipe
        self._store = store
        self._format = _PNG if image_format == "png" else _JPEG
        self._queue: queue.Queue[tuple[UUID, Image] | None] = queue.Queue(_IMAGES_WAITING)
        self._thread = threading.Thread(target=self._run, name="encode", daemon=True)

    def __enter__(self) -> Encoder:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._queue.put(None)
        self._thread.join(5.0)

    def put(self, part_id: UUID, image: Image) -> None:
        self._queue.put((part_id, image))

    def _run(self) -> None:
        this_thread_last()
        while (waiting := self._queue.get()) is not None:
            part_id, image = waiting
            try:
                answer: FromVision = ImageStored(part_id, self._store_image(image))
            except (StorageFault, cv2.error) as error:
                answer = ImageFailed(part_id, str(error))
            try:
                self._pipe.send(answer)
            except LineGone:
                return

    def _store_image(self, image: Image) -> StoredImage:
        suffix, parameters = self._format
        _, encoded = cv2.imencode(suffix, image, list(parameters))
        return self._store.put(encoded.tobytes(), suffix)
