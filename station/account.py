"""The account of parts: each gets a row before it is acted on, one verdict by its deadline, and its row completed.

Open the row -> take what is said of its views -> when the row is durable, act -> when the images are stored, complete.
Whatever goes wrong on the way ends in NOT_INSPECTED with a reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from db.challenges import ChallengePart
from db.images import StoredImage
from db.ledger import Ledger
from db.records import Severity
from inspector.draws import Draw
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, PartResult, PartTag, Verdict, ViewInspection
from inspector.verdict import not_inspected
from station.challenges.guard import Guard
from station.inbox import Action, Inbox
from station.journal import Journal, log_refusal
from station.messages import Inspected
from station.openings import Openings
from station.outputs.base import JudgedPart, Output
from station.parts import Deadlines, Identity, PartAwaitingImages, PartInFlight
from station.status import LastVerdict, Tally
from station.views import merge_views

_IMAGE_WAIT_S = 10.0
MOST_IN_FLIGHT = 4096
"""Parts beyond are answered at once and not at their deadline, so that no trigger source can fill the memory."""

Retain = Callable[[InspectionRecord, Verdict, frozenset[str]], tuple[bool, Draw | None]]
"""Decide whether a part's images are stored and whether it is drawn for audit, and ask for the images."""


@dataclass(frozen=True, slots=True)
class Line:
    """What the account works with."""

    ledger: Ledger
    output: Output
    tally: Tally
    journal: Journal
    inbox: Inbox
    guard: Guard


