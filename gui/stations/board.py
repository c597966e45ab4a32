"""What a database knows of each station: its run, its reports, its orders, its parts of known truth, its self-test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select

from db.acknowledgements import Acknowledgement, open_alarms
from db.challenges import ChallengePart, registered
from db.orders import GivenOrder, OrderKind, holds, orders
from db.queries import events
from db.records import Event, Severity
from db.tables import EVENTS, INSPECTIONS, LINE_HOLDS, RUNS, STATIONS
from db.work_tables import ACKNOWLEDGEMENTS
from gui.orders import ORDERS_SHOWN, approved_for, is_ledger_of
from inspector.values import Outcome

EVENTS_SHOWN = 60
ALARMS_COUNTED = 100
SELF_TESTS = ("self-test failed", "self-test passes again")


@dataclass(frozen=True, slots=True)
class Reported:
    """An event, and who has seen it."""

    event: Event
    seen: tuple[Acknowledgement, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """When a part of known truth was shown last, and what came of it; `met` None: nobody judged it."""

    at: datetime
    outcome: Outcome | None
    met: bool | None


@dataclass(frozen=True, slots=True)
class Challenge:
    """A registered part of known truth."""

    part: ChallengePart
    shown: Shown | None


@dataclass(frozen=True, slots=True)
class RunNow:
    """The newest run."""

    recipe: str
    bundle_id: str
    started_at: datetime
    ended_at: datetime | None
    clean: bool | None


@dataclass(frozen=True, slots=True)
class Board:
    """One station."""

    station: str
    run: RunNow | None
    reported: tuple[Reported, ...]
    """Alarms that nobody has seen first, then the newest events."""
    open_alarms: int
    """Counted to `ALARMS_COUNTED`."""
    reads_orders: bool
    orders: tuple[GivenOrder, ...]
    """Newest first."""
    held_by: GivenOrder | None
    """The order by which it is held."""
    line_hold: str | None
    """Why its line is held for a part of known truth."""
    challenges: tuple[Challenge, ...]
    self_test: Event | None
    """The newest of those that change something: a failure, or the first pass after one."""
    tested: GivenOrder | None
    """The newest self-test that was ordered."""
    recipes: tuple[str, ...]
    """That have run there."""
    approved: tuple[str, ...]
    """Bundles that may go into its shadow."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Every station by name, and one of them."""

    stations: tuple[str, ...]
    board: Board | None
    """None where there is no station."""


def overview(connection: Connection, station: str | None) -> Overview:
    """Look at a station; None: the one with the newest alarm that nobody has seen, else the one that ran last."""
    names = tuple(connection.execute(select(STATIONS.c.name).order_by(STATIONS.c.name)).scalars())
    chosen = station if station in names else _needy(connection) or next(iter(names), None)
    return Overview(names, None if chosen is None else board(connection, chosen))


def board(connection: Connection, station: str) -> Board:
    given = orders(connection, station)
    alarms = open_alarms(connection, ALARMS_COUNTED, station)
    ordered_tests = [each for each in given if each.order.kind is OrderKind.SELF_TEST]
    return Board(
        station=station,
        run=_run(connection, station),
        reported=_reported(connection, station, alarms[:EVENTS_SHOWN]),
        open_alarms=len(alarms),
        reads_orders=is_ledger_of(connection, station),
        orders=tuple(reversed(given[-ORDERS_SHOWN:])),
        held_by=holds(connection, station),
        line_hold=_line_hold(connection, station),
        challenges=_challenges(connection, station),
        self_test=_self_test(connection, station),
        tested=ordered_tests[-1] if ordered_tests else None,
        recipes=_recipes(connection, station),
        approved=approved_for(connection, station),
    )


def _needy(connection: Connection) -> str | None:
    if alarms := open_alarms(connection, 1):
        return alarms[0].station
    newest = select(RUNS.c.station).order_by(RUNS.c.started_at.desc(), RUNS.c.run_id.desc()).limit(1)
    return connection.execute(newest).scalar()


def _self_test(connection: Connection, station: str) -> Event | None:
    mine = (EVENTS.c.station == station, EVENTS.c.kind.in_(SELF_TESTS))
    row = connection.execute(select(EVENTS).where(*mine).order_by(EVENTS.c.at.desc()).limit(1)).mappings().first()
    return None if row is None else Event(**{**row, "severity": Severity(row["severity"])})


def _run(connection: Connection, station: str) -> RunNow | None:
    names = ("recipe", "bundle_id", "started_at", "ended_at", "clean")
    newest = (RUNS.c.started_at.desc(), RUNS.c.run_id.desc())
    query = select(*(RUNS.c[name] for name in names)).where(RUNS.c.station == station).order_by(*newest).limit(1)
    row = connection.execute(query).first()
    return None if row is None else RunNow(**row._mapping)


def _reported(connection: Connection, station: str, alarms: Sequence[Event]) -> tuple[Reported, ...]:
    unseen = {event.event_id for event in alarms}
    others = [event for event in events(connection, EVENTS_SHOWN, station) if event.event_id not in unseen]
    shown = [*alarms, *others]
    seen = _seen(connection, [event.event_id for event in shown])
    return tuple(Reported(event, seen.get(event.event_id, ())) for event in shown)


def _seen(connection: Connection, event_ids: Sequence[UUID]) -> Mapping[UUID, tuple[Acknowledgement, ...]]:
    names = [ACKNOWLEDGEMENTS.c[name] for name in Acknowledgement.__slots__]
    query = select(*names).where(ACKNOWLEDGEMENTS.c.event_id.in_(event_ids))
    found: dict[UUID, tuple[Acknowledgement, ...]] = {}
    for row in connection.execute(query.order_by(ACKNOWLEDGEMENTS.c.audit_sequence)).mappings():
        found[row["event_id"]] = (*found.get(row["event_id"], ()), Acknowledgement(**row))
    return found


def _line_hold(connection: Connection, station: str) -> str | None:
    newest = select(LINE_HOLDS.c.held, LINE_HOLDS.c.reason).where(LINE_HOLDS.c.station == station)
    last = connection.execute(newest.order_by(LINE_HOLDS.c.number.desc()).limit(1)).first()
    return last.reason if last is not None and last.held else None


def _challenges(connection: Connection, station: str) -> tuple[Challenge, ...]:
    return tuple(Challenge(part, _shown(connection, part)) for part in registered(connection, station))


def _shown(connection: Connection, part: ChallengePart) -> Shown | None:
    parts = INSPECTIONS.c
    query = select(parts.triggered_at, parts.outcome, parts.challenge_met).where(
        parts.challenge_id == part.challenge_id
    )
    row = connection.execute(query.order_by(parts.triggered_at.desc()).limit(1)).first()
    if row is None:
        return None
    return Shown(row.triggered_at, None if row.outcome is None else Outcome(row.outcome), row.challenge_met)


def _recipes(connection: Connection, station: str) -> tuple[str, ...]:
    query = select(RUNS.c.recipe).where(RUNS.c.station == station).distinct().order_by(RUNS.c.recipe)
    return tuple(connection.execute(query).scalars())
