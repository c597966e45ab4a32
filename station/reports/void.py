"""When the certificate was void: from each drift alarm until the watch learnt anew or something else was watched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from db.records import Event

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.queries import RunSummary

ALARM, RELEARN = "drift_alarm", "drift_relearn"


@dataclass(frozen=True, slots=True)
class VoidPeriod:
    """`until` and `ended` are None while it lasts."""

    station: str
    camera: str
    since: datetime
    cause: str
    until: datetime | None = None
    ended: str | None = None

    def text(self) -> str:
        """Return e.g. `certificate void at s-1, camera top, since 2026-01-02 12:05 UTC: lamp fade ...`."""
        end = "" if self.until is None else f" until {self.until:%Y-%m-%d %H:%M} UTC ({self.ended})"
        return (
            f"certificate void at {self.station}, camera {self.camera}, since {self.since:%Y-%m-%d %H:%M} UTC{end}: "
            f"{self.cause}"
        )

    def fields(self) -> dict[str, str | None]:
        """What `--json` writes."""
        until = None if self.until is None else self.until.isoformat()
        named = {"station": self.station, "camera": self.camera, "since": self.since.isoformat(), "until": until}
        return {**named, "cause": self.cause, "ended": self.ended}


def void_periods_of(
    connection: Connection, since: datetime | None = None, station: str | None = None
) -> list[VoidPeriod]:
    """Periods that had not ended before `since`, also those that began before it."""
    from db.queries import events_of, runs

    found = void_periods(events_of(connection, (ALARM, RELEARN), station=station), runs(connection, station))
    return [period for period in found if since is None or period.until is None or period.until >= since]


def void_periods(events: Iterable[Event], ran: Sequence[RunSummary]) -> list[VoidPeriod]:
    """Pair alarms with what ended them; events and runs are in the order of time.

    A run with another bundle or recipe has another watch, and another certificate or none.
    """
    events = list(events)
    ends = [event for event in events if event.kind == RELEARN]
    found: list[VoidPeriod] = []
    for alarm in (event for event in events if event.kind == ALARM):
        camera, cause = _camera(alarm)
        mine = [period for period in found if (period.station, period.camera) == (alarm.station, camera)]
        if any(period.until is None or period.until > alarm.at for period in mine):
            continue
        relearnt = [(event.at, _camera(event)[1]) for event in ends if _ends(event, alarm, camera)]
        until, ended = min([*relearnt, *_changes(alarm, ran)], default=(None, None))
        found.append(VoidPeriod(alarm.station, camera, alarm.at, cause, until, ended))
    return found


def _ends(event: Event, alarm: Event, camera: str) -> bool:
    return event.station == alarm.station and event.at >= alarm.at and _camera(event)[0] == camera


def _changes(alarm: Event, ran: Sequence[RunSummary]) -> list[tuple[datetime, str]]:
    """Starts of later runs of the station that watch something else than the run of the alarm."""
    here = [run for run in ran if run.station == alarm.station]
    before = [run for run in here if run.started_at <= alarm.at]
    later = [run for run in here if run.started_at > alarm.at]
    if not before:
        return []
    return [(run.started_at, _what_changed(before[-1], run)) for run in later if _what_changed(before[-1], run)]


def _what_changed(before: RunSummary, after: RunSummary) -> str:
    if after.bundle_id != before.bundle_id:
        return f"another bundle, {after.bundle_id[:16]}"
    return "another recipe" if after.recipe_revision != before.recipe_revision else ""


def _camera(event: Event) -> tuple[str, str]:
    """Return a message's camera and the rest of it, as `station.drift_notes` writes them."""
    found = re.match(r"camera (.*?): (.*)", event.message, re.DOTALL)
    return (found[1], found[2]) if found else ("", event.message)
