"""The vision process: owns the cameras of a group and the network. Grab, assess, preprocess, infer, store the image.

Per camera, `acquire` exposes and announces and `prepare` assesses and preprocesses; the main thread infers and decides
what the line asks for, `encode` writes images.
Nothing here decides what the line does: a verdict is only told. The process ends when the line process does: the pipe
between them then ends, and where this process hangs and does not see it, Linux kills it.
"""

from __future__ import annotations

import contextlib
import gc
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
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
from inspector.values import Frame, Image, PartResult
from station.acquire import Acquisition, FrameShelf
from station.admission import MOST_WAITING
from station.auditing import AuditPlan, audit_plan, keeps_image
from station.cameras.base import CameraSettings
from station.cameras.notes import CameraNotes
from station.child import live_with_line
from station.codes import CodeReader
from station.config import StationConfig
from station.detection import PartDetectionSettings, PartDetector
from station.messages import (
    Alive,
    Begin,
    Challengers,
    Discard,
    FromLine,
    FromVision,
    ImageFailed,
    ImageStored,
    Inspect,
    Inspected,
    Keep,
    NotHeld,
    Ready,
    RuntimeFailed,
    Stop,
    Unfit,
)
from station.preview import Preview, PreviewSlot
from station.previewing import Previews
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


def main(
    connection: Connection,
    triggers: Mapping[str, Connection],
    config: StationConfig,
    group: str,
    start: int,
    slots: Mapping[str, PreviewSlot],
) -> None:
    """Entry point of the process. `start` is the sequence number of the first frame to take.

    Through `triggers` the line asks each camera for exposures, past the inspecting thread, which may be busy. `slots`
    take the newest picture of each camera, where somebody may want to see it.
    """
    live_with_line()
    cv2.setNumThreads(1)
    pipe = Pipe(connection, threading.Lock())
    try:
        _serve(pipe, triggers, config, group, start, slots)
    except LineGone:
        return


def _settle_heap() -> None:
    """Keep the collector away from what is loaded by now: looking through all of it takes 25 ms, ten parts' time."""
    gc.collect()
    gc.freeze()


def _serve(
    pipe: Pipe,
    triggers: Mapping[str, Connection],
    config: StationConfig,
    group: str,
    start: int,
    slots: Mapping[str, PreviewSlot],
) -> None:
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
    with Encoder(pipe, ImageStore(config.images), config.station.image_format) as encoder, Previews(slots) as previews:
        pipe.send(Ready(inspector.describe(), golden_samples))
        lanes = {
            camera.name: _lane(pipe, inspector, config, camera, start, triggers.get(camera.name))
            for camera in config.of_group(group)
        }
        Vision(pipe, inspector, encoder, lanes, config, plan, previews).answer_until_line_ends()


@dataclass(frozen=True, slots=True)
class Lane:
    """One camera's way through the process."""

    shelf: FrameShelf
    acquisition: Acquisition
    watch: LineWatch


def _lane(
    pipe: Pipe,
    inspector: Inspector,
    config: StationConfig,
    camera: CameraSettings,
    start: int,
    triggers: Connection | None,
) -> Lane:
    def announce(message: FromVision) -> None:
        """Tell the line; when it is gone, the main thread notices it and ends."""
        with contextlib.suppress(LineGone):
            pipe.send(message)

    key = WatchKey(bundle=inspector.bundle.id, recipe=config.recipe.revision(), camera=camera.name)
    memory = memory_path(config.station.folder, camera.name)
    certified = is_certified(inspector.bundle, inspector.recipe)
    watch = LineWatch(config.recipe, key, memory, pipe.send, certified=certified)
    notes = CameraNotes(camera, config.recipe, config.station.folder / "cameras", announce)
    shelf = FrameShelf(FRAMES_IN_FLIGHT if triggers is None else MOST_WAITING, inspector.prepare)
    aligned = len(config.cameras) > 1
    sight = config.trigger if triggers is None and isinstance(config.trigger, PartDetectionSettings) else None
    detector = PartDetector(sight) if sight else None
    return Lane(shelf, Acquisition(camera, start, shelf, announce, notes, triggers, aligned, detector), watch)


