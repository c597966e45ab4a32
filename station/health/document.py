"""`/health` as a JSON document; docs/health.md describes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inspector.values import Outcome
from station.health.snapshot import Snapshot, Watched
from station.health.states import Device, Namur, Sight, devices_of, line_state, may_run
from station.health.storage import DiskSight
from station.outputs.document import moment

SCHEMA = "open-inspector/health/1"


@dataclass(frozen=True, slots=True)
class Health:
    """How the station does at one moment."""

    watched: Watched
    snapshot: Snapshot
    disk: DiskSight
    line: str
    devices: tuple[Device, ...]
    may_run: bool
    at: datetime

    @property
    def state(self) -> Namur:
        return max((device.state for device in self.devices), default=Namur.GOOD)

    @property
    def marks(self) -> object:
        """What makes an event when it changes."""
        return self.line, self.may_run, {device.called: device.state for device in self.devices}


def assess(watched: Watched, sight: Sight, at: datetime) -> Health:
    line, devices = line_state(sight), devices_of(watched, sight)
    return Health(watched, sight.snapshot, sight.disk, line, devices, may_run(line, devices), at)


class Since:
    """Remembers when each device came into its state. One thread calls it."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[Namur, datetime]] = {}

    def note(self, health: Health) -> dict[str, datetime]:
        """Return, by device, since when it is in its state, as far as that was seen."""
        for device in health.devices:
            known = self._since.get(device.called)
            if known is None or known[0] is not device.state:
                self._since[device.called] = (device.state, health.at)
        return {name: at for name, (_, at) in self._since.items()}


def health_document(health: Health, since: dict[str, datetime]) -> bytes:
    """Return the document as one line of UTF-8."""
    watched, status = health.watched, health.snapshot.status
    document = {
        "schema": SCHEMA,
        "station": watched.station,
        "at": moment(health.at),
        "state": health.state.word,
        "may_run": health.may_run,
        "line": health.line,
        "running_s": round(status.since_s, 1),
        "recipe": watched.recipe,
        "bundle_id": watched.bundle_id,
        "run_id": str(watched.run_id),
        "version": watched.version,
        "devices": [_device(device, since[device.called]) for device in health.devices],
        "parts": {
            "triggers": status.triggers,
            **{outcome.value: status.outcomes[outcome] for outcome in Outcome},
            "challenges": status.challenges,
        },
        "rate_hz": round(status.rate_hz, 3),
        "p50_ms": _rounded(status.p50_ms),
        "p99_ms": _rounded(status.p99_ms),
        "restarts": status.restarts,
        "unforwarded_rows": status.unforwarded,
    }
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _device(device: Device, since: datetime) -> dict[str, Any]:
    return {
        "device": device.called,
        "kind": device.kind,
        "name": device.name,
        "state": device.state.word,
        "needed": device.needed,
        "words": device.words,
        "since": moment(since),
    }


def _rounded(value_ms: float | None) -> float | None:
    return None if value_ms is None else round(value_ms, 3)
