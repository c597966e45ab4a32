"""The line process's loop: triggers in, verdicts out.

Per part: open the ledger row and ask for the inspections, both at once -> when the row is durable and the verdicts of
all views are there, act on the line -> complete the row. What is said of a part before its row is durable waits for it.
A part whose verdict is late, lost or failed, or whose row is refused, is NOT_INSPECTED, at its deadline at the latest,
and diverted. The loop loads no camera SDK and no runtime, so nothing of theirs can take it down; what it owns dies only
with it, and the ledger says so at the restart.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from db.ledger import Ledger
from db.records import Run, Severity
from inspector.draws import Draw, draw_pass
from inspector.errors import StationError, UserError
from inspector.values import NO_TAG, InspectionRecord, PartTag, Verdict
from station.account import Account, Line, new_record
from station.auditing import AuditPlan, keeps_image
from station.building import BuildNotes
from station.challenges.guard import Guard
from station.config import StationConfig
from station.desk import OrderDesk
from station.drift_notes import DriftNotes
from station.ears import Ears
from station.groups import StartVision, VisionGroup
from station.holding import Holding
from station.inbox import Inbox
from station.journal import Journal
from station.messages import (
    Alive,
    Building,
    Built,
    CameraNote,
    CameraState,
    Challengers,
    Drifted,
    DriftPoint,
    DriftStatus,
    Ended,
    Exposed,
    FromOrders,
    FromRuntime,
    FromVision,
    ImageFailed,
    ImageStored,
    Inspected,
    Keep,
    NotHeld,
    Ready,
    Relearning,
    RuntimeFailed,
    Stop,
    Unexposed,
    Unfit,
)
from station.ordering import OrderFeed
from station.outputs.base import LineState, Output
from station.parts import Identity, PartInFlight
from station.status import Tally
from station.succession import LineServing, Succession
from station.supervisor import VisionLost, VisionProcess
from station.triggers import is_by_camera
from station.triggers.base import Pulse
from station.triggers.intake import Intake

_LONGEST_WAIT_S = 0.1
_STOP_GRACE_S = 5.0


class LineLoop:
    """One run of a station. `run` returns when the camera has ended or `stop` was set and all parts are accounted for.

    starting -> running -> ending -> (returned)
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
        start_vision: StartVision = VisionProcess,
        plan: AuditPlan | None = None,
        guard: Guard | None = None,
        orders: OrderFeed | None = None,
        holding: Holding | None = None,
        run: Run | None = None,
    ) -> None:
        self._config = config
        self._orders = orders
        self._tally = tally
        self._stop = stop
        self._next_sequence = start
        self._cameras = tuple(camera.name for camera in config.cameras)
        self._leader = self._cameras[0] if is_by_camera(config.trigger) else None
        self._camera_states = dict.fromkeys(self._cameras, "opening")
        self._begun = False
        self._ended = False
        self._stop_by_ns: int | None = None
        self._ledger = ledger
        self._output = output
        self._journal = Journal(ledger, identity.station)
        self._builds = BuildNotes(self._journal)
        self._drift = DriftNotes(self._journal, tally, several=len(self._cameras) > 1)
        self._inbox = Inbox()
        self._ears = Ears()
        self._guard = guard or Guard()
        line = Line(ledger, output, tally, self._journal, self._inbox, self._guard)
        self._account = Account(line, self._cameras, config.station.deadline_ms, self._why_late)
        if len(self._cameras) > 1:
            self._account.retain = self._retain
        self._intake = Intake(config.trigger, self._inbox.put, self._journal, self._part_by_pulse, self._missed)
        self._groups = [VisionGroup(name, names, config, start_vision, start) for name, names in config.groups.items()]
        self._group_of = {camera: group for group in self._groups for camera in group.cameras}
        for group in self._groups:
            tally.note_vision(group.name, "starting")
        tally.cameras = dict(self._camera_states)
        first = LineServing(0, identity, config.station.bundle, config.recipe, plan, run)
        self._succession = Succession(first, config, self._groups, line)
        self._desk = OrderDesk(self._succession, config, self._groups, line, holding or Holding())

    def run(self) -> None:
        """Serve the line until the end; raise UserError or StationError for what a restart cannot mend."""
        if self._orders is not None:
            self._orders.begin(self._inbox.put, self._desk.take, self._desk.refuse)
        try:
            while not self._finished():
                self._hear()
                self._inbox.run_all()
                self._account.expire(time.monotonic_ns())
                self._tally.ledger = str(self._ledger.fault or "well")
                self._watch_groups(time.monotonic_ns())
                self._heed_guard()
                self._desk.step(self._account.has_parts)
                self._heed_stop(time.monotonic_ns())
                self._pulse()
        finally:
            self._end()

    @property
    def runs(self) -> list[UUID]:
        """The runs that have not ended, what serves last."""
        return self._succession.runs

    def _end(self) -> None:
        self._tally.state = "ending"
        if self._orders is not None:
            self._orders.close()
        self._intake.close()
        try:
            self._inbox.run_all()  # a trigger that came in the last moment is a part too
        finally:  # also where the ledger takes no further row
            self._account.answer_for_all("station stopped before the verdict")
            for group in self._groups:
                group.process.stop(_STOP_GRACE_S)
            self._inbox.close()

    def _finished(self) -> bool:
        if self._stop_by_ns is not None and time.monotonic_ns() > self._stop_by_ns:
            return True
        return (self._ended or self._intake.ended) and not len(self._account)

    # ---- what the vision processes say

    def _hear(self) -> None:
        """Wait for a vision process, the inbox or the next deadline, and answer all that is there."""
        speaking = {group.process.connection: group for group in self._groups if not group.lost}
        self._ears.listen([*speaking, self._inbox.bell])
        for ready in self._ears.wait(self._wait_s()):
            if ready in speaking:
                self._hear_group(speaking[ready])

    def _hear_group(self, group: VisionGroup) -> None:
        try:
            while self._ears.has_more(group.process.connection):
                self._answer(group, group.process.receive())
        except VisionLost as error:
            self._replace_vision(group, str(error))

    def _wait_s(self) -> float:
        soonest_ns = self._account.next_deadline_ns()
        if soonest_ns is None:
            return _LONGEST_WAIT_S
        return max(0.0, min(_LONGEST_WAIT_S, (soonest_ns - time.monotonic_ns()) / 1e9))

    def _answer(self, group: VisionGroup, message: FromVision) -> None:
        match message:
            case Exposed():
                self._expose(group, message)
            case Alive():
                group.heard()
            case Inspected(part_id, camera):
                group.heard()
                group.judged(part_id, camera)
                self._account.when_durable(part_id, lambda: self._account.inspected(message))
            case NotHeld(part_id, camera, why):
                group.spared(part_id, camera)
                self._account.not_seen(part_id, camera, why)
            case Unexposed(camera, sequence):
                self._not_exposed(group, camera, sequence)
            case ImageStored() | ImageFailed():
                self._image_came(message)
            case Drifted() | DriftStatus() | DriftPoint() | Relearning():
                self._drift.note(message)
            case _:
                self._note_state(group, message)

    def _image_came(self, message: ImageStored | ImageFailed) -> None:
        account, part_id, camera = self._account, message.part_id, message.camera
        match message:
            case ImageStored(image=image):
                account.when_durable(part_id, lambda: account.image_stored(part_id, camera, image))
            case ImageFailed(message=why):
                account.when_durable(part_id, lambda: account.image_failed(part_id, camera, why))

    def _note_state(
        self,
        group: VisionGroup,
        message: Ready | CameraState | CameraNote | FromRuntime | Ended | Unfit | FromOrders,
    ) -> None:
        match message:
            case Ready(description, golden_samples):
                self._become_ready(group, description, golden_samples)
            case CameraState(camera, well, why):
                self._note_camera(camera, "well" if well else why)
                severity, kind = (Severity.INFO, "camera back") if well else (Severity.ALARM, "camera lost")
                self._journal.note(severity, kind, why, camera)
            case CameraNote(camera, kind, why, warning):
                self._journal.note(Severity.WARNING if warning else Severity.INFO, kind, why, camera)
            case Ended(camera, why):
                self._ended = True
                self._intake.close()
                self._journal.note(Severity.INFO, "camera ended", why, camera)
            case Unfit(why):
                raise UserError(why)
            case RuntimeFailed() | Building() | Built():
                self._note_runtime(group, message)
            case _:
                self._desk.heard(group, message)

    def _note_runtime(self, group: VisionGroup, message: FromRuntime) -> None:
        match message:
            case RuntimeFailed(why):
                self._journal.note(Severity.ALARM, "runtime failed", why)
            case Built(why):
                self._journal.note(Severity.INFO, "runtime ready", why)
            case Building(number, words):
                self._note_building(group, number, words)

    def _note_building(self, group: VisionGroup, number: int, words: str) -> None:
        group.builds()
        if not group.ready:
            self._tally.note_vision(group.name, f"starting: {words}")
        is_news = self._builds.note(group.name, number, words)
        self._succession.builds(number, words if is_news else None)

    def _note_camera(self, camera: str, state: str) -> None:
        self._camera_states[camera] = state
        self._tally.cameras = dict(self._camera_states)
        unwell = [state for state in self._camera_states.values() if state != "well"]
        self._tally.camera = "; ".join(unwell) or "well"

    def _become_ready(self, group: VisionGroup, description: dict[str, str], golden_samples: int) -> None:
        group.became_ready()
        self._tally.note_vision(group.name, "well")
        for camera in group.cameras:
            self._note_camera(camera, "well")
        runtime = ", ".join(f"{name} {value}" for name, value in description.items())
        self._journal.note(Severity.INFO, "vision ready", f"{runtime}; {golden_samples} golden samples as recorded")
        if self._guard.codes:
            group.process.send(Challengers(self._guard.codes))
        self._succession.back(group)
        self._begin()

    def _begin(self) -> None:
        """Take parts when every group is ready; one that comes back later joins in at once."""
        if all(group.ready for group in self._groups):
            self._tally.state, self._begun = "running", True
        if self._begun and self._stop_by_ns is None:
            for group in self._groups:
                group.begin()
            self._intake.open()

    # ---- a part comes

    def _expose(self, group: VisionGroup, exposed: Exposed) -> None:
        if exposed.camera == self._leader:
            self._part_by_exposure(group, exposed)
        else:
            self._match(group, exposed)

    def _part_by_exposure(self, group: VisionGroup, exposed: Exposed) -> None:
        serving = self._succession.of(exposed.serving)
        record = self._new_record(exposed.sequence, NO_TAG, exposed.captured_at, exposed.source, serving)
        part = self._enter(record, exposed.exposed_ns, serving)
        others = self._cameras[1:]
        hopeless = exposed.fault if exposed.overload else self._overload(others)
        if serving is None:
            hopeless = "change-over: exposed for what no longer serves"
        early = exposed.fault is None and hopeless is None and not self._account.openings.full
        if early:  # Before the row: its writer takes time.
            group.inspect(part, exposed.camera, exposed.sequence)
        self._account.open(part)
        if hopeless is not None:
            self._account.give_up(record.part_id, hopeless)
            group.discard(record.part_id, exposed.camera, exposed.sequence)
            return
        self._trigger(part, others)
        if not early:
            self._seen(group, part, exposed)

    def _part_by_pulse(self, pulse: Pulse) -> None:
        record = self._new_record(self._next_sequence, pulse.tag, pulse.at)
        part = self._enter(record, pulse.at_ns)
        self._account.open(part)
        if self._ended:
            self._account.fail(record.part_id, f"no exposure (camera: {self._tally.camera})")
        elif (hopeless := self._overload(self._cameras)) is not None:
            self._account.give_up(record.part_id, hopeless)
        else:
            self._trigger(part, self._cameras)

    def _missed(self, why: str) -> None:
        """A part passed of which only the source's count tells."""
        pulse = Pulse()
        record = self._new_record(self._next_sequence, pulse.tag, pulse.at)
        self._account.open(self._enter(record, pulse.at_ns))
        self._account.fail(record.part_id, why)

    def _new_record(
        self, sequence: int, tag: PartTag, at: datetime, source: str = "", serving: LineServing | None = None
    ) -> InspectionRecord:
        self._tally.triggers += 1
        self._next_sequence = sequence + 1
        identity = (serving or self._succession.current).identity
        return new_record(identity, self._tally.triggers, sequence, tag, at, source)

    def _enter(self, record: InspectionRecord, at_ns: int, serving: LineServing | None = None) -> PartInFlight:
        serving = serving or self._succession.current
        return self._account.enter(record, at_ns, serving.identity.simulated, serving.number)

    def _overload(self, cameras: tuple[str, ...]) -> str | None:
        """Return why no part can be asked of these cameras, held or busy as they are; None where it can."""
        if (why := self._desk.holding.why) is not None:
            return why
        return next((why for camera in cameras if (why := self._group_of[camera].overload(camera))), None)

    def _trigger(self, part: PartInFlight, cameras: tuple[str, ...]) -> None:
        """Ask these cameras for an exposure of the part."""
        part_id, sequence = part.record.part_id, part.record.sequence
        by_ns = min(part.deadline_ns, part.triggered_ns + int(self._config.trigger.expose_within_ms * 1e6))
        for camera in cameras:
            group = self._group_of[camera]
            if group.ready:
                group.trigger(part_id, camera, sequence, by_ns, part.serving)
            else:
                self._account.not_seen(part_id, camera, "vision process is restarting")

    def _match(self, group: VisionGroup, exposed: Exposed) -> None:
        """Attach an exposure to the part that it was made for; one that came too late belongs to nobody."""
        part_id = group.exposed(exposed.camera, exposed.sequence)
        part = self._account.find(part_id)
        if part is None:
            group.discard(part_id, exposed.camera, exposed.sequence)
            return
        source = part.record.source or exposed.source
        self._account.update(replace(part, record=replace(part.record, source=source)))
        self._seen(group, part, exposed)

    def _seen(self, group: VisionGroup, part: PartInFlight, exposed: Exposed) -> None:
        """Ask for the inspection: at once, or, while the ledger stalls, when the part's row is durable."""
        part_id = part.record.part_id
        if exposed.fault is not None:
            group.spared(part_id, exposed.camera)
            self._account.not_seen(part_id, exposed.camera, f"no picture: {exposed.fault}")
        elif self._account.openings.full:
            self._account.when_durable(part_id, lambda: self._inspect(group, part, exposed))
        else:
            self._inspect(group, part, exposed)

    def _inspect(self, group: VisionGroup, part: PartInFlight, exposed: Exposed) -> None:
        part_id = part.record.part_id
        if self._account.find(part_id) is None:
            group.discard(part_id, exposed.camera, exposed.sequence)
        else:
            group.inspect(part, exposed.camera, exposed.sequence)

    def _not_exposed(self, group: VisionGroup, camera: str, sequence: int) -> None:
        part_id = group.exposed(camera, sequence)
        if part_id is not None:
            group.spared(part_id, camera)
            why = f"no exposure within {self._config.trigger.expose_within_ms:g} ms of the trigger"
            self._account.not_seen(part_id, camera, f"{why} (camera: {self._camera_states[camera]})")

    # ---- what becomes of a part

    def _retain(self, record: InspectionRecord, verdict: Verdict, cameras: frozenset[str]) -> tuple[bool, Draw | None]:
        """Decide on a part of several views, and ask for their images. Where there is one view, its process decides."""
        part_id, plan = record.part_id, self._succession.plan_of(record.run_id)
        draw = draw_pass(plan.key, plan.strata, part_id, verdict) if plan else None
        keep = draw is not None or keeps_image(
            verdict, self._config.station.keep_images, shadowed=self._succession.shadowed
        )
        for camera in cameras if keep else ():
            self._group_of[camera].process.send(Keep(part_id, camera))
        return keep, draw

    def _why_late(self, part: PartInFlight, camera: str) -> str:
        group = self._group_of[camera]
        if group.awaits_exposure(camera, part.record.sequence):
            return f"no exposure (camera: {group.backlog(camera) or self._camera_states[camera]})"
        return f"no verdict ({backlog})" if (backlog := group.backlog(camera)) else "no verdict"

    # ---- what goes wrong

    def _watch_groups(self, now_ns: int) -> None:
        for group in self._groups:
            if (why := group.fault(now_ns)) is not None:
                self._replace_vision(group, why)

    def _replace_vision(self, group: VisionGroup, why: str) -> None:
        """Start another vision process, unless none is wanted any more, and answer for what the lost one owed.

        The new one is in place before the old one's debts are cleared: a part whose question waited for its row asks
        the new process, which answers NotHeld.
        """
        group.lose()
        self._desk.lost(group)
        serving = self._succession.for_restart()
        if self._ended or self._stop_by_ns is not None:
            self._ended = True
        elif group.restart(self._next_sequence, self._config.on(serving.bundle, serving.recipe), serving.number):
            self._tally.restarts += 1
            self._tally.note_vision(group.name, why, restarted=True)
            self._tally.state = "restarting"
            self._journal.note(Severity.ALARM, "vision restarted", why)
        else:
            raise StationError(f"{why}; {self._config.station.restarts} restarts within ten minutes did not mend it")
        self._account.abandon(group.cameras, why)

    def _heed_guard(self) -> None:
        if self._guard.look():
            for group in self._groups:
                group.process.send(Challengers(self._guard.codes))
        self._tally.challenge, self._tally.held = self._guard.words, self._guard.held or self._desk.holding.why

    def _pulse(self) -> None:
        """Let the outputs know that the loop goes round, and note how they do."""
        self._tally.beat_ns, self._tally.trigger = time.monotonic_ns(), self._intake.words
        held, serving = self._tally.held or "", self._succession.current.identity
        fault = str(self._ledger.fault or "") or (f"line held: {held}" if held else None)
        line = LineState(self._tally.state, fault, serving.recipe, serving.bundle_id, held)
        for state in self._output.pulse(line):
            if self._tally.note_output(state):
                severity, kind = (Severity.INFO, "output back") if state.well else (Severity.ALARM, "output down")
                self._journal.note(severity, kind, f"{state.output}: {state.words}")

    def _heed_stop(self, now_ns: int) -> None:
        if self._stop.is_set() and self._stop_by_ns is None:
            self._tally.state = "ending"
            self._stop_by_ns = now_ns + int((_STOP_GRACE_S + self._config.station.deadline_ms / 1e3) * 1e9)
            self._intake.close()
            for group in self._groups:
                group.process.send(Stop())
