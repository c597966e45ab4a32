"""`inspector report drift`: is the line still what the certificate was made for, and if not, since when and why?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.records import Event, Severity
from inspector.documents import parse
from inspector.drift import WatchPoint
from inspector.errors import DatabaseError
from station.reports.void import ALARM, RELEARN, VoidPeriod, void_periods_of
from station.reports.writing import add_report_arguments, described, records_of, write_csv, write_json

HELP = "charts of the drift watch over time, and its alarms with cause and consequence"
COLUMNS = ("station", "camera", "at", "part", "figure", "level", "usual", "evidence")
_FIGURES = "drift_figures"
_SAID = (ALARM, "drift_warning", "drift_fault", RELEARN)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of every chart, and when it was recorded."""

    station: str
    at: datetime
    point: WatchPoint


@dataclass(frozen=True, slots=True)
class DriftRecord:
    """What the watches of a database have recorded, oldest first."""

    moments: Sequence[Moment]
    said: Sequence[Event]
    void: Sequence[VoidPeriod] = ()

    @property
    def alarms(self) -> list[Event]:
        return [event for event in self.said if event.severity is Severity.ALARM]

    @property
    def warnings(self) -> list[Event]:
        return [event for event in self.said if event.severity is Severity.WARNING]

    @property
    def void_now(self) -> list[VoidPeriod]:
        return [period for period in self.void if period.until is None]

    @property
    def watches(self) -> dict[tuple[str, str], list[Moment]]:
        """Moments by station and camera."""
        found: dict[tuple[str, str], list[Moment]] = {}
        for moment in self.moments:
            found.setdefault((moment.station, moment.point.camera), []).append(moment)
        return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_report_arguments(parser)
    parser.add_argument("--station", metavar="NAME", help="of this station only")


def run(args: argparse.Namespace) -> int:
    from db.queries import events_of

    if args.html:
        from station.pages import require_packages

        require_packages("leave out --html")
    if args.recipe:
        raise DatabaseError("--recipe: a drift watch is of a station and a camera; expected --station")
    with records_of(args) as connection:
        found = events_of(connection, (_FIGURES, *_SAID), args.since, args.station)
        void = void_periods_of(connection, args.since, args.station)
    record = drift_record(found, void)
    if args.json:
        write_json(args.json, figures(record))
    if args.csv:
        write_csv(args.csv, COLUMNS, rows(record))
    if args.html:
        from station.reports.drift_page import write_page

        write_page(args.html, record, described(args))
    print("\n".join(lines(record)))
    return 0


def drift_record(events: Sequence[Event], void: Sequence[VoidPeriod] = ()) -> DriftRecord:
    """Sort what was recorded; raise DatabaseError for a point that cannot be read."""
    points = [event for event in events if event.kind == _FIGURES]
    moments = [Moment(event.station, event.at, _point(event)) for event in points]
    return DriftRecord(moments, [event for event in events if event.kind in _SAID], void)


def _point(event: Event) -> WatchPoint:
    try:
        content = json.loads(event.message)
    except json.JSONDecodeError as error:
        raise DatabaseError(f"event {event.event_id}: message: expected JSON of {_FIGURES} ({error})") from error
    return parse(f"event {event.event_id}", content, WatchPoint, DatabaseError)


def rows(record: DriftRecord) -> list[tuple[object, ...]]:
    """One row for each figure of each point, as in COLUMNS."""
    return [
        (*_head(moment), name, level, moment.point.usual.get(name, ""), moment.point.evidence.get(name, ""))
        for moment in record.moments
        for name, level in moment.point.levels.items()
    ]


def _head(moment: Moment) -> tuple[object, ...]:
    return moment.station, moment.point.camera, moment.at.isoformat(), moment.point.part


def figures(record: DriftRecord) -> dict[str, Any]:
    """What `--json` writes."""
    return {
        "alarms": [_event(event) for event in record.alarms],
        "warnings": [_event(event) for event in record.warnings],
        "relearnt": [_event(event) for event in record.said if event.kind == RELEARN],
        "void_since": min((period.since.isoformat() for period in record.void_now), default=None),
        "void": [period.fields() for period in record.void],
        "points": [
            {"station": moment.station, "at": moment.at.isoformat(), **moment.point.model_dump(mode="json")}
            for moment in record.moments
        ],
    }


def _event(event: Event) -> dict[str, str]:
    return {"station": event.station, "at": event.at.isoformat(), "kind": event.kind, "message": event.message}


def lines(record: DriftRecord) -> list[str]:
    """The report as lines for a person."""
    if not record.moments and not record.said and not record.void:
        return ["drift: nothing on record; a watch records from the end of its learning on (recipe: drift.learn_parts)"]
    said = [f"drift: {len(record.alarms)} alarms, {len(record.warnings)} warnings"]
    said += [f"  {period.text()}" for period in record.void]
    said += [f"  {event.at:%Y-%m-%d %H:%M} {event.station} {event.severity}: {event.message}" for event in record.said]
    for (station, camera), moments in record.watches.items():
        point = moments[-1].point
        said.append(f"{station}, camera {camera}, after {point.part} parts:")
        said += [_line(point, name) for name in point.levels]
        said += [f"  {name:16} still learns" for name in point.learning]
    return said


def _line(point: WatchPoint, name: str) -> str:
    evidence = f"evidence {100 * point.evidence[name]:.0f} % of an alarm" if name in point.evidence else ""
    return f"  {name:16} {point.levels[name]:12.4g}  usual {point.usual[name]:12.4g}  {evidence}".rstrip()
