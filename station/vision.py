"""The vision process: owns the cameras of a group and the network. Grab, assess, preprocess, infer, store the image.

Per camera, `acquire` exposes and announces and `prepare` assesses and preprocesses; the main thread infers and decides
what the line asks for, `encode` writes images.
Nothing here decides what the line does: a verdict is only told. The process ends when the line process does: the pipe
between them then ends, and where this process hangs and does not see it, Linux kills it.
"""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from uuid import UUID
from weakref import WeakKeyDictionary

import cv2

from db.images import ImageStore
from inspector.draws import draw_pass
from inspector.errors import StationError, UserError
from inspector.inspection import Inspector
from inspector.overlay import heat_sketch
from inspector.values import Frame, Image, Outcome, PartResult
from station.acquire import Acquisition, FrameShelf
from station.admission import MOST_WAITING
from station.auditing import keeps_image
from station.cameras.base import CameraSettings
from station.cameras.notes import CameraNotes
from station.child import live_with_line
from station.codes import CodeReader
from station.config import StationConfig
from station.detection import PartDetectionSettings, PartDetector
from station.encoding import Encoder, JudgedImages
from station.messages import (
    Alive,
    Begin,
    Challengers,
    Discard,
    Drop,
    FromLine,
    FromVision,
    ImageFailed,
    Inspect,
    Inspected,
    Keep,
    Load,
    NotHeld,
    Ready,
    RuntimeFailed,
    SelfTest,
    Serve,
    Shade,
    Stop,
    Unfit,
)
from station.pipe import LineGone, Pipe
from station.preview import Preview, PreviewSlot
from station.previewing import Previews
from station.scheduling import all_threads_first
from station.selftest import RunningTest
from station.serving import HeldView, Serving, Servings, first_serving, tell_building
from station.shadowing import Shadow

FRAMES_IN_FLIGHT = 2
"""One being inspected, one announced: its row becomes durable meanwhile."""
_ACQUIRE_HANG_S = 30.0
"""A camera driver that does not come back for so long is hung: no sign of life, and the line replaces the process."""


def main(
    connection: Connection,
    triggers: Mapping[str, Connection],
    config: StationConfig,
    group: str,
    start: int,
    serving: int,
    slots: Mapping[str, PreviewSlot],
) -> None:
    """Entry point of the process. `start` is the sequence number of the first frame to take.

    `serving` is the line's number of the configuration's bundle and recipe. Through `triggers` the line asks each
    camera for exposures, past the inspecting thread, which may be busy. `slots` take the newest picture of each camera,
    where somebody may want to see it.
    """
    live_with_line()
    cv2.setNumThreads(1)
    pipe = Pipe(connection, threading.Lock())
    try:
        _serve(pipe, triggers, config, group, start, serving, slots)
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
    number: int,
    slots: Mapping[str, PreviewSlot],
) -> None:
    try:
        first = first_serving(number, config, partial(tell_building, pipe.send, number))
        _settle_heap()
    except (UserError, StationError) as error:
        pipe.send(Unfit(str(error)))
        return
    if config.station.realtime:
        all_threads_first()
    cameras = config.of_group(group)
    with Encoder(pipe, ImageStore(config.images), config.station.image_format) as encoder, Previews(slots) as previews:
        pipe.send(Ready(first.inspector.describe(), len(first.inspector.golden_samples())))
        servings = Servings(config, tuple(camera.name for camera in cameras), first, pipe.send)
        lanes = {
            camera.name: _lane(pipe, servings, config, camera, start, triggers.get(camera.name)) for camera in cameras
        }
        Vision(pipe, servings, encoder, lanes, config, previews).answer_until_line_ends()


@dataclass(frozen=True, slots=True)
class Lane:
    """One camera's way through the process."""

    shelf: FrameShelf
    acquisition: Acquisition


def _lane(
    pipe: Pipe,
    servings: Servings,
    config: StationConfig,
    camera: CameraSettings,
    start: int,
    triggers: Connection | None,
) -> Lane:
    def announce(message: FromVision) -> None:
        """Tell the line; when it is gone, the main thread notices it and ends."""
        with contextlib.suppress(LineGone):
            pipe.send(message)

    notes = CameraNotes(camera, config.recipe, config.station.folder / "cameras", announce)
    shelf = FrameShelf(FRAMES_IN_FLIGHT if triggers is None else MOST_WAITING, servings.prepare)
    aligned = len(config.cameras) > 1
    sight = config.trigger if triggers is None and isinstance(config.trigger, PartDetectionSettings) else None
    detector = PartDetector(sight) if sight else None
    acquisition = Acquisition(
        camera, start, shelf, announce, notes, triggers, aligned, detector, lambda: servings.current.number
    )
    return Lane(shelf, acquisition)


