"""What a peer says with a trigger: a small JSON object, or nothing."""

from __future__ import annotations

import json

from pydantic import Field, ValidationError

from inspector.documents import Document, faults_of
from inspector.errors import TriggerRefused
from inspector.values import PartTag
from station.triggers.base import Pulse

LONGEST_BYTES = 4096


class Announcement(Document):
    """`{"part_id": "A-77", "lot": "L4", "serial": "0815", "count": 12}`, each field optional."""

    part_id: str | None = Field(default=None, min_length=1, max_length=128)
    lot: str | None = Field(default=None, min_length=1, max_length=128)
    serial: str | None = Field(default=None, min_length=1, max_length=128)
    count: int | None = Field(default=None, ge=0, lt=2**63, description="the peer's own count of its triggers")


def read_announcement(payload: bytes) -> Pulse:
    """Return the trigger that a payload stands for; an empty one is a part that nobody says anything of.

    Raises:
        TriggerRefused: it is no such object; whether a part is there is not known then.
    """
    if len(payload) > LONGEST_BYTES:
        raise TriggerRefused(f"{len(payload)} bytes; expected {LONGEST_BYTES} at most")
    try:
        said = Announcement.model_validate(json.loads(payload) if payload.strip() else {})
    except ValidationError as error:
        raise TriggerRefused(faults_of(error)) from error
    except (ValueError, RecursionError) as error:
        raise TriggerRefused(f"not JSON ({error})") from error
    return Pulse(PartTag(said.part_id, said.lot, said.serial), said.count)
