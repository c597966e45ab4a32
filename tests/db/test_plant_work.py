"""Lines, lots, acknowledged alarms, deployments; and the schema that has them, up and down with rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, inspect, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from db import queries
from db.acknowledgements import Acknowledgement, acknowledge, acknowledgements, open_alarms
from db.audit_log import changes_of
from db.bundle_states import BundleState, StateChange, set_state
from db.deployments import Approval, DeploymentState, GivenBy, deployments
from db.engine import writing
from db.history.tallies import Tally
from db.jobs import Job, enqueue
from db.ledger import Ledger
from db.lines import Line, LineChange, line_of, lines, set_line
from db.lots import Lot, close_lot, lot_tally, lots, open_lot
from db.orders import Order, OrderKind, give
from db.records import Event, Severity
from db.schema import differences, downgrade, upgrade
from db.servings import Served
from db.snapshots import Snapshot, freeze
from db.work_tables import ACKNOWLEDGEMENTS, LOTS
from inspector.errors import DatabaseError, PlantRefused
from inspector.ids import new_id
from inspector.values import Outcome, PartTag

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def stations(database: str, *names: str) -> None:
    with Ledger(database) as ledger:
        for name in names:
            ledger.record_event(Event(name, Severity.INFO, "start", "started")).result(30)


def change(name: str, *stations: str, **more: Any) -> LineChange:
    return LineChange(Line(name, stations), **({"person": "ann", "reason": "rebuilt"} | more))


# ---- lines


def test_a_line_has_its_stations_in_order_and_every_change_is_in_the_audit_log(database: str, engine: Engine) -> None:
    stations(database, "press", "lathe", "oven")
    with writing(engine) as connection:
        set_line(connection, change("north", "press", "lathe"))
        set_line(connection, change("south"))
        set_line(connection, change("north", "lathe", "press", "oven"))
        assert lines(connection) == [Line("north", ("lathe", "press", "oven")), Line("south", ())]
        assert (line_of(connection, "oven"), line_of(connection, "elsewhere")) == ("north", None)
        first, second = changes_of(connection, "line north")
    assert (first.old, first.new) == (None, '{"stations":["press","lathe"]}')
    assert (second.old, second.new) == (first.new, '{"stations":["lathe","press","oven"]}')


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (change(" ", "press"), "expected a name of 1 to 64"),
        (change("x" * 65), "expected a name of 1 to 64"),
        (change("south", "press", reason=" "), "and a reason"),
        (change("south", "lathe", "lathe"), "stands in it twice"),
        (change("south", "lathe", "'; DROP TABLE lines; --"), 'DROP TABLE lines; --" is not in the database'),
        (change("south", "press"), "'press' belongs to line north"),
    ],
)
def test_a_line_that_cannot_be_is_refused(database: str, engine: Engine, wanted: LineChange, said: str) -> None:
    stations(database, "press", "lathe")
    with writing(engine) as connection:
        set_line(connection, change("north", "press"))
        with pytest.raises(PlantRefused, match=said):
            set_line(connection, wanted)
        assert lines(connection) == [Line("north", ("press",))]


# ---- lots


def test_a_lot_is_opened_and_closed_once_and_its_parts_are_counted_as_they_are(
    database: str, engine: Engine, line: Any
) -> None:
    lot = Lot("L-4711", "bracket", "ann", NOON)
    with writing(engine) as connection:
        open_lot(connection, lot)
        open_lot(connection, Lot("L-4711", "lid", "ann", NOON + HOUR))
        assert lot_tally(connection, lot) == Tally()
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        for trigger, outcome in enumerate((Outcome.PASS, Outcome.REJECT, Outcome.REJECT), start=1):
            part = line.part(run_id, trigger, tag=PartTag(lot="L-4711" if trigger < 3 else "L-4712"))
            ledger.open_part(part)
            ledger.complete_part(line.judged(part, outcome=outcome)).result(30)
    with writing(engine) as connection:
        assert lot_tally(connection, lot) == Tally(passes=1, rejects=1)
        close_lot(connection, "L-4711", "bracket", "ben", NOON + HOUR)
        assert lots(connection, 10, open_only=True) == [Lot("L-4711", "lid", "ann", NOON + HOUR)]
        assert lots(connection, 10)[1] == Lot("L-4711", "bracket", "ann", NOON, "ben", NOON + HOUR)
        with pytest.raises(PlantRefused, match="was closed by ben; expected an open one"):
            close_lot(connection, "L-4711", "bracket", "ann", NOON)


def test_a_lot_that_says_too_little_is_refused(engine: Engine) -> None:
    with writing(engine) as connection:
        open_lot(connection, Lot("L1", "lid", "ann"))
        for lot in (Lot("", "lid", "ann"), Lot("x" * 129, "lid", "ann"), Lot("L2", " ", "ann"), Lot("L2", "lid", "")):
            with pytest.raises(PlantRefused, match="expected a code, a recipe and who opens it"):
                open_lot(connection, lot)
        with pytest.raises(PlantRefused, match="was opened before"):
            open_lot(connection, Lot("L1", "lid", "ben"))
        with pytest.raises(PlantRefused, match="expected an open one"):
            open_lot(connection, Lot("L2", "lid", "ann", NOON, "ben", NOON))
        with pytest.raises(PlantRefused, match="was never opened"):
            close_lot(connection, "L2", "lid", "ann", NOON)
        with pytest.raises(PlantRefused, match="expected who closes it"):
            close_lot(connection, "L1", "lid", "", NOON)
    with pytest.raises(IntegrityError, match="ck_lots_closed_by_somebody"), engine.begin() as connection:
        connection.execute(update(LOTS).values(closed_at=NOON))


# ---- acknowledgements


def alarms(database: str) -> list[Event]:
    said = [Event(f"station-{n % 2}", Severity.ALARM, "camera lost", f"{n}", NOON + n * HOUR) for n in range(4)]
    with Ledger(database) as ledger:
        for event in (*said, Event("station-1", Severity.WARNING, "slow", "9", NOON)):
            ledger.record_event(event).result(30)
    return said


def test_an_alarm_is_open_until_a_person_has_seen_it(database: str, engine: Engine) -> None:
    said = alarms(database)
    note = "'; DROP TABLE events; -- cleaned the lens"
    with writing(engine) as connection:
        assert open_alarms(connection, 3) == said[:0:-1]
        acknowledge(connection, Acknowledgement(said[1].event_id, "ann", note, NOON))
        acknowledge(connection, Acknowledgement(said[1].event_id, "ben", "", NOON + HOUR))
        assert open_alarms(connection, 9) == [said[3], said[2], said[0]]
        assert open_alarms(connection, 9, "station-1") == [said[3]]
        assert [(one.person, one.note) for one in acknowledgements(connection, said[1].event_id)] == [
            ("ann", note),
            ("ben", ""),
        ]
        audited, _ = changes_of(connection, f"event {said[1].event_id}")
    assert (audited.person, audited.action, audited.reason) == ("ann", "event acknowledged", note)


def test_what_was_acknowledged_is_never_changed_and_needs_a_person_and_an_event(database: str, engine: Engine) -> None:
    alarm = alarms(database)[0]
    with writing(engine) as connection:
        acknowledge(connection, Acknowledgement(alarm.event_id, "ann"))
        with pytest.raises(PlantRefused, match="no such event"):
            acknowledge(connection, Acknowledgement(new_id(), "ann"))
        with pytest.raises(DatabaseError, match="expected a name of 1 to 64"):
            acknowledge(connection, Acknowledgement(alarm.event_id, " "))
    for statement in (update(ACKNOWLEDGEMENTS).values(note="x"), delete(ACKNOWLEDGEMENTS)):
        with pytest.raises(DBAPIError, match="rows are added and never changed"), engine.begin() as connection:
            connection.execute(statement)


def test_open_alarms_on_sqlite_are_looked_for_among_alarms_alone(path: Path, engine: Engine) -> None:
    said: list[str] = []
    with engine.connect() as connection:
        connection.connection.driver_connection.set_trace_callback(said.append)  # type: ignore[union-attr]
        open_alarms(connection, 50)
        connection.connection.driver_connection.set_trace_callback(None)  # type: ignore[union-attr]
        (query,) = [words for words in said if words.startswith("SELECT")]
        plan = " ".join(row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {query}")))
    assert "ix_events_alarms" in plan


# ---- deployments


def approve(connection: Connection, bundle_id: str, at: datetime, person: str = "cara") -> None:
    for state in (BundleState.CANDIDATE, BundleState.APPROVED):
        set_state(connection, StateChange(bundle_id, state, person, "better", at=at))


def test_a_deployment_is_what_served_by_which_order_and_who_had_approved_it(
    database: str, engine: Engine, line: Any
) -> None:
    old, new = "a" * 64, "b" * 64
    with Ledger(database) as ledger:
        for number in range(2):  # a restart is no further deployment
            run = line.run(bundle_id=old, started_at=NOON + number * HOUR)
            ledger.start_run(run, Served(Path("old")))
            ledger.end_run(run.run_id, clean=True).result(30)
        with writing(engine) as connection:
            number = give(connection, Order("station-1", OrderKind.BUNDLE, "ann", "fewer rejects", "new"))
        ledger.start_run(line.run(bundle_id=new, started_at=NOON + 3 * HOUR), Served(Path("new"), number))
    with writing(engine) as connection:
        approve(connection, new, NOON + 2 * HOUR)
        set_state(connection, StateChange(new, BundleState.RETIRED, "cara", "worse", at=NOON + 4 * HOUR))
        set_state(connection, StateChange(new, BundleState.APPROVED, "dan", "not at all", at=NOON + 5 * HOUR))
        first, second = deployments(connection, "station-1")
        assert deployments(connection, "station-2") == []
    assert (first.bundle_id, first.since, first.until) == (old, NOON, NOON + 3 * HOUR)
    assert (first.state, first.superseded_by, first.order, first.approval) == (
        DeploymentState.SUPERSEDED,
        new,
        None,
        None,
    )
    assert (second.state, second.until) == (DeploymentState.SERVING, None)
    assert second.order == GivenBy(number, "ann", "fewer rejects")
    assert second.approval == Approval("cara", "better", NOON + 2 * HOUR)


def test_a_deployment_of_a_station_that_stopped_has_ended(database: str, engine: Engine, line: Any) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run(started_at=NOON))
        ledger.end_run(run_id, clean=True).result(30)
    with engine.connect() as connection:
        (only,) = deployments(connection, "station-1")
        (run,) = queries.runs(connection)
    assert (only.state, only.until, only.order) == (DeploymentState.ENDED, run.ended_at, None)


# ---- the schema


def test_down_and_up_with_rows_of_the_new_tables_keeps_all_others(database: str, engine: Engine, line: Any) -> None:
    alarm = alarms(database)[0]
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part)
        ledger.complete_part(line.judged(part)).result(30)
    with writing(engine) as connection:
        set_line(connection, change("north", "station-1"))
        open_lot(connection, Lot("L1", "bracket", "ann"))
        acknowledge(connection, Acknowledgement(alarm.event_id, "ann"))
        made = freeze(connection, Snapshot("bracket", "ann", NOON, {"parts": []}, {}))
        enqueue(connection, Job("bracket", "ann", "why", snapshot_id=made.snapshot_id))
    downgrade(engine, "0011")
    assert {"lines", "lots", "acknowledgements", "training_jobs"}.isdisjoint(inspect(engine).get_table_names())
    upgrade(engine)
    assert differences(engine) == []
    with writing(engine) as connection:
        assert queries.part(connection, part.part_id) == line.judged(part)
        assert len(changes_of(connection, f"event {alarm.event_id}")) == 1
        acknowledge(connection, Acknowledgement(alarm.event_id, "ann"))
    with pytest.raises(DBAPIError, match="rows are added and never changed"), engine.begin() as connection:
        connection.execute(delete(ACKNOWLEDGEMENTS))
