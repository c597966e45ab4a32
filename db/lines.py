"""Lines: which stations belong together, in the order in which parts pass them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from db.audit_log import Change, record_change
from db.entries import insert_new
from db.records import utc_now
from db.tables import STATIONS
from db.work_tables import LINE_PLACES, LINES
from inspector.errors import PlantRefused

_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Line:
    """A line and its stations, the first one first."""

    name: str
    stations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LineChange:
    """A line as it shall be from now on; without stations it has none any more."""

    line: Line
    person: str
    reason: str
    at: datetime = field(default_factory=utc_now)


def set_line(connection: Connection, change: LineChange) -> None:
    """Write a line, new or changed, and its row in the audit log.

    Raises:
        PlantRefused: no name or reason, a station twice, one that is unknown, or one of another line.
    """
    line = change.line
    if not line.name.strip() or len(line.name) > _LONGEST_NAME or not change.reason.strip():
        raise PlantRefused(f"line {line.name!r}: expected a name of 1 to {_LONGEST_NAME} letters, and a reason")
    _require_stations(connection, line)
    old = [found for found in lines(connection) if found.name == line.name]
    connection.execute(insert_new(connection, LINES, ["name"]), {"name": line.name})
    connection.execute(delete(LINE_PLACES).where(LINE_PLACES.c.line == line.name))
    if line.stations:
        places = enumerate(line.stations, start=1)
        rows = [{"station": station, "line": line.name, "place": place} for place, station in places]
        connection.execute(insert(LINE_PLACES), rows)
    before = {"stations": list(old[0].stations)} if old else None
    new = {"stations": list(line.stations)}
    record_change(
        connection,
        Change(change.person, "line changed", f"line {line.name}", change.reason, before, new, change.at),
    )


def lines(connection: Connection) -> list[Line]:
    """Every line by name, also one without stations."""
    of_line = LINE_PLACES.c.line == LINES.c.name
    query = select(LINES.c.name, LINE_PLACES.c.station).select_from(LINES.outerjoin(LINE_PLACES, of_line))
    found: dict[str, list[str]] = {}
    for name, station in connection.execute(query.order_by(LINES.c.name, LINE_PLACES.c.place)):
        found.setdefault(name, []).extend([] if station is None else [station])
    return [Line(name, tuple(stations)) for name, stations in found.items()]


def line_of(connection: Connection, station: str) -> str | None:
    """The line that a station belongs to; None: to none."""
    return connection.execute(select(LINE_PLACES.c.line).where(LINE_PLACES.c.station == station)).scalar()


def _require_stations(connection: Connection, line: Line) -> None:
    if len(set(line.stations)) < len(line.stations):
        raise PlantRefused(f"line {line.name}: a station stands in it twice; expected each once")
    known = set(connection.execute(select(STATIONS.c.name).where(STATIONS.c.name.in_(line.stations))).scalars())
    if missing := [station for station in line.stations if station not in known]:
        raise PlantRefused(
            f"line {line.name}: station {missing[0]!r} is not in the database; it comes with its first run"
        )
    for station in line.stations:
        if (other := line_of(connection, station)) not in (None, line.name):
            raise PlantRefused(
                f"line {line.name}: station {station!r} belongs to line {other}; take it out there first"
            )
