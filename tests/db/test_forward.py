"""From a station's file to a plant: on SQLite and on a real PostgreSQL, with the plant killed, slow, old and wrong."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, insert, select, text, update

from db import command, queries
from db.dispatch import keep
from db.engine import open_engine
from db.forward import Forwarder, Forwarding, plant_url
from db.images import StoredImage
from db.ledger import Ledger
from db.migrations import HEAD
from db.receiving import parked
from db.records import Event, Severity
from db.schema import downgrade
from db.tables import BUNDLES, FINDINGS, IMAGES, INSPECTIONS, RECIPES, RUNS, STATIONS
from inspector.errors import DatabaseError
from inspector.values import Outcome
from tests.db.filled_station import IMAGE, Station, same

FUTURE = datetime(2099, 1, 2, tzinfo=UTC)


@pytest.fixture
def station(tmp_path: Path, line: Any) -> Station:
    return Station(tmp_path / "station.sqlite", line)


def test_everything_gets_there_once_and_as_it_was(station: Station, engine: Engine, database: str) -> None:
    station.inspect(40)
    station.end()
    with Forwarder(station.path, database) as forwarder:
        assert forwarder.state() == Forwarding(43, None, 0, 0)
        assert forwarder.drain() == 43
        assert forwarder.state() == Forwarding(0, None, 43, 0)
        assert forwarder.drain() == 0
    same(station, engine)


def test_the_plant_has_at_any_time_the_first_parts_and_no_end_before_the_last(
    station: Station, engine: Engine, database: str
) -> None:
    station.inspect(20)
    station.end()
    with Forwarder(station.path, database, rows_per_batch=3) as forwarder:
        while forwarder.step():
            with engine.connect() as connection:
                triggers = [record.trigger for record in queries.records(connection, station.run_id)]
                ended = connection.execute(select(RUNS.c.ended_at)).scalar_one()
            assert triggers == list(range(1, len(triggers) + 1))
            assert ended is None or len(triggers) == 20


def test_a_batch_that_comes_twice_is_there_once(station: Station, engine: Engine, database: str) -> None:
    """The station is killed between the plant's commit and forgetting its notes."""
    station.inspect(20)
    station.end()
    before = open_engine(station.path)
    with before.connect() as connection:
        notes = connection.execute(text("SELECT number, kind, key FROM dispatch")).all()
    with Forwarder(station.path, database) as forwarder:
        forwarder.drain()
        with before.begin() as connection:
            for note in notes:
                connection.execute(text("INSERT INTO dispatch VALUES (:number, :kind, :key)"), dict(note._mapping))
        assert forwarder.drain() == len(notes)
        assert forwarder.state().parked == 0
    before.dispose()
    same(station, engine)


def test_rows_wait_for_a_plant_that_is_away_and_are_counted(station: Station, tmp_path: Path) -> None:
    station.inspect(5)
    reports: list[Forwarding] = []
    stop = threading.Event()

    def report(state: Forwarding) -> None:
        reports.append(state)
        stop.set()

    with Forwarder(station.path, "postgresql://nobody@127.0.0.1:1/plant") as forwarder:
        forwarder.run(stop, report)
    (state,) = reports
    assert state.unforwarded == 6
    assert "127.0.0.1" in (state.fault or "")


def test_a_station_that_never_forwarded_sends_all_it_has(
    tmp_path: Path, line: Any, engine: Engine, database: str
) -> None:
    path = tmp_path / "old.sqlite"
    with Ledger(path) as ledger:
        run_id = ledger.start_run(line.run())
        for trigger in (1, 2, 3):
            part = line.part(run_id, trigger)
            ledger.open_part(part)
            if trigger < 3:
                ledger.complete_part(line.judged(part))
    with Forwarder(path, database) as forwarder:
        assert forwarder.drain() == 3
    with engine.connect() as connection:
        assert [record.trigger for record in queries.records(connection, run_id)] == [1, 2]


def test_a_migration_that_moved_a_table_took_its_trigger_and_all_is_noted_again(
    station: Station, engine: Engine, database: str
) -> None:
    station.inspect(4)
    with Forwarder(station.path, database) as forwarder:
        forwarder.drain()
    moved = create_engine(f"sqlite:///{station.path}")
    with moved.begin() as connection:
        connection.execute(text("DROP TRIGGER dispatch_part"))
    moved.dispose()
    station.inspect(2)
    with Forwarder(station.path, database) as forwarder:
        assert forwarder.state().unforwarded == 6
        forwarder.drain()
    same(station, engine)


