"""A station that is well, as the health process sees it; tests change what they are about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from inspector.ids import new_id
from station.health.clocks import ClockSight
from station.health.settings import HealthSettings
from station.health.snapshot import Snapshot, Watched
from station.health.states import Sight
from station.health.storage import DiskSight
from station.status import StationStatus, Tally, VisionState

NOW_NS = 10_000_000_000_000


def watched(**changes: Any) -> Watched:
    fields: dict[str, Any] = {
        "station": "press-4",
        "recipe": "flange-12",
        "bundle_id": "5f" * 32,
        "run_id": new_id(),
        "version": "0.1.0",
        "certificate": "escape at most 1 %",
        "certified": True,
        "cameras": ("camera-1",),
        "groups": ("vision",),
        "trigger": None,
        "folder": Path(),
        "database": "sqlite:///ledger.sqlite",
        "settings": HealthSettings(),
        "token": None,
    }
    return Watched(**{**fields, **changes})


def status(**changes: Any) -> StationStatus:
    well = replace(
        Tally("press-4").snapshot(),
        state="running",
        camera="well",
        drift="well",
        cameras={"camera-1": "well"},
        visions={"vision": VisionState("well")},
        beat_ns=NOW_NS,
    )
    return replace(well, **changes)


def sight(of: StationStatus | None = None, **changes: Any) -> Sight:
    fields: dict[str, Any] = {
        "snapshot": Snapshot(of or status(), 0, NOW_NS),
        "disk": DiskSight(50 * 10**9, 100 * 10**9),
        "clock": ClockSight(None, True),
        "heard_ns": NOW_NS,
        "now_ns": NOW_NS,
    }
    return Sight(**{**fields, **changes})
