from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from db.engine import DEFAULT_URL, default_url, open_any_version, open_engine, parse_url, schema_revision
from db.ledger import Ledger
from db.migrations import HEAD
from db.schema import upgrade
from inspector.errors import DatabaseError


def test_a_plain_path_and_a_url_open_the_same_file(path: Path, engine: Engine) -> None:
    by_url = open_engine(f"sqlite:///{path}")
    assert schema_revision(by_url) == HEAD
    by_url.dispose()


def test_sqlite_is_durable_and_checks_foreign_keys(path: Path, engine: Engine) -> None:
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    with engine.connect() as connection:
        assert {name: connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in expected} == expected


def test_the_ledger_is_durable_and_checks_foreign_keys(path: Path) -> None:
    with Ledger(path) as ledger:
        cursor = ledger._connection.connection.cursor()
        asked = [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "foreign_keys")]
    assert asked == [2, 1]


def test_a_missing_file_is_made_only_when_asked(path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"no such file; `inspector db upgrade` makes it"):
        open_engine(path)
    assert not path.exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"folder .*/nowhere does not exist"):
        open_engine(tmp_path / "nowhere" / "ledger.sqlite", create=True)


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    folder = Path("/proc/self") if os.geteuid() == 0 else tmp_path
    if folder == tmp_path:
        folder.chmod(0o500)
    with pytest.raises(DatabaseError, match=f"database {folder}/ledger.sqlite: cannot be opened or made"):
        open_engine(folder / "ledger.sqlite", create=True)


def test_a_read_only_disk_is_named(small_disk: Path) -> None:
    path = small_disk / "ledger.sqlite"
    open_engine(path, create=True).dispose()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(DatabaseError, match=r"ledger.sqlite: cannot be (written|opened)"), Ledger(path):
        pass


def test_a_disk_that_is_full_at_the_start_is_named(small_disk: Path) -> None:
    free = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(bytes(free.f_bavail * free.f_frsize))
    with pytest.raises(DatabaseError, match=r"disk is full|disk I/O error"), Ledger(small_disk / "ledger.sqlite"):
        pass


def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(DatabaseError, match="is no SQLite database"):
        open_engine(path, create=True)


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="expected a file"):
        open_engine(tmp_path, create=True)


def test_memory_is_no_ledger() -> None:
    with pytest.raises(DatabaseError, match="expected a file"):
        open_engine("sqlite://", create=True)


@pytest.mark.parametrize(
    ("found", "advice"), [("0000", r"upgrade --database \S+`$"), ("9999", "newer version of this program$")]
)
def test_another_schema_version_names_both_and_the_way_out(path: Path, engine: Engine, found: str, advice: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{found}'"))
    for create in (False, True):
        with pytest.raises(DatabaseError, match=f"revision {found}, this program needs {HEAD}; .*{advice}"):
            open_engine(path, create=create)


def test_a_newer_schema_is_not_upgraded(path: Path, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match="9999"):
        upgrade(engine)


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE songs (title TEXT)")
    foreign.close()
    with pytest.raises(DatabaseError, match="revision none"):
        open_engine(path, create=True)
    engine = open_any_version(path)
    with pytest.raises(DatabaseError, match=r"tables of another program \(songs\)"):
        upgrade(engine)
    engine.dispose()


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # importing it fails, as where it is not installed
    with pytest.raises(DatabaseError, match=r"driver psycopg is missing; install open-inspector\[postgres\]"):
        open_engine("postgresql://someone:secret@plant/inspections")


def test_a_password_is_not_shown() -> None:
    with pytest.raises(DatabaseError) as raised:
        open_engine("nosuch://someone:secret@plant/inspections")
    assert "no dialect 'nosuch'" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_words_that_are_no_url_are_named() -> None:
    with pytest.raises(DatabaseError, match="expected a URL"):
        parse_url("://")


def test_the_default_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECTOR_DATABASE", "sqlite:///elsewhere.sqlite")
    assert default_url() == "sqlite:///elsewhere.sqlite"
    monkeypatch.delenv("INSPECTOR_DATABASE")
    assert default_url() == DEFAULT_URL


def test_several_that_make_one_database_at_once_agree(path: Path) -> None:
    failed: list[BaseException] = []

    def make() -> None:
        try:
            open_engine(path, create=True).dispose()
        except DatabaseError as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