class Vision:
    """Answers the line: inspects the frames that were announced, when asked."""

    def __init__(
        self,
        pipe: Pipe,
        servings: Servings,
        encoder: Encoder,
        lanes: Mapping[str, Lane],
        config: StationConfig,
        previews: Previews | None = None,
    ) -> None:
        self._pipe = pipe
        self._previews = previews
        self._servings = servings
        self._encoder = encoder
        self._lanes = lanes
        self._keep = config.station.keep_images
        self._faults_told: WeakKeyDictionary[Inspector, int] = WeakKeyDictionary()
        self._decides = len(config.cameras) == 1
        """With one view, what is said of it is the part's verdict, and what is kept is decided here."""
        self._codes = CodeReader(config.station.read_code) if config.station.read_code else None
        self._challengers: frozenset[str] = frozenset()
        self._judged = JudgedImages(MOST_WAITING * len(lanes))
        self._heard: deque[FromLine] = deque()
        self._life_sign_s = config.station.hang_s / 4
        self._alive_s = time.monotonic()
        self._idle = threading.Event()
        """Set while no part waits."""
        self._shadow: Shadow | None = None
        self._test: RunningTest | None = None

    def answer_until_line_ends(self) -> None:
        """Raise LineGone at the end; after Stop, what was announced is still inspected.

        Where the inspecting thread fails, the cameras have not ended: the line notices the death, and goes on.
        """
        try:
            while True:
                message = self._hear(0.0 if self._test else self._life_sign_s)
                self._servings.take_over()
                if message is not None:
                    self._answer(message)
                if self._test and (message is None or self._test.is_overdue()):
                    self._test_on(self._test)
                self._sign_of_life()
        finally:
            self._close()

    def _sign_of_life(self) -> None:
        """Say now and then that all threads go round, whatever there is to do: a held line asks for no verdicts."""
        now_s = time.monotonic()
        if now_s - self._alive_s >= self._life_sign_s and all(
            lane.acquisition.silent_s() < _ACQUIRE_HANG_S for lane in self._lanes.values()
        ):
            self._alive_s = now_s
            self._pipe.send(Alive())

    def _close(self) -> None:
        if self._shadow:
            self._shadow.close()
        for lane in self._lanes.values():
            lane.acquisition.abandon(timeout_s=1.0)
            lane.shelf.close()
        self._servings.save()

    def _hear(self, timeout_s: float) -> FromLine | None:
        message = self._heard.popleft() if self._heard else self._pipe.receive(0.0)
        if message is not None or not timeout_s:
            return message
        if all(lane.shelf.empty for lane in self._lanes.values()):
            self._idle.set()
        message = self._pipe.receive(timeout_s)
        self._idle.clear()
        return message

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
            case _:
                self._obey(message)

    def _obey(self, message: FromLine) -> None:
        match message:
            case Load():
                self._servings.load(message)
            case Serve(number):
                self._servings.serve(number)
            case Drop(number):
                self._servings.drop(number)
            case SelfTest():
                self._test = RunningTest(self._servings.current)
            case Shade(number):
                self._shade(None if number is None else self._servings.find(number))

    def _shade(self, serving: Serving | None) -> None:
        if self._shadow:
            self._shadow.close()
            self._servings.drop(self._shadow.number)
        self._shadow = Shadow(serving, self._pipe.send, self._idle) if serving else None

    def _test_on(self, test: RunningTest) -> None:
        """Test what serves with one golden sample more."""
        told = test.step()
        if told is not None:
            self._test = None
            self._pipe.send(told)

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
        wanted = [(message, held) for message, held in taken if held is not None and self._is_wanted(message)]
        for message in (message for message, held in taken if held is None):
            self._pipe.send(NotHeld(message.part_id, message.camera))
        if not wanted:
            return
        serving = wanted[0][1].serving  # of all of them: a part is triggered for one
        judged = serving.judge([held.view for _, held in wanted])
        self._tell_faults(serving)
        for (message, held), inspection in zip(wanted, judged.views, strict=True):
            self._tell(message, held, PartResult(inspection.verdict, (inspection,)))
            self._show(message, held.view.frame)

    def _is_wanted(self, message: Inspect) -> bool:
        if time.monotonic_ns() > message.deadline_ns:
            self._pipe.send(NotHeld(message.part_id, message.camera, "overload: its turn came after its deadline"))
            return False
        return True

    def _tell(self, message: Inspect, held: HeldView, judged: PartResult) -> None:
        serving, image = held.serving, held.view.frame.image
        watch = serving.watches[message.camera]
        part = watch.guard(judged)
        code = self._codes.read(image) if self._codes else None
        counted = not message.challenge and code not in self._challengers
        draw = None
        if self._decides and serving.plan and counted:
            draw = draw_pass(serving.plan.key, serving.plan.strata, message.part_id, part.verdict)
        shadowed = counted and self._shadow is not None
        kept = draw is not None or keeps_image(part.verdict, self._keep, shadowed=shadowed)
        keep = self._decides and kept
        self._pipe.send(Inspected(message.part_id, message.camera, _sketched(part, held), keep, draw, code))
        if keep:
            self._encoder.put(message.part_id, message.camera, image)
        elif not self._decides:
            self._judged.put(message.part_id, message.camera, image)
        if counted and serving.inspector is self._servings.current.inspector:
            watch.see(judged, image)
        if counted and self._shadow:
            self._shadow.offer(message.part_id, message.camera, held.view.frame)

    def _show(self, message: Inspect, frame: Frame) -> None:
        if self._previews is not None:
            preview = Preview(frame.image, message.sequence, message.part_id, frame.captured_at)
            self._previews.show(message.camera, preview)

    def _tell_faults(self, serving: Serving) -> None:
        faults, told = serving.inspector.faults, self._faults_told.get(serving.inspector, 0)
        for fault in faults[told:]:
            self._pipe.send(RuntimeFailed(fault))
        self._faults_told[serving.inspector] = len(faults)

    def _store(self, part_id: UUID, camera: str, image: Image | None) -> None:
        if image is None:
            self._pipe.send(ImageFailed(part_id, camera, f"camera {camera!r}: the picture is no longer held"))
        else:
            self._encoder.put(part_id, camera, image)


def _sketched(part: PartResult, held: HeldView) -> PartResult:
    """The part as it leaves the process: its heat map as a small picture, and that only where the part did not pass."""
    (view,) = part.views
    heat = view.prediction.heat if view.prediction else None
    if heat is None or part.verdict.outcome is Outcome.PASS or len(held.view.placements) != 1:
        return part.without_heat()
    sketch = heat_sketch(heat, held.view.placements[0], held.serving.inspector.bundle.manifest.input)
    return replace(part, views=(replace(view, heat_png=sketch),)).without_heat()