def test_a_clock_that_steps_back_and_one_that_is_far_ahead_lose_nothing(
    station: Station, engine: Engine, database: str
) -> None:
    station.inspect(3)
    ahead = int(FUTURE.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62
    for number in range(3):
        station.inspect(1, triggered_at=FUTURE, part_id=UUID(int=ahead + number))
    station.inspect(1, triggered_at=FUTURE - timedelta(days=40000))
    station.inspect(2)
    with Forwarder(station.path, database, rows_per_batch=2) as forwarder:
        forwarder.drain()
    same(station, engine)


def test_a_plant_that_was_restored_gets_every_row_again(station: Station, engine: Engine, database: str) -> None:
    parts = station.inspect(6)
    with Forwarder(station.path, database) as forwarder:
        forwarder.drain()
        with engine.begin() as connection:
            for table in (FINDINGS, INSPECTIONS):
                connection.execute(table.delete().where(table.c.part_id == parts[3].part_id))
        assert forwarder.everything() == 7
        forwarder.drain()
    same(station, engine)


def test_forwarding_on_the_command_line(
    station: Station, engine: Engine, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    station.inspect(3)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = ["forward", "--database", str(station.path), "--to", database]
    assert command.run(parser.parse_args(words)) == 0
    assert command.run(parser.parse_args([*words, "--parked"])) == 0
    assert command.run(parser.parse_args([*words, "--all"])) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "4 rows forwarded; 0 refused and parked, 0 left"
    assert said[1] == "0 rows forwarded, 0 of them parked before; 0 refused and parked, 0 left"
    assert said[2] == said[0]
    same(station, engine)


# ---- rows that the plant refuses


def test_a_row_of_another_content_under_the_same_id_is_parked_and_its_neighbours_are_not(
    station: Station, engine: Engine, database: str
) -> None:
    parts = station.inspect(5)
    with Forwarder(station.path, database) as forwarder:
        forwarder.drain()
        with engine.begin() as connection:
            connection.execute(
                update(INSPECTIONS).where(INSPECTIONS.c.part_id == parts[1].part_id).values(latency_ms=9.75)
            )
        with forwarder._writing() as connection:
            connection.execute(text("DROP TRIGGER dispatch_part"))
            keep(connection)
        station.inspect(2)
        forwarder.drain()
        assert forwarder.state().parked == 1
    with engine.connect() as connection:
        (row,) = parked(connection)
        assert queries.trigger_count(connection) == 7
    assert (row.station, row.kind, row.key) == ("station-1", "part", parts[1].part_id)
    assert "another latency_ms" in row.reason
    assert '"latency_ms":8.5' in row.content


def test_what_was_parked_is_sent_again_when_the_plant_was_put_right(
    station: Station, engine: Engine, database: str, line: Any
) -> None:
    parts = station.inspect(3)
    with Forwarder(station.path, database, rows_per_batch=1) as forwarder:
        forwarder.step()
        in_the_way = line.part(station.run_id, 2)
        row = {name: getattr(in_the_way, name) for name in ("part_id", "run_id", "station", "recipe", "bundle_id")}
        row |= {"trigger": 2, "sequence": 1, "source": "", "triggered_at": in_the_way.triggered_at, "reasons": []}
        with engine.begin() as connection:
            connection.execute(insert(INSPECTIONS), row)
        forwarder.drain()
        with engine.begin() as connection:
            (refused,) = parked(connection, "station-1")
            connection.execute(INSPECTIONS.delete().where(INSPECTIONS.c.part_id == in_the_way.part_id))
        assert (refused.key, "unique" in refused.reason.lower()) == (parts[1].part_id, True)
        assert forwarder.again() == 1
        assert forwarder.again() == 0
        forwarder.drain()
    with engine.connect() as connection:
        assert parked(connection) == []
    same(station, engine)


def test_a_part_whose_run_was_refused_is_parked_with_it(station: Station, engine: Engine, database: str) -> None:
    station.inspect(2)
    with engine.begin() as connection:
        other = {"task": "detect", "classes": [], "manifest": {}}
        connection.execute(insert(STATIONS), {"name": "station-1"})
        connection.execute(insert(RECIPES), {"name": "bracket", "revision": "r" * 64, "text": ""})
        connection.execute(insert(BUNDLES), other | {"bundle_id": "b" * 64})
        row = {"run_id": station.run_id, "station": "station-1", "recipe": "bracket", "recipe_revision": "r" * 64}
        connection.execute(insert(RUNS), row | {"bundle_id": "b" * 64, "started_at": FUTURE})
    with Forwarder(station.path, database) as forwarder:
        forwarder.drain()
    with engine.connect() as connection:
        (row,) = parked(connection)
    assert (row.kind, "another started_at" in row.reason) == ("run", True)


def test_words_that_a_plant_on_postgresql_cannot_store_are_parked(
    station: Station, engine: Engine, database: str
) -> None:
    parts = station.inspect(3)
    raw = create_engine(f"sqlite:///{station.path}")
    with raw.begin() as connection:
        connection.execute(
            text("UPDATE inspections SET label = :label WHERE part_id = :part"),
            {"label": "a\0b", "part": parts[1].part_id.bytes},
        )
    raw.dispose()
    with Forwarder(station.path, database) as forwarder:
        forwarder.drain()
    with engine.connect() as connection:
        refused, arrived = parked(connection), queries.trigger_count(connection)
    on_sqlite = engine.dialect.name == "sqlite"
    assert (len(refused), arrived) == ((0, 3) if on_sqlite else (1, 2))
    assert on_sqlite or ("NUL" in refused[0].reason and "a\\u0000b" in refused[0].content)


def test_sql_in_every_text_is_text(station: Station, engine: Engine, database: str, line: Any) -> None:
    evil = "'); DROP TABLE inspections; -- \\ \" %s :x"
    with Ledger(station.path) as ledger:
        run = line.run(station=evil[:64], recipe=evil, recipe_text=evil, recipe_revision=evil[:64], classes=(evil,))
        run = dataclasses.replace(run, bundle_id=evil[:64], manifest={evil: evil})
        part = line.part(ledger.start_run(run), 1, station=evil[:64], recipe=evil, bundle_id=evil[:64], source=evil)
        judged = line.judged(part, label=evil, reasons=(evil,), outcome=Outcome.REVIEW)
        ledger.open_part(part)
        ledger.complete_part(judged)
        ledger.record_event(Event(evil[:64], Severity.INFO, evil, evil))
    with Forwarder(station.path, database) as forwarder:
        forwarder.drain()
    with engine.connect() as connection:
        assert queries.part(connection, part.part_id) == judged
        assert queries.events(connection, 1)[0].message == evil


# ---- terms


def test_a_station_that_is_too_old_is_told_so(station: Station, engine: Engine, database: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE forwarding_terms SET oldest_station = '9000'"))
    with Forwarder(station.path, database) as forwarder:
        with pytest.raises(DatabaseError, match=f"this station has schema {HEAD}, the plant takes 9000 and newer"):
            forwarder.step()
        assert forwarder.state().unforwarded > 0


def test_a_plant_that_is_older_is_named_and_nothing_is_lost(station: Station, database: str) -> None:
    with Forwarder(station.path, database, station_revision="9000") as forwarder:
        with pytest.raises(DatabaseError, match=f"the plant has schema {HEAD}, this station 9000; run `inspector db"):
            forwarder.step()
        assert forwarder.state().unforwarded == 1


def test_a_plant_without_tables_that_take_rows_is_named(station: Station, engine: Engine, database: str) -> None:
    downgrade(engine, "0003")
    with Forwarder(station.path, database) as forwarder, pytest.raises(DatabaseError, match="no tables that take rows"):
        forwarder.step()


def test_a_station_two_versions_behind_still_forwards(station: Station, engine: Engine, database: str) -> None:
    """The plant went on: a column with a default, a further table, another index, and two revisions."""
    station.inspect(5)
    station.end()
    with engine.begin() as connection:
        for statement in (
            "ALTER TABLE inspections ADD COLUMN mould INTEGER",
            "ALTER TABLE findings ADD COLUMN heat DOUBLE PRECISION DEFAULT 0.5 NOT NULL",
            "CREATE TABLE moulds (mould INTEGER PRIMARY KEY)",
            "CREATE INDEX ix_later ON inspections (mould)",
            f"UPDATE alembic_version SET version_num = '{int(HEAD) + 2:04}'",
        ):
            connection.execute(text(statement))
    with Forwarder(station.path, database) as forwarder:
        forwarder.drain()
    same(station, engine)


# ---- storms


def test_a_line_that_runs_two_stations_and_a_reader_that_never_ends_lose_and_double_nothing(
    station: Station, engine: Engine, database: str, tmp_path: Path, line: Any
) -> None:
    other = Station(tmp_path / "other.sqlite", line, "station-2")
    stop = threading.Event()

    def forward(source: Station) -> None:
        with Forwarder(source.path, database, rows_per_batch=10) as forwarder:
            forwarder.run(stop, lambda _: None)
            forwarder.drain()

    threads = [threading.Thread(target=forward, args=(source,)) for source in (station, other)]
    with engine.connect() as reader, reader.begin():
        assert queries.trigger_count(reader) >= 0
        for thread in threads:
            thread.start()
        for _ in range(4):
            station.inspect(25)
            other.inspect(25)
        stop.set()
        for thread in threads:
            thread.join()
    with engine.connect() as connection:
        for source in (station, other):
            triggers = [record.trigger for record in queries.records(connection, source.run_id)]
            assert triggers == list(range(1, 101))
        assert parked(connection) == []


def test_a_connection_that_is_cut_again_and_again_loses_and_doubles_nothing(
    station: Station, server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    station.inspect(600)
    station.end()
    cuts, stop = 0, threading.Event()
    with server.database() as url:
        plant = open_engine(url)
        admin = create_engine(url, isolation_level="AUTOCOMMIT")
        with Forwarder(station.path, url, rows_per_batch=20) as forwarder:
            thread = threading.Thread(target=_until_empty, args=(forwarder, stop))
            thread.start()
            with admin.connect() as connection:
                while thread.is_alive():
                    time.sleep(0.02)
                    kill = (
                        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = :name"
                    )
                    cuts += (
                        connection.execute(text(kill), {"name": "inspector-forwarder"}).scalar_one() if cuts < 30 else 0
                    )
            thread.join()
            assert forwarder.state().parked == 0
        same(station, plant)
        admin.dispose()
        plant.dispose()
    assert cuts >= 3


def _until_empty(forwarder: Forwarder, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            forwarder.drain()
        except DatabaseError:
            continue
        stop.set()


@pytest.mark.slow
def test_a_server_that_is_killed_in_mid_batch_and_comes_back_loses_and_doubles_nothing(
    station: Station, postgres: Callable[[], Any]
) -> None:
    station.inspect(300)
    station.end()
    with postgres() as running:
        url = running.get_uri()
        open_engine(url, create=True).dispose()
        with Forwarder(station.path, url, rows_per_batch=20) as forwarder:
            for _ in range(5):
                forwarder.step()
            _kill(running)
            with pytest.raises(DatabaseError):
                forwarder.drain()
            waiting = forwarder.state().unforwarded
            running.ensure_postgres_running()
            forwarder.drain()
        assert waiting > 100
        plant = open_engine(url)
        same(station, plant)
        plant.dispose()


def _kill(running: Any) -> None:
    """Kill -9 of the whole server: what was committed is there again, what was not is not."""
    import psutil

    postmaster = psutil.Process(running.get_pid())
    everybody = [postmaster, *postmaster.children(recursive=True)]
    for process in everybody:
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(everybody, 10)


def test_limits_on_silence_are_part_of_the_plants_address_and_can_be_set_otherwise() -> None:
    given = plant_url("postgresql://plant/inspections?connect_timeout=60")
    assert given.query["connect_timeout"] == "60"
    assert given.query["tcp_user_timeout"] == "15000"
    assert plant_url("sqlite:///plant.sqlite").query == {}


# ---- images


def test_images_of_every_view_get_there_without_what_the_station_did_with_its_own(
    station: Station, engine: Engine, database: str, line: Any
) -> None:
    """A plant keeps account of its own store: it may have what the station has dropped."""
    other = StoredImage("d" * 64, "dd/dd/" + "d" * 64 + ".png", 5)
    with Ledger(station.path) as ledger:
        part = line.part(station.run_id, 1)
        judged = line.judged(part, outcome=Outcome.REJECT, image_sha256=IMAGE.sha256)
        views = tuple(
            dataclasses.replace(judged.views[0], camera=camera, image_sha256=image.sha256)
            for camera, image in (("top", IMAGE), ("side", other))
        )
        ledger.open_part(part)
        ledger.complete_part(dataclasses.replace(judged, views=views), IMAGE, further=(other,)).result(5)
    raw = create_engine(f"sqlite:///{station.path}")
    with raw.begin() as connection:
        connection.execute(
            text("UPDATE images SET drop_reason = 'age', dropped_at = stored_at, uploaded_at = stored_at")
        )
    raw.dispose()
    with Forwarder(station.path, database) as forwarder:
        forwarder.drain()
        assert forwarder.state().parked == 0
    with engine.connect() as connection:
        assert list(queries.images(connection)) == [IMAGE, other]
        assert connection.execute(select(IMAGES.c.uploaded_at, IMAGES.c.dropped_at)).all() == [(None, None)] * 2
