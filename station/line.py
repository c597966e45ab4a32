"""The line process's loop: triggers in, verdicts out, and an account of every part.

Per part: open the ledger row and ask for the inspection, both at once -> when the row is durable and the verdict is
there, act on the line -> complete the row. A verdict that comes before its row is durable waits for it. A part whose
verdict is late, lost or failed, or whose row is refused, is NOT_INSPECTED, at its deadline at the latest, and diverted.
The loop loads no camera SDK and no runtime, so nothing of theirs can take it down; what it owns dies only with it, and
the ledger says so at the restart.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing.connection
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from queue import SimpleQueue
from uuid import UUID

from db.images import StoredImage
from db.ledger import Ledger
from db.records import Event, Severity
from inspector.draws import Draw
from inspector.errors import StationError, UserError
from inspector.ids import new_id
from inspector.values import InspectionRecord, Verdict
from inspector.verdict import not_inspected
from station.config import StationConfig
from station.messages import (
    Alive,
    CameraNote,
    CameraState,
    Discard,
    Drifted,
    DriftPoint,
    DriftStatus,
    Ended,
    Exposed,
    FromVision,
    FromWatch,
    ImageFailed,
    ImageStored,
    Inspect,
    Inspected,
    NotHeld,
    Ready,
    Relearning,
    RuntimeFailed,
    Stop,
    Trigger,
    Unfit,
)
from station.openings import Action, Openings
from station.outputs.base import JudgedPart, LineState, Output, TriggeredPart
from station.status import LastVerdict, Tally
from station.supervisor import RestartBudget, VisionLost, VisionProcess

logger = logging.getLogger(__name__)

_LONGEST_WAIT_S = 0.1
_IMAGE_WAIT_S = 10.0
_STOP_GRACE_S = 5.0
_MOST_TRIGGERS_WAITING = 64


@dataclass(frozen=True, slots=True)
class Identity:
    """What every record of a run has in common."""

    run_id: UUID
    station: str
    recipe: str
    bundle_id: str
    simulated: bool = False
    """The parts are none of production: rendered ones."""


@dataclass(frozen=True, slots=True)
class PartInFlight:
    """A part without a verdict yet."""

    record: InspectionRecord
    triggered_ns: int
    deadline_ns: int
    simulated: bool = False

    def triggered(self) -> TriggeredPart:
        return TriggeredPart(self.record.part_id, self.record.trigger, self.triggered_ns, self.simulated)


@dataclass(frozen=True, slots=True)
class PartAwaitingImage:
    """A part that was acted on; its row is completed when its image is on the disk, or after a while without."""

    record: InspectionRecord
    until_ns: int
    draw: Draw | None = None


class LineLoop:
    """One run of a station. `run` returns when the camera has ended or `stop` was set and all parts are accounted for.

    starting -> running <-> restarting -> ending -> (returned)
    """

    def __init__(
        self,
        config: StationConfig,
        identity: Identity,
        ledger: Ledger,
        output: Output,
        tally: Tally,
        stop: threading.Event,
        start: int,
        start_vision: Callable[[StationConfig, int], VisionProcess] = VisionProcess,
    ) -> None:
        self._config = config
        self._identity = identity
        self._ledger = ledger
        self._output = output
        self._tally = tally
        self._stop = stop
        self._next_sequence = start
        self._budget = RestartBudget(config.station.restarts)
        self._in_flight: dict[UUID, PartInFlight] = {}
        self._awaiting_image: dict[UUID, PartAwaitingImage] = {}
        self._unexposed: dict[int, UUID] = {}
        self._later: SimpleQueue[Action] = SimpleQueue()
        self._openings = Openings(ledger, self._do_later)
        self._woken, self._wake = multiprocessing.connection.Pipe(duplex=False)
        self._ready = False
        self._alive_ns = 0
        self._ended = False
        self._stop_by_ns: int | None = None
        self._next_trigger_ns = 0
        self._start_vision = start_vision
        self._vision = start_vision(config, start)

    def run(self) -> None:
        """Serve the line until the end; raise UserError or StationError for what a restart cannot mend."""
        try:
            while not self._finished():
                self._hear()
                self._run_later()
                self._expire(time.monotonic_ns())
                self._watch_vision(time.monotonic_ns())
                self._trigger_by_timer(time.monotonic_ns())
                self._heed_stop(time.monotonic_ns())
                self._pulse()
        finally:
            self._tally.state = "ending"
            self._answer_for_all("station stopped before the verdict")
            self._vision.stop(_STOP_GRACE_S)
            self._woken.close()
            self._wake.close()

    def _finished(self) -> bool:
        if self._stop_by_ns is not None and time.monotonic_ns() > self._stop_by_ns:
            return True
        return self._ended and not self._in_flight and not self._awaiting_image

    # ---- what the vision process says

    def _hear(self) -> None:
        """Wait for the vision process, a durable row or the next deadline, and answer all that is there."""
        ready = multiprocessing.connection.wait([self._vision.connection, self._woken], self._wait_s())
        if self._woken in ready:
            self._woken.recv_bytes()
        try:
            while self._vision.connection.poll():
                self._answer(self._vision.receive())
        except VisionLost as error:
            self._replace_vision(str(error))

    def _wait_s(self) -> float:
        deadlines_ns = [part.deadline_ns for part in self._in_flight.values()]
        if self._by_timer:
            deadlines_ns.append(self._next_trigger_ns)
        if not deadlines_ns:
            return _LONGEST_WAIT_S
        return max(0.0, min(_LONGEST_WAIT_S, (min(deadlines_ns) - time.monotonic_ns()) / 1e9))

    def _answer(self, message: FromVision) -> None:
        match message:
            case Exposed():
                self._expose(message)
            case Alive():
                self._alive_ns = time.monotonic_ns()
            case Inspected(part_id):
                self._alive_ns = time.monotonic_ns()
                self._when_durable(part_id, lambda: self._inspected(message))
            case ImageStored(part_id, image):
                self._when_durable(part_id, lambda: self._complete_with_image(part_id, image))
            case ImageFailed(part_id, why):
                self._event(Severity.ALARM, "image not stored", why)
                self._when_durable(part_id, lambda: self._complete_with_image(part_id, None))
            case NotHeld(part_id):
                self._fail(part_id, "frame no longer held")
            case Drifted() | DriftStatus() | DriftPoint() | Relearning():
                self._note_drift(message)
            case _:
                self._note_state(message)

    def _note_drift(self, message: FromWatch) -> None:
        match message:
            case Drifted(camera, alarm):
                kind = "drift_alarm" if alarm.severity == "ALARM" else "drift_warning"
                since = f" (since part {alarm.since_part} of {alarm.part})"
                self._event(Severity(alarm.severity), kind, f"camera {camera}: {alarm.text}{since}")
            case DriftStatus(words, well):
                self._tally.drift = words
                if not well:
                    self._event(Severity.WARNING, "drift_fault", words)
            case Relearning(camera, by, why, ended):
                said = ", ".join(f"{alarm.figure} since part {alarm.since_part}" for alarm in ended) or "none"
                self._event(Severity.INFO, "drift_relearn", f"camera {camera}: by {by}: {why}; alarms ended: {said}")
            case DriftPoint(point):
                self._record(Severity.INFO, "drift_figures", point.model_dump_json())

    def _note_state(self, message: Ready | CameraState | CameraNote | RuntimeFailed | Ended | Unfit) -> None:
        match message:
            case Ready(description, golden_samples):
                self._start_running(description, golden_samples)
            case CameraState(well, why):
                self._tally.camera = "well" if well else why
                self._event(Severity.INFO if well else Severity.ALARM, "camera back" if well else "camera lost", why)
            case CameraNote(_, kind, why, warning):
                self._event(Severity.WARNING if warning else Severity.INFO, kind, why)
            case RuntimeFailed(why):
                self._event(Severity.ALARM, "runtime failed", why)
            case Ended(why):
                self._ended = True
                self._event(Severity.INFO, "camera ended", why)
            case Unfit(why):
                raise UserError(why)

    def _start_running(self, description: dict[str, str], golden_samples: int) -> None:
        self._ready, self._alive_ns = True, time.monotonic_ns()
        self._tally.state, self._tally.camera = "running", "well"
        self._next_trigger_ns = time.monotonic_ns()
        runtime = ", ".join(f"{name} {value}" for name, value in description.items())
        self._event(Severity.INFO, "vision ready", f"{runtime}; {golden_samples} golden samples as recorded")

    # ---- a part comes

    @property
    def _by_timer(self) -> bool:
        return self._config.trigger.kind == "timer"

    def _expose(self, exposed: Exposed) -> None:
        if self._by_timer:
            self._match(exposed)
            return
        part = self._new_part(exposed.sequence, exposed.source, exposed.captured_at, exposed.exposed_ns)
        if exposed.fault is None and not self._openings.full:
            self._vision.send(Inspect(part.record.part_id, exposed.sequence))  # Before the row: its writer takes time.
            self._open(part)
        else:
            self._open(part)
            self._exposed(part.record.part_id, exposed)

    def _exposed(self, part_id: UUID, exposed: Exposed) -> None:
        if exposed.fault is not None:
            self._fail(part_id, f"no picture: {exposed.fault}")
        else:
            self._ask(part_id, exposed.sequence)

    def _match(self, exposed: Exposed) -> None:
        """Attach an exposure to the part that it was made for; one that came too late belongs to nobody."""
        part_id = self._unexposed.pop(exposed.sequence, None)
        part = self._in_flight.get(part_id) if part_id else None
        if part_id is None or part is None:
            self._vision.send(Discard(exposed.sequence))
        else:
            self._in_flight[part_id] = replace(part, record=replace(part.record, source=exposed.source))
            self._exposed(part_id, exposed)

    def _trigger_by_timer(self, now_ns: int) -> None:
        settings = self._config.trigger
        if not self._by_timer or self._ended or self._stop_by_ns is not None or now_ns < self._next_trigger_ns:
            return
        if not self._tally.triggers and not self._ready:
            return
        if settings.count is not None and self._tally.triggers >= settings.count:
            self._ended = True
            return
        self._next_trigger_ns = max(self._next_trigger_ns + int(1e9 / settings.rate_hz), now_ns)
        sequence = self._next_sequence
        part = self._new_part(sequence, "", datetime.now(UTC), now_ns)
        self._open(part)
        self._unexposed[sequence] = part.record.part_id
        if len(self._in_flight) <= _MOST_TRIGGERS_WAITING:
            self._vision.send(Trigger(sequence, part.deadline_ns))

    def _new_part(self, sequence: int, source: str, triggered_at: datetime, triggered_ns: int) -> PartInFlight:
        self._tally.triggers += 1
        self._next_sequence = sequence + 1
        record = InspectionRecord(
            part_id=new_id(),
            run_id=self._identity.run_id,
            station=self._identity.station,
            recipe=self._identity.recipe,
            bundle_id=self._identity.bundle_id,
            trigger=self._tally.triggers,
            source=source,
            triggered_at=triggered_at,
            sequence=sequence,
        )
        deadline_ns = triggered_ns + int(self._config.station.deadline_ms * 1e6)
        part = PartInFlight(record, triggered_ns, deadline_ns, self._identity.simulated)
        self._in_flight[record.part_id] = part
        self._output.expect(part.triggered())
        return part

    def _open(self, part: PartInFlight) -> None:
        """Send the part's row to the disk. Called before the loop hears anything else about the part."""
        part_id = part.record.part_id
        self._openings.open(
            part.record, lambda why: self._answer_for(part_id, not_inspected(f"ledger: {why}")), part.simulated
        )

    def _ask(self, part_id: UUID, sequence: int) -> None:
        """Ask for the inspection: at once, or, while the ledger stalls, when the part's row is durable."""
        if self._openings.full:
            self._when_durable(part_id, lambda: self._vision.send(Inspect(part_id, sequence)))
        else:
            self._vision.send(Inspect(part_id, sequence))

    def _when_durable(self, part_id: UUID, action: Action) -> None:
        """Do `action` when the part's row is durable, after what waited for earlier rows: parts are acted on in order.

        A part that is not known has no row on its way; its action is done at once, and finds no part.
        """
        if not self._openings.hold(part_id, action):
            self._run_later()
            action()

    def _do_later(self, action: Action) -> None:
        """Have the loop's thread call `action`, from another thread."""
        self._later.put(action)
        with contextlib.suppress(OSError):
            self._wake.send_bytes(b"!")

    def _run_later(self) -> None:
        while not self._later.empty():
            self._later.get()()

    # ---- a part gets its verdict

    def _inspected(self, message: Inspected) -> None:
        part = self._in_flight.get(message.part_id)
        if part is None:
            return
        if time.monotonic_ns() > part.deadline_ns:  # The part has moved on: a verdict now would hit its neighbour.
            self._answer_for(message.part_id, not_inspected(self._why_late(part)))
            return
        verdict = message.part.verdict
        record = self._act(part, verdict, replace(part.record, views=message.part.views))
        if message.image_follows:
            until_ns = time.monotonic_ns() + int(_IMAGE_WAIT_S * 1e9)
            self._awaiting_image[record.part_id] = PartAwaitingImage(record, until_ns, message.draw)
        else:
            self._complete(record, None, message.draw)

    def _fail(self, part_id: UUID, why: str) -> None:
        """Answer for a part without a verdict, when its row is durable."""
        self._when_durable(part_id, lambda: self._answer_for(part_id, not_inspected(why)))

    def _answer_for(self, part_id: UUID, verdict: Verdict) -> None:
        """Give a part the fail-safe verdict at once, unless it has one."""
        if (part := self._in_flight.get(part_id)) is not None:
            self._complete(self._act(part, verdict, part.record), None)

    def _act(self, part: PartInFlight, verdict: Verdict, record: InspectionRecord) -> InspectionRecord:
        del self._in_flight[record.part_id]
        self._unexposed.pop(record.sequence, None)
        self._output.act(JudgedPart(part.triggered(), verdict))
        latency_ms = (time.monotonic_ns() - part.triggered_ns) / 1e6
        self._tally.add(LastVerdict(record.trigger, record.source, verdict, latency_ms))
        return replace(
            record,
            outcome=verdict.outcome,
            reasons=verdict.reasons,
            label=verdict.label,
            defect_probability=verdict.defect_probability,
            latency_ms=latency_ms,
        )

    def _complete_with_image(self, part_id: UUID, image: StoredImage | None) -> None:
        if (waiting := self._awaiting_image.pop(part_id, None)) is not None:
            sha256 = image.sha256 if image else None
            self._complete(replace(waiting.record, image_sha256=sha256), image, waiting.draw)

    def _complete(self, record: InspectionRecord, image: StoredImage | None, draw: Draw | None = None) -> None:
        future = self._ledger.complete_part(replace(record, completed_at=datetime.now(UTC)), image, draw)
        future.add_done_callback(_log_refusal)

    # ---- what goes wrong

    def _expire(self, now_ns: int) -> None:
        late = [part for part in self._in_flight.values() if part.deadline_ns <= now_ns]
        for part in late:
            why = self._why_late(part)
            self._answer_for(part.record.part_id, not_inspected(why))
            self._vision.send(Discard(part.record.sequence))
        self._tally.ledger = str(self._ledger.fault or "well")
        for part_id in [part_id for part_id, part in self._awaiting_image.items() if part.until_ns <= now_ns]:
            self._event(Severity.ALARM, "image not stored", f"no answer within {_IMAGE_WAIT_S:g} s")
            self._complete_with_image(part_id, None)

    def _why_late(self, part: PartInFlight) -> str:
        limit = f"deadline of {self._config.station.deadline_ms:g} ms passed"
        if part.record.part_id in self._openings:
            return f"{limit}: ledger row not durable ({self._ledger.fault or 'the storage is slow'})"
        if part.record.sequence in self._unexposed:
            return f"{limit}: no exposure (camera: {self._tally.camera})"
        return f"{limit}: no verdict"

    def _watch_vision(self, now_ns: int) -> None:
        station = self._config.station
        if not self._ready:
            if time.monotonic() - self._vision.started_s > station.start_s:
                self._replace_vision(f"vision process was not ready within {station.start_s:g} s")
        elif now_ns - self._alive_ns > station.hang_s * 1e9:
            self._replace_vision(f"vision process hung for {station.hang_s:g} s")

    def _replace_vision(self, why: str) -> None:
        """Start another vision process, unless none is wanted any more, and answer for what the lost one owed.

        The new one is in place before the old one's debts are cleared: a part whose question waited for its row asks
        the new process, which answers NotHeld.
        """
        self._ready = False
        self._vision.kill()
        if self._ended or self._stop_by_ns is not None:
            self._ended = True
        elif self._budget.spend():
            self._tally.restarts += 1
            self._tally.state = "restarting"
            self._event(Severity.ALARM, "vision restarted", why)
            self._vision = self._start_vision(self._config, self._next_sequence)
        else:
            raise StationError(f"{why}; {self._config.station.restarts} restarts within ten minutes did not mend it")
        self._abandon(why)

    def _abandon(self, why: str) -> None:
        """Answer for what the vision process will say no more about; a verdict that waits for its row still counts."""
        for part_id in [*self._in_flight, *self._awaiting_image]:
            self._when_durable(part_id, partial(self._abandon_part, part_id, why))

    def _abandon_part(self, part_id: UUID, why: str) -> None:
        self._answer_for(part_id, not_inspected(why))
        if part_id in self._awaiting_image:
            self._event(Severity.ALARM, "image not stored", why)
            self._complete_with_image(part_id, None)

    def _answer_for_all(self, why: str) -> None:
        """Answer for every part at once: nobody will be there when its row is durable."""
        for part_id in [*self._in_flight, *self._awaiting_image]:
            self._abandon_part(part_id, why)

    def _pulse(self) -> None:
        """Let the outputs know that the loop goes round, and note how they do."""
        fault = self._ledger.fault
        for state in self._output.pulse(LineState(self._tally.state, None if fault is None else str(fault))):
            if self._tally.note_output(state):
                severity = Severity.INFO if state.well else Severity.ALARM
                self._event(severity, "output back" if state.well else "output down", f"{state.output}: {state.words}")

    def _heed_stop(self, now_ns: int) -> None:
        if self._stop.is_set() and self._stop_by_ns is None:
            self._tally.state = "ending"
            self._stop_by_ns = now_ns + int((_STOP_GRACE_S + self._config.station.deadline_ms / 1e3) * 1e9)
            self._vision.send(Stop())

    def _event(self, severity: Severity, kind: str, message: str) -> None:
        level = logging.INFO if severity is Severity.INFO else logging.WARNING
        logger.log(level, "%s: %s", kind, message)
        self._record(severity, kind, message)

    def _record(self, severity: Severity, kind: str, message: str) -> None:
        self._ledger.record_event(Event(self._identity.station, severity, kind, message)).add_done_callback(
            _log_refusal
        )


def _log_refusal(future: Future[None]) -> None:
    if (refusal := future.exception()) is not None:
        logger.error("ledger: %s", refusal)