class Account:
    """Parts from their trigger to their completed row. Only the loop's thread calls it."""

    def __init__(
        self, line: Line, cameras: Sequence[str], deadline_ms: float, why_late: Callable[[PartInFlight, str], str]
    ) -> None:
        self._line = line
        self._cameras = tuple(cameras)
        self._deadline_ms = deadline_ms
        self._why_late = why_late
        self._in_flight: dict[UUID, PartInFlight] = {}
        self._awaiting: dict[UUID, PartAwaitingImages] = {}
        self._deadlines = Deadlines(self._in_flight.__contains__)
        self._image_deadlines = Deadlines(self._awaiting.__contains__)
        self.openings = Openings(line.ledger, line.inbox.put)
        self.retain: Retain | None = None
        """Set where a part has several views: only the line knows the part's verdict then."""

    def __len__(self) -> int:
        """Return how many parts are not completed yet."""
        return len(self._in_flight) + len(self._awaiting)

    def find(self, part_id: UUID | None) -> PartInFlight | None:
        """Return a part that has no verdict yet; None for any other."""
        return self._in_flight.get(part_id) if part_id else None

    def has_parts(self, run_id: UUID) -> bool:
        """Whether a part of a run is not completed yet."""
        records = (part.record for parts in (self._in_flight, self._awaiting) for part in parts.values())
        return any(record.run_id == run_id for record in records)

    def next_deadline_ns(self) -> int | None:
        return self._deadlines.next_ns()

    # ---- a part comes

    def enter(
        self, record: InspectionRecord, triggered_ns: int, simulated: bool = False, serving: int = 0
    ) -> PartInFlight:
        """Take a part that was triggered into the account; its row is opened by `open`, next."""
        deadline_ns = triggered_ns + int(self._deadline_ms * 1e6)
        part = PartInFlight(record, triggered_ns, deadline_ns, simulated, serving=serving)
        part = _known(part, self._line.guard.recognise(record.tag))
        self._in_flight[record.part_id] = part
        self._deadlines.add(part.deadline_ns, record.part_id)
        self._line.output.expect(part.triggered())
        return part

    def open(self, part: PartInFlight) -> None:
        """Send the part's row to the disk. Called before anything else is said about the part."""
        part_id = part.record.part_id
        refused = partial(self._refused, part_id)
        self.openings.open(part.record, refused, part.triggered().simulated)
        if len(self._in_flight) > MOST_IN_FLIGHT:
            self.fail(part_id, f"overload: {MOST_IN_FLIGHT} parts wait for their verdict")

    def _refused(self, part_id: UUID, why: str) -> None:
        """Divert a part that has no row and never will; the alarm is all that the ledger knows of it."""
        if (part := self.find(part_id)) is not None:
            self._line.journal.note(Severity.ALARM, "row refused", f"part {part.record.trigger} has no row: {why}")
            self._act(part, not_inspected(f"ledger: {why}"))

    def update(self, part: PartInFlight) -> None:
        """Replace what is known of a part that has no verdict yet."""
        self._in_flight[part.record.part_id] = part

    def give_up(self, part_id: UUID, why: str) -> None:
        """Let a part that nobody will inspect come to its deadline."""
        if (part := self.find(part_id)) is not None:
            self.update(replace(part, hopeless=why))

    def when_durable(self, part_id: UUID, action: Action) -> None:
        """Do `action` when the part's row is durable, after what waited for earlier rows: parts are acted on in order.

        A part that is not known has no row on its way; its action is done at once, and finds no part.
        """
        if not self.openings.hold(part_id, action):
            self._line.inbox.run_all()
            action()

    # ---- a part gets its verdict

    def inspected(self, message: Inspected) -> None:
        """Take the verdict on a view. Called when the part's row is durable."""
        part = self.find(message.part_id)
        if part is None:
            return
        if time.monotonic_ns() > part.deadline_ns:  # The part has moved on: a verdict now would hit its neighbour.
            self._answer_late(part)
        else:
            self._take(part, message.camera, message)

    def not_seen(self, part_id: UUID, camera: str, why: str) -> None:
        """Take it that a view has no verdict, when the part's row is durable."""
        self.when_durable(part_id, partial(self._not_seen, part_id, camera, why))

    def _not_seen(self, part_id: UUID, camera: str, why: str) -> None:
        part = self.find(part_id)
        if part is not None and camera not in part.views:
            self._take(part, camera, why)

    def _take(self, part: PartInFlight, camera: str, said: Inspected | str) -> None:
        part = replace(part, views={**part.views, camera: said})
        if len(part.views) < len(self._cameras):
            self.update(part)
        else:
            self._conclude(part)

    def fail(self, part_id: UUID, why: str) -> None:
        """Answer for a part without a verdict, when its row is durable."""
        self.when_durable(part_id, lambda: self.answer(part_id, not_inspected(why)))

    def answer(self, part_id: UUID, verdict: Verdict) -> None:
        """Give a part the fail-safe verdict at once, unless it has one."""
        if (part := self.find(part_id)) is not None:
            judged = self._line.guard.judge(part.challenge, verdict)
            record = self._act(part, judged.verdict, views=self._merged(part).views, challenge_met=judged.met)
            self._complete(record)

    def expire(self, now_ns: int) -> None:
        """Answer for the parts whose deadline has passed, and complete rows whose images do not come."""
        for part_id in self._deadlines.due(now_ns):
            self._answer_late(self._in_flight[part_id])
        for part_id in self._image_deadlines.due(now_ns):
            self._alarm_image(f"no answer within {_IMAGE_WAIT_S:g} s")
            self._complete_awaiting(part_id)

    def _answer_late(self, part: PartInFlight) -> None:
        """Conclude with what there is: a view that rejects still rejects."""
        part_id = part.record.part_id
        limit = f"deadline of {self._deadline_ms:g} ms passed"
        if part.hopeless is not None:
            self.answer(part_id, not_inspected(part.hopeless))
        elif part_id in self.openings:
            cause = self._line.ledger.fault or "the storage is slow"
            self.answer(part_id, not_inspected(f"{limit}: ledger row not durable ({cause})"))
        else:
            missing = {camera: f"{limit}: {self._why_late(part, camera)}" for camera in self._cameras}
            self._conclude(replace(part, views={**missing, **part.views}))

    def _merged(self, part: PartInFlight) -> PartResult:
        said = {
            camera: answer.part if isinstance(answer, Inspected) else answer for camera, answer in part.views.items()
        }
        return merge_views(self._cameras, said)

    def _conclude(self, part: PartInFlight) -> None:
        merged, tag = self._merged(part), _tag_of(part)
        part = _known(part, part.challenge or self._line.guard.find(tag))
        judged = self._line.guard.judge(part.challenge, merged.verdict)
        record = self._act(part, judged.verdict, views=merged.views, tag=tag, challenge_met=judged.met)
        missing, draw = self._images_of(part, judged.verdict)
        if not missing:
            self._complete(record, {}, draw)
            return
        until_ns = time.monotonic_ns() + int(_IMAGE_WAIT_S * 1e9)
        self._awaiting[record.part_id] = PartAwaitingImages(record, until_ns, missing, {}, draw)
        self._image_deadlines.add(until_ns, record.part_id)

    def _images_of(self, part: PartInFlight, verdict: Verdict) -> tuple[frozenset[str], Draw | None]:
        answers = {camera: answer for camera, answer in part.views.items() if isinstance(answer, Inspected)}
        if self.retain is None:
            follow = frozenset(camera for camera, answer in answers.items() if answer.image_follows)
            draw = next((answer.draw for answer in answers.values()), None)
        else:
            keep, draw = self.retain(part.record, verdict, frozenset(answers))
            follow = frozenset(answers) if keep else frozenset()
        drawable = verdict.outcome is Outcome.PASS and part.challenge is None
        return follow, draw if drawable else None

    def _act(self, part: PartInFlight, verdict: Verdict, **known: Any) -> InspectionRecord:
        """Act on the verdict; return the part's record with it, and with what is `known` besides."""
        record = part.record
        del self._in_flight[record.part_id]
        self._line.output.act(JudgedPart(part.triggered(), verdict))
        latency_ms = (time.monotonic_ns() - part.triggered_ns) / 1e6
        self._line.tally.add(LastVerdict(record.trigger, record.source, verdict, latency_ms), part.challenge is None)
        return replace(
            record,
            outcome=verdict.outcome,
            reasons=verdict.reasons,
            label=verdict.label,
            defect_probability=verdict.defect_probability,
            latency_ms=latency_ms,
            **known,
        )

    # ---- a part's images come, its row is completed

    def image_stored(self, part_id: UUID, camera: str, image: StoredImage) -> None:
        waiting = self._awaiting.get(part_id)
        if waiting is None or camera not in waiting.missing:
            return
        images = {**waiting.images, camera: image}
        self._awaiting[part_id] = replace(waiting, images=images, missing=waiting.missing - {camera})
        self._complete_if_whole(part_id)

    def image_failed(self, part_id: UUID, camera: str, why: str) -> None:
        self._alarm_image(why)
        if (waiting := self._awaiting.get(part_id)) is not None:
            self._awaiting[part_id] = replace(waiting, missing=waiting.missing - {camera})
            self._complete_if_whole(part_id)

    def _complete_if_whole(self, part_id: UUID) -> None:
        if not self._awaiting[part_id].missing:
            self._complete_awaiting(part_id)

    def _complete_awaiting(self, part_id: UUID) -> None:
        waiting = self._awaiting.pop(part_id)
        self._complete(waiting.record, dict(waiting.images), waiting.draw)

    def _complete(
        self, record: InspectionRecord, images: dict[str, StoredImage] | None = None, draw: Draw | None = None
    ) -> None:
        views = tuple(_with_image(view, images or {}) for view in record.views)
        stored = list(_main_first(record, views, images or {}))
        sha256 = stored[0].sha256 if stored else None
        whole = replace(record, views=views, image_sha256=sha256, completed_at=datetime.now(UTC))
        future = self._line.ledger.complete_part(whole, stored[0] if stored else None, draw, stored[1:])
        future.add_done_callback(log_refusal)

    # ---- what goes wrong

    def abandon(self, cameras: frozenset[str], why: str) -> None:
        """Take it that these cameras say no more of the parts so far; a verdict that waits for its row still counts."""
        for part_id in [*self._in_flight, *self._awaiting]:
            self.when_durable(part_id, partial(self._abandon_part, part_id, cameras, why))

    def _abandon_part(self, part_id: UUID, cameras: frozenset[str], why: str) -> None:
        part = self.find(part_id)
        if part is not None and part.hopeless is None:
            for camera in cameras:
                self._not_seen(part_id, camera, why)
        for camera in cameras & self._missing_images(part_id):
            self.image_failed(part_id, camera, why)

    def _missing_images(self, part_id: UUID) -> frozenset[str]:
        waiting = self._awaiting.get(part_id)
        return waiting.missing if waiting else frozenset()

    def answer_for_all(self, why: str) -> None:
        """Answer for every part at once: nobody will be there when its row is durable."""
        for part_id in list(self._in_flight):
            self.answer(part_id, not_inspected(self._in_flight[part_id].hopeless or why))
        for part_id in list(self._awaiting):
            self._alarm_image(why)
            self._complete_awaiting(part_id)

    def _alarm_image(self, why: str) -> None:
        self._line.journal.note(Severity.ALARM, "image not stored", why)