class Vision:
    """Answers the line: inspects the frames that were announced, when asked."""

    def __init__(
        self,
        pipe: Pipe,
        inspector: Inspector,
        encoder: Encoder,
        lanes: Mapping[str, Lane],
        config: StationConfig,
        plan: AuditPlan | None = None,
        previews: Previews | None = None,
    ) -> None:
        self._pipe = pipe
        self._previews = previews
        self._inspector = inspector
        self._encoder = encoder
        self._lanes = lanes
        self._keep = config.station.keep_images
        self._plan = plan
        self._faults_told = 0
        self._decides = len(config.cameras) == 1
        """With one view, what is said of it is the part's verdict, and what is kept is decided here."""
        self._codes = CodeReader(config.station.read_code) if config.station.read_code else None
        self._challengers: frozenset[str] = frozenset()
        self._judged = JudgedImages(MOST_WAITING * len(lanes))
        self._heard: deque[FromLine] = deque()
        self._life_sign_s = config.station.hang_s / 4

    def answer_until_line_ends(self) -> None:
        """Raise LineGone at the end; after Stop, what was announced is still inspected."""
        try:
            while True:
                message = self._hear(self._life_sign_s)
                if message is not None:
                    self._answer(message)
                elif all(lane.acquisition.silent_s() < _ACQUIRE_HANG_S for lane in self._lanes.values()):
                    self._pipe.send(Alive())
        finally:
            for lane in self._lanes.values():
                lane.acquisition.stop(timeout_s=1.0)
                lane.shelf.close()
                lane.watch.save()

    def _hear(self, timeout_s: float) -> FromLine | None:
        return self._heard.popleft() if self._heard else self._pipe.receive(timeout_s)

    def _answer(self, message: FromLine) -> None:
        match message:
            case Inspect():
                self._inspect([message, *self._siblings(message)])
            case Challengers(codes):
                self._challengers = codes
            case Keep(part_id, camera):
                self._store(part_id, camera, self._judged.take(part_id, camera))
            case Discard(camera, sequence):
                self._lanes[camera].shelf.take(sequence)
            case Begin() | Stop():
                self._expose(isinstance(message, Begin))

    def _expose(self, wanted: bool) -> None:
        for lane in self._lanes.values():
            if wanted:
                lane.acquisition.start()
            else:
                lane.acquisition.stop(timeout_s=0.0)

    def _siblings(self, first: Inspect) -> list[Inspect]:
        """Take the further views of the part that are asked for by now: one run of the network for all is cheaper."""
        siblings: list[Inspect] = []
        while len(siblings) + 1 < len(self._lanes) and (message := self._hear(0.0)) is not None:
            if not isinstance(message, Inspect) or message.part_id != first.part_id:
                self._heard.appendleft(message)
                break
            siblings.append(message)
        return siblings

    def _inspect(self, asked: Sequence[Inspect]) -> None:
        taken = [(message, self._lanes[message.camera].shelf.take(message.sequence)) for message in asked]
        wanted = [(message, view) for message, view in taken if self._is_wanted(message, view)]
        if not wanted:
            return
        judged = self._inspector.judge([view for _, view in wanted if view])
        self._tell_faults()
        for (message, view), inspection in zip(wanted, judged.views, strict=True):
            if view is not None:
                self._tell(message, view.frame.image, PartResult(inspection.verdict, (inspection,)))
                self._show(message, view.frame)

    def _is_wanted(self, message: Inspect, view: PreparedView | None) -> bool:
        if view is None:
            self._pipe.send(NotHeld(message.part_id, message.camera))
            return False
        if time.monotonic_ns() > message.deadline_ns:
            self._pipe.send(NotHeld(message.part_id, message.camera, "overload: its turn came after its deadline"))
            return False
        return True

    def _tell(self, message: Inspect, image: Image, judged: PartResult) -> None:
        watch = self._lanes[message.camera].watch
        part = watch.guard(judged)
        code = self._codes.read(image) if self._codes else None
        counted = not message.challenge and code not in self._challengers
        draw = None
        if self._decides and self._plan and counted:
            draw = draw_pass(self._plan.key, self._plan.strata, message.part_id, part.verdict)
        keep = self._decides and (draw is not None or keeps_image(part.verdict, self._keep))
        self._pipe.send(Inspected(message.part_id, message.camera, part.without_heat(), keep, draw, code))
        if keep:
            self._encoder.put(message.part_id, message.camera, image)
        elif not self._decides:
            self._judged.put(message.part_id, message.camera, image)
        if counted:
            watch.see(judged, image)

    def _show(self, message: Inspect, frame: Frame) -> None:
        if self._previews is not None:
            preview = Preview(frame.image, message.sequence, message.part_id, frame.captured_at)
            self._previews.show(message.camera, preview)

    def _tell_faults(self) -> None:
        for fault in self._inspector.faults[self._faults_told :]:
            self._pipe.send(RuntimeFailed(fault))
            self._faults_told += 1

    def _store(self, part_id: UUID, camera: str, image: Image | None) -> None:
        if image is None:
            self._pipe.send(ImageFailed(part_id, camera, f"camera {camera!r}: the picture is no longer held"))
        else:
            self._encoder.put(part_id, camera, image)


class JudgedImages:
    """Pictures of views that were judged, until the line has the part's verdict: at most `room`, the oldest goes."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._images: dict[tuple[UUID, str], Image] = {}

    def put(self, part_id: UUID, camera: str, image: Image) -> None:
        if len(self._images) >= self._room:
            del self._images[next(iter(self._images))]
        self._images[part_id, camera] = image

    def take(self, part_id: UUID, camera: str) -> Image | None:
        return self._images.pop((part_id, camera), None)


class Encoder:
    """The encode thread: pictures to content-addressed files, off the hot path.

    The queue is bounded; when it is full, `put` waits: a record is never dropped for speed.
    """

    def __init__(self, pipe: Pipe, store: ImageStore, image_format: str) -> None:
        self._pipe = pipe
        self._store = store
        self._format = _PNG if image_format == "png" else _JPEG
        self._queue: queue.Queue[tuple[UUID, str, Image] | None] = queue.Queue(_IMAGES_WAITING)
        self._thread = threading.Thread(target=self._run, name="encode", daemon=True)

    def __enter__(self) -> Encoder:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._queue.put(None)
        self._thread.join(5.0)

    def put(self, part_id: UUID, camera: str, image: Image) -> None:
        self._queue.put((part_id, camera, image))

    def _run(self) -> None:
        this_thread_last()
        while (waiting := self._queue.get()) is not None:
            part_id, camera, image = waiting
            try:
                answer: FromVision = ImageStored(part_id, camera, self._store_image(image))
            except (StorageFault, cv2.error) as error:
                answer = ImageFailed(part_id, camera, str(error))
            try:
                self._pipe.send(answer)
            except LineGone:
                return

    def _store_image(self, image: Image) -> StoredImage:
        suffix, parameters = self._format
        _, encoded = cv2.imencode(suffix, image, list(parameters))
        return self._store.put(encoded.tobytes(), suffix)
