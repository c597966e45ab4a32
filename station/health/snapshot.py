"""What the line process hands to the health process: once what does not change in a run, then how it does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from station.health.settings import HealthSettings
from station.status import ServingNow, StationStatus


@dataclass(frozen=True, slots=True)
class Watched:
    """The station and the run."""

    station: str
    recipe: str
    bundle_id: str
    run_id: UUID
    version: str
    certificate: str
    """What is certified of the bundle, in a line."""
    certified: bool
    cameras: tuple[str, ...]
    groups: tuple[str, ...]
    """Of cameras; each has a vision process."""
    trigger: str | None
    """Its kind; None where a camera triggers."""
    folder: Path
    database: str
    settings: HealthSettings
    token: bytes | None = field(repr=False)

    def serving(self, now: ServingNow | None) -> Watched:
        """Return the same with what serves by now."""
        if now is None:
            return self
        return replace(
            self,
            recipe=now.recipe,
            bundle_id=now.bundle_id,
            run_id=now.run_id,
            certificate=now.certificate,
            certified=now.certified,
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How the line does at one moment."""

    status: StationStatus
    waiting_rows: int
    taken_ns: int
    """time.monotonic_ns(); the clock is the same in both processes."""