def _known(part: PartInFlight, challenge: ChallengePart | None) -> PartInFlight:
    """The part as the challenge part that it is; itself where it is none."""
    if challenge is None:
        return part
    return replace(part, challenge=challenge, record=replace(part.record, challenge_id=challenge.challenge_id))


def _tag_of(part: PartInFlight) -> PartTag:
    """The part's tag; what the trigger did not say of its serial number, a code in the picture may."""
    tag = part.record.tag
    read = {answer.code for answer in part.views.values() if isinstance(answer, Inspected) and answer.code}
    return replace(tag, serial=read.pop()) if tag.serial is None and len(read) == 1 else tag


def _with_image(view: ViewInspection, images: dict[str, StoredImage]) -> ViewInspection:
    image = images.get(view.camera)
    return replace(view, image_sha256=image.sha256) if image else view


def _main_first(
    record: InspectionRecord, views: Sequence[ViewInspection], images: dict[str, StoredImage]
) -> Iterator[StoredImage]:
    """The images in the order of their views, first that of a view which says what the part's verdict says."""
    ordered = sorted(views, key=lambda view: view.verdict.outcome is not record.outcome)
    named = [view.camera for view in ordered if view.camera in images]
    yield from (images[camera] for camera in [*named, *(camera for camera in images if camera not in named)])


def new_record(
    identity: Identity, trigger: int, sequence: int, tag: PartTag, at: datetime | None = None, source: str = ""
) -> InspectionRecord:
    """Return the open record of a part that is triggered `at` a moment, by default now."""
    return InspectionRecord(
        part_id=new_id(),
        run_id=identity.run_id,
        station=identity.station,
        recipe=identity.recipe,
        bundle_id=identity.bundle_id,
        trigger=trigger,
        source=source,
        triggered_at=at or datetime.now(UTC),
        sequence=sequence,
        tag=tag,
    )
