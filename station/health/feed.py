"""From the ledger to the hub: parts as events, while somebody reads. Like the outputs that tell, it only reads."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Engine

from db import outbox
from db.engine import storage_errors
from db.records import Report
from inspector.errors import DatabaseError
from station.health.hub import HISTORY, Hub, PartEvent
from station.outputs.document import moment

logger = logging.getLogger(__name__)

SCHEMA = "open-inspector/event/part/1"
LOOK_S = 0.1
AGAIN_S = 1.0
"""After a ledger that could not be read."""
BATCH = 100


class Parts(Protocol):
    """The station's parts in their order. Only the feed's thread calls it; both methods raise DatabaseError."""

    def before_newest(self, count: int) -> int:
        """Return the position before the newest `count` parts."""
        ...

    def behind(self, position: int) -> Sequence[PartEvent]:
        """Return the next parts, at most BATCH; none overtakes one that is not complete."""
        ...


@dataclass(frozen=True, slots=True)
class LedgerParts:
    """Each call is a short transaction of its own, so that the ledger's log can be folded back."""

    engine: Engine
    station: str
    first_camera: str

    def before_newest(self, count: int) -> int:
        with storage_errors(self.engine.url), self.engine.connect() as connection:
            return outbox.before_newest(connection, self.station, count)

    def behind(self, position: int) -> Sequence[PartEvent]:
        with storage_errors(self.engine.url), self.engine.connect() as connection:
            reports = outbox.reports(connection, self.station, position, BATCH)
            views = outbox.views(connection, [report.record.part_id for report in reports]) if reports else {}
        return [
            PartEvent(report.position, part_event(report, views.get(report.record.part_id, []), self.first_camera))
            for report in reports
        ]


def part_event(report: Report, views: Sequence[outbox.ViewSeen], first_camera: str) -> bytes:
    """Return a part as one line of JSON; docs/health.md describes it."""
    record = report.record
    deciding = next((view.camera for view in views if view.outcome == record.outcome), first_camera)
    fields = {
        "schema": SCHEMA,
        "position": report.position,
        "part_id": str(record.part_id),
        "run_id": str(record.run_id),
        "station": record.station,
        "trigger": record.trigger,
        "camera": deciding,
        "triggered_at": moment(record.triggered_at),
        "completed_at": None if record.completed_at is None else moment(record.completed_at),
        "latency_ms": record.latency_ms,
        "outcome": record.outcome,
        "reasons": list(record.reasons),
        "label": record.label,
        "defect_probability": record.defect_probability,
        "part_ref": record.tag.part_ref,
        "lot": record.tag.lot,
        "serial": record.tag.serial,
        "recipe": record.recipe,
        "bundle_id": record.bundle_id,
        "source": record.source,
        "image_sha256": record.image_sha256,
        "views": [
            {"camera": view.camera, "outcome": view.outcome, "image_sha256": view.image_sha256} for view in views
        ],
        "simulated": report.simulated,
        "challenge_id": None if record.challenge_id is None else str(record.challenge_id),
        "challenge_met": record.challenge_met,
    }
    return json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()


def run_feed(parts: Parts, hub: Hub) -> None:
    """The feed's thread: look into the ledger while somebody reads, until the hub is closed."""
    while hub.wait_for_readers():
        try:
            _follow(parts, hub)
        except DatabaseError as fault:
            logger.warning("events: %s", fault)
            hub.pause(AGAIN_S)


def _follow(parts: Parts, hub: Hub) -> None:
    """Tell what is there, then what comes; return when nobody reads any more."""
    position = parts.before_newest(HISTORY)
    hub.begin(position)
    loaded = False
    while not hub.closed:
        batch = parts.behind(position)
        hub.put(batch)
        position = batch[-1].position if batch else position
        if not loaded and len(batch) < BATCH:
            hub.load()
            loaded = True
        if len(batch) < BATCH:
            hub.pause(LOOK_S)
        if hub.unload_unless_read():
            return
