"""A part as a JSON document: what the webhook posts and the MQTT topic carries. docs/outputs.md describes it."""

from __future__ import annotations

import json
from datetime import datetime

from db.records import Report

SCHEMA = "open-inspector/part/1"


def part_document(report: Report) -> bytes:
    """Return a report as UTF-8 JSON with sorted keys: the same report is the same bytes."""
    record = report.record
    fields = {
        "schema": SCHEMA,
        "part_id": str(record.part_id),
        "run_id": str(record.run_id),
        "station": record.station,
        "position": report.position,
        "trigger": record.trigger,
        "outcome": record.outcome,
        "reasons": list(record.reasons),
        "label": record.label,
        "defect_probability": record.defect_probability,
        "recipe": record.recipe,
        "bundle_id": record.bundle_id,
        "source": record.source,
        "triggered_at": moment(record.triggered_at),
        "completed_at": None if record.completed_at is None else moment(record.completed_at),
        "latency_ms": record.latency_ms,
        "image_sha256": record.image_sha256,
        "simulated": report.simulated,
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def moment(at: datetime) -> str:
    """Return a moment as RFC 3339 in UTC, to the microsecond."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
