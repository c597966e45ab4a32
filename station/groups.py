"""A camera group's vision process as the line sees it: is it well, what was asked of it, may more be asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from uuid import UUID

from station.admission import Admission
from station.config import StationConfig
from station.messages import Begin, Discard, Inspect, Trigger
from station.parts import PartInFlight
from station.supervisor import RestartBudget, VisionProcess

StartVision = Callable[[StationConfig, str, int, int], VisionProcess]
"""By configuration, group, number of the first frame, and number of the bundle that the configuration names."""


class VisionGroup:
    """Only the loop's thread calls it.

    starting -> ready <-> restarting -> ended
    """

    def __init__(
        self,
        name: str,
        cameras: Sequence[str],
        config: StationConfig,
        start_vision: StartVision,
        start: int,
        serving: int = 0,
    ) -> None:
        self.name = name
        self.cameras = frozenset(cameras)
        self.ready = False
        self.lost = False
        self._begun = False
        self._alive_ns = 0
        self._built_s = 0.0
        self._config = config
        self._start_vision = start_vision
        self._budget = RestartBudget(config.station.restarts)
        self._admissions = {camera: Admission(config.station.deadline_ms) for camera in cameras}
        self._unexposed: dict[tuple[str, int], UUID] = {}
        self.process = start_vision(config, name, start, serving)

    # ---- is it well

    def heard(self) -> None:
        """Take note of a sign of life."""
        self._alive_ns = time.monotonic_ns()

    def builds(self) -> None:
        """Take note that what its runtime needs is being built, and goes on: its time to become ready begins anew."""
        self._built_s = time.monotonic()

    def became_ready(self) -> None:
        self.ready = True
        self.heard()

    def begin(self) -> None:
        """Let its cameras expose, once, when it is ready."""
        if self.ready and not self._begun:
            self._begun = True
            self.process.send(Begin())

    def fault(self, now_ns: int) -> str | None:
        """Return why the process must be replaced; None while it need not."""
        station = self._config.station
        if self.lost:
            return None
        if not self.ready:
            late = time.monotonic() - max(self.process.started_s, self._built_s) > station.start_s
            return f"vision process was not ready within {station.start_s:g} s" if late else None
        hung = now_ns - self._alive_ns > station.hang_s * 1e9
        return f"vision process hung for {station.hang_s:g} s" if hung else None

    def lose(self) -> None:
        """End the process; what was asked of it will not be answered."""
        self.ready, self._begun, self.lost = False, False, True
        self.process.kill()
        self._unexposed.clear()
        for admission in self._admissions.values():
            admission.forget_all()

    def restart(self, start: int, config: StationConfig, serving: int) -> bool:
        """Start another process, on what serves by now; False where the budget of restarts is spent."""
        if not self._budget.spend():
            return False
        self.lost = False
        self.process = self._start_vision(config, self.name, start, serving)
        return True

    # ---- what is asked of it

    def overload(self, camera: str) -> str | None:
        """Return why no further part may be asked of the camera; None where it may."""
        admission = self._admissions[camera]
        if admission.has_room:
            return None
        return f"overload: {admission.waiting} parts wait for {camera}, and more cannot be inspected in time"

    def backlog(self, camera: str) -> str:
        """Return how many parts wait for a camera that keeps judging, in words; empty where it is silent."""
        admission = self._admissions[camera]
        return f"overload: {admission.waiting} parts wait" if admission.is_behind(time.monotonic_ns()) else ""

    def trigger(self, part_id: UUID, camera: str, sequence: int, deadline_ns: int, serving: int) -> None:
        self._admissions[camera].ask(part_id, time.monotonic_ns())
        self._unexposed[camera, sequence] = part_id
        self.process.send(Trigger(camera, sequence, deadline_ns, serving))

    def exposed(self, camera: str, sequence: int) -> UUID | None:
        """Return the part that an exposure was asked for; None where it was asked of another process, or of none."""
        return self._unexposed.pop((camera, sequence), None)

    def awaits_exposure(self, camera: str, sequence: int) -> bool:
        return (camera, sequence) in self._unexposed

    def inspect(self, part: PartInFlight, camera: str, sequence: int) -> None:
        part_id = part.record.part_id
        self._admissions[camera].ask(part_id, time.monotonic_ns())
        self.process.send(Inspect(part_id, camera, sequence, part.deadline_ns, part.challenge is not None))

    def discard(self, part_id: UUID | None, camera: str, sequence: int) -> None:
        self.process.send(Discard(camera, sequence))
        if part_id is not None:
            self.spared(part_id, camera)

    def judged(self, part_id: UUID, camera: str) -> None:
        self._admissions[camera].judged(part_id, time.monotonic_ns())

    def spared(self, part_id: UUID, camera: str) -> None:
        self._admissions[camera].spared(part_id)
