"""What a login of each role can and cannot do, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, insert, make_url, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from db import queries
from db.accounts import By, Role, add_account
from db.acknowledgements import Acknowledgement, acknowledge, open_alarms
from db.audit_checkpoints import sign_log
from db.audit_keys import new_key
from db.audit_log import Change, record_change
from db.bundles import KnownBundle, register_bundle
from db.engine import open_engine, writing
from db.forward import Forwarder
from db.jobs import Job, cancel, enqueue, finish, lease, use_snapshot
from db.labels import Label, add_label
from db.ledger import Ledger
from db.lines import Line, LineChange, set_line
from db.lots import Lot, close_lot, open_lot
from db.records import Event, Severity, event_row, utc_now
from db.roles import GRANTS, READER, SCREEN, SIGNER, STATION, TRAINER, set_up_roles
from db.shadow import ShadowVerdict
from db.snapshots import Snapshot, freeze
from db.tables import EVENTS
from inspector.values import Outcome, Verdict

Login = Callable[[str], Engine]


@pytest.fixture
def plant(server: Any) -> Iterator[str]:
    with server.database() as url:
        owner = open_engine(url)
        with owner.begin() as connection:
            assert set_up_roles(connection) == []
            add_account(connection, "ann", Role.QUALITY, "correct horse battery", By("root", "first"))
        owner.dispose()
        yield url


def address(plant: str, role: str) -> str:
    return make_url(plant).set(username=f"test_{role}").render_as_string(hide_password=False)


@pytest.fixture
def login(plant: str) -> Iterator[Login]:
    """Engines of logins that are members of one role each."""
    opened: list[Engine] = []
    owner = create_engine(plant, isolation_level="AUTOCOMMIT")

    def enter(role: str) -> Engine:
        with owner.connect() as connection:
            connection.execute(text(f"DROP ROLE IF EXISTS test_{role}"))
            connection.execute(text(f"CREATE ROLE test_{role} LOGIN IN ROLE {role}"))
        opened.append(open_engine(address(plant, role)) if role != SIGNER else create_engine(address(plant, role)))
        return opened[-1]

    yield enter
    for engine in opened:
        engine.dispose()
    owner.dispose()


def forwarded(path: Path, line: Any, plant: str) -> Any:
    with Ledger(path) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part)
        ledger.complete_part(line.judged(part))
        ledger.record_shadow(ShadowVerdict(part.part_id, "top", "s" * 64, Verdict(Outcome.PASS), utc_now()))
        ledger.record_event(Event(part.station, Severity.ALARM, "camera lost", "gone")).result(30)
        ledger.end_run(part.run_id, clean=True).result(5)
    station = open_engine(path)
    with writing(station) as connection:
        open_lot(connection, Lot("L0", "bracket", "ann"))
        close_lot(connection, "L0", "bracket", "ann", utc_now())
        acknowledge(connection, Acknowledgement(open_alarms(connection, 1)[0].event_id, "ann"))
    station.dispose()
    with Forwarder(path, plant) as forwarder:
        forwarder.drain()
        assert forwarder.state().parked == 0
    return part


FORBIDDEN_TO_A_STATION = [
    "SELECT * FROM accounts",
    "SELECT * FROM sessions",
    "SELECT * FROM audit_log",
    "SELECT * FROM labels",
    "INSERT INTO accounts SELECT * FROM accounts",
    "UPDATE accounts SET role = 'admin'",
    "SELECT * FROM training_jobs",
    "INSERT INTO acknowledgements SELECT * FROM acknowledgements",
    "UPDATE training_jobs SET state = 'CANCELLED'",
    "INSERT INTO line_places SELECT * FROM line_places",
    "UPDATE lots SET closed_by = 'ben'",
    "INSERT INTO dataset_snapshots SELECT * FROM dataset_snapshots",
    "INSERT INTO labels SELECT * FROM labels",
    "DELETE FROM labels",
    "INSERT INTO audit_log SELECT * FROM audit_log",
    "INSERT INTO bundle_states SELECT * FROM bundle_states",
    "INSERT INTO recipe_revisions SELECT * FROM recipe_revisions",
    "UPDATE inspections SET outcome = 'PASS', defect_probability = 0",
    "UPDATE inspections SET latency_ms = 1",
    "DELETE FROM inspections",
    "TRUNCATE inspections CASCADE",
    "UPDATE findings SET label = 'good'",
    "DELETE FROM findings",
    "UPDATE runs SET recipe = 'other'",
    "DELETE FROM runs",
    "UPDATE recipes SET text = ''",
    "UPDATE events SET message = ''",
    "UPDATE shadow_verdicts SET outcome = 'PASS'",
    "DELETE FROM lots",
    "UPDATE station_acknowledgements SET note = ''",
    "UPDATE forwarding_terms SET oldest_station = '0001'",
    "UPDATE alembic_version SET version_num = '0001'",
    "ALTER TABLE inspections DISABLE TRIGGER ALL",
    "DROP TABLE labels",
    "CREATE TABLE mine (x INTEGER)",
    "SET ROLE postgres",
    "COPY accounts TO PROGRAM 'cat'",
]


def test_a_station_forwards_with_its_own_login_and_nothing_else_is_open_to_it(
    plant: str, login: Login, tmp_path: Path, line: Any
) -> None:
    station = login(STATION)
    part = forwarded(tmp_path / "station.sqlite", line, address(plant, STATION))
    with station.connect() as connection:
        assert queries.part(connection, part.part_id) == line.judged(part)
    for statement in FORBIDDEN_TO_A_STATION:
        with station.connect() as connection, pytest.raises(ProgrammingError, match=r"permission denied|must be"):
            connection.execute(text(statement))
    owner = open_engine(plant)
    with owner.connect() as connection:
        assert queries.part(connection, part.part_id) == line.judged(part)
    owner.dispose()


def test_a_station_cannot_end_a_run_a_second_time(plant: str, login: Login, tmp_path: Path, line: Any) -> None:
    station = login(STATION)
    forwarded(tmp_path / "station.sqlite", line, address(plant, STATION))
    with station.begin() as connection, pytest.raises(DBAPIError, match="never changed"):
        connection.execute(text("UPDATE runs SET clean = false"))


def test_a_screen_labels_and_cannot_rewrite_what_was_said_or_seen(
    plant: str, login: Login, tmp_path: Path, line: Any
) -> None:
    part = forwarded(tmp_path / "station.sqlite", line, plant)
    screen = login(SCREEN)
    with screen.begin() as connection:
        add_label(connection, Label(part.part_id, "good", "ann", blind=False))
        add_account(connection, "ben", Role.OPERATOR, "correct horse battery", By("ann", "new"))
    for statement in (
        "UPDATE labels SET label = 'scratch'",
        "DELETE FROM labels",
        "UPDATE audit_log SET person = 'ben'",
        "DELETE FROM audit_log",
        "INSERT INTO audit_checkpoints SELECT * FROM audit_checkpoints",
        "UPDATE inspections SET outcome = 'PASS'",
        "UPDATE acknowledgements SET note = ''",
        "UPDATE lots SET opened_by = 'ben'",
        "INSERT INTO dataset_snapshots SELECT * FROM dataset_snapshots",
        "DELETE FROM training_jobs",
        "DELETE FROM accounts",
    ):
        with screen.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text(statement))


@pytest.mark.parametrize(
    ("role", "hidden"),
    [(TRAINER, ["accounts", "sessions"]), (READER, ["accounts", "sessions", "audit_log", "audit_checkpoints"])],
)
def test_trainer_and_reader_see_no_persons(login: Login, role: str, hidden: list[str]) -> None:
    engine = login(role)
    with engine.connect() as connection:
        assert queries.trigger_count(connection) == 0
    for table in hidden:
        with engine.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text(f"SELECT * FROM {table}"))


def test_screen_and_trainer_do_their_work_with_their_own_logins(
    plant: str, login: Login, tmp_path: Path, line: Any
) -> None:
    forwarded(tmp_path / "station.sqlite", line, plant)
    screen, trainer = login(SCREEN), login(TRAINER)
    with writing(screen) as connection:
        for stations in (("station-1",), ()):
            set_line(connection, LineChange(Line("north", stations), "ann", "rebuilt"))
        open_lot(connection, Lot("L1", "bracket", "ann"))
        close_lot(connection, "L1", "bracket", "ben", utc_now())
        cancelled, wanted = (enqueue(connection, Job("bracket", "ann", "corrections")) for _ in range(2))
        cancel(connection, cancelled, "ann", "too early", utc_now())
    with writing(trainer) as connection:
        held = lease(connection, "worker-1", utc_now())
        assert held is not None
        assert held.job.job_id == wanted
        frozen = Snapshot("bracket", "worker-1", utc_now(), {"parts": []}, {})
        use_snapshot(connection, held, freeze(connection, frozen).snapshot_id)
        register_bundle(connection, KnownBundle("c" * 64, "classify", ("good",), {}))
        finish(connection, held, "c" * 64, "a candidate", utc_now())
    with trainer.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
        acknowledge(connection, Acknowledgement(new_event(plant), "ann"))
    with writing(screen) as connection:
        (alarm,) = open_alarms(connection, 10)
        acknowledge(connection, Acknowledgement(alarm.event_id, "ann"))


def new_event(plant: str) -> UUID:
    event = Event("station-1", Severity.ALARM, "camera lost", "gone")
    owner = open_engine(plant)
    with owner.begin() as connection:
        connection.execute(insert(EVENTS), event_row(event))
    owner.dispose()
    return event.event_id


def test_a_signer_signs_and_writes_no_row_of_the_log(login: Login) -> None:
    signer = login(SIGNER)
    with signer.begin() as connection:
        assert len(sign_log(connection, new_key(), utc_now())) == 1
    with signer.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
        record_change(connection, Change("signer", "x", "y"))


def test_a_login_that_may_not_make_roles_is_told_which_are_missing(server: Any) -> None:
    with server.database() as url:
        owner = create_engine(url)
        with owner.connect() as connection, connection.begin() as transaction:
            for role in GRANTS:
                if connection.execute(text(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'")).first():
                    connection.execute(text(f"ALTER ROLE {role} RENAME TO aside_{role}"))
            connection.execute(text("CREATE ROLE test_poor"))
            connection.execute(text("SET ROLE test_poor"))
            assert set_up_roles(connection) == list(GRANTS)
            transaction.rollback()
        owner.dispose()


def test_sqlite_has_no_roles(path: Path, engine: Engine) -> None:
    with engine.begin() as connection:
        assert set_up_roles(connection) == []
