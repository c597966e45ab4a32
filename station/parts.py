"""A part on its way through the station: triggered, in flight, acted on, waiting for its images."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from db.challenges import ChallengePart
from db.images import StoredImage
from inspector.draws import Draw
from inspector.values import InspectionRecord
from station.messages import Inspected
from station.outputs.base import TriggeredPart


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
    views: Mapping[str, Inspected | str] = field(default_factory=dict)
    """By camera, what was said of each view: its verdict, or why there is none."""
    serving: int = 0
    """Which of the bundles that the line numbered judges it."""
    hopeless: str | None = None
    """Why no view of it will be inspected; it is answered so at its deadline."""
    challenge: ChallengePart | None = None
    """The part of known truth that it is; it is told as simulated."""

    def triggered(self) -> TriggeredPart:
        """Return the part as outputs see it."""
        record = self.record
        tag = record.tag
        simulated = self.simulated or self.challenge is not None
        return TriggeredPart(record.part_id, record.trigger, self.triggered_ns, simulated, tag.lot, tag.serial)


@dataclass(frozen=True, slots=True)
class PartAwaitingImages:
    """A part that was acted on; its row is completed when its images are on the disk, or after a while without."""

    record: InspectionRecord
    until_ns: int
    missing: frozenset[str]
    """Cameras whose image is not stored yet."""
    images: Mapping[str, StoredImage] = field(default_factory=dict)
    draw: Draw | None = None


class Deadlines:
    """The deadlines of parts, soonest first."""

    def __init__(self, is_open: Callable[[UUID], bool]) -> None:
        self._is_open = is_open
        self._heap: list[tuple[int, UUID]] = []

    def add(self, deadline_ns: int, part_id: UUID) -> None:
        heapq.heappush(self._heap, (deadline_ns, part_id))

    def next_ns(self) -> int | None:
        """Return the soonest deadline of a part that is still open; None of none."""
        while self._heap and not self._is_open(self._heap[0][1]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now_ns: int) -> list[UUID]:
        """Take out the open parts whose deadline has passed."""
        passed = []
        while (soonest_ns := self.next_ns()) is not None and soonest_ns <= now_ns:
            passed.append(heapq.heappop(self._heap)[1])
        return passed
