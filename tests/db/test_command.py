from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from db import command
from db.engine import open_engine
from db.images import ImageStore
from db.ledger import Ledger
from db.migrations import HEAD
from inspector.errors import DatabaseError


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words))


def test_upgrade_makes_a_database_and_says_so(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("upgrade", "--database", f"sqlite:///{path}") == 0
    assert capsys.readouterr().out == f"database {path} went from nothing to revision {HEAD}\n"
    assert run("upgrade", "--database", str(path)) == 0
    assert "already had revision" in capsys.readouterr().out


def test_a_sound_database_is_said_to_be(path: Path, line: Any, capsys: pytest.CaptureFixture[str]) -> None:
    _write(path, line)
    assert run("check", "--database", str(path), "--images", str(path.parent)) == 0
    assert f"is sound: revision {HEAD}, 2 parts, 1 open, 1 images\n" in capsys.readouterr().out


def test_image_files_are_not_looked_at_unasked(path: Path, line: Any, capsys: pytest.CaptureFixture[str]) -> None:
    _write(path, line)
    assert run("check", "--database", str(path)) == 0
    assert "no --images" in capsys.readouterr().out


def test_a_missing_image_is_a_fault(path: Path, line: Any) -> None:
    image = _write(path, line)
    image.unlink()
    with pytest.raises(DatabaseError, match=f"1 images missing or cut short under .*{image.name}"):
        run("check", "--database", str(path), "--images", str(path.parent))


def test_an_image_cut_short_is_a_fault(path: Path, line: Any) -> None:
    _write(path, line).write_bytes(b"p")
    with pytest.raises(DatabaseError, match="1 images missing or cut short"):
        run("check", "--database", str(path), "--images", str(path.parent))


def test_a_folder_of_images_that_is_not_there_is_named(path: Path, line: Any) -> None:
    _write(path, line)
    with pytest.raises(DatabaseError, match="no such folder"):
        run("check", "--database", str(path), "--images", str(path.parent / "nowhere"))


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("UPDATE runs SET ended_at = started_at, clean = 0", "1 open parts in runs that have ended"),
        ("PRAGMA foreign_keys = OFF; DELETE FROM images", "inspections row . points to a missing row of images"),
    ],
)
def test_damage_is_found(path: Path, line: Any, damage: str, fault: str) -> None:
    _write(path, line)
    _execute(path, damage)
    with pytest.raises(DatabaseError, match=fault):
        run("check", "--database", str(path))


def test_doubled_triggers_are_found_where_the_constraint_was_lost(path: Path, line: Any) -> None:
    _write(path, line)
    _execute(
        path,
        "DROP TABLE outbox; DROP TABLE labels; DROP TABLE label_tasks; DROP TABLE findings; "
        "DROP TABLE label_leases; DROP TABLE shadow_verdicts; "
        "CREATE TABLE copied AS SELECT * FROM inspections; "
        "PRAGMA foreign_keys = OFF; DROP TABLE inspections; "
        'ALTER TABLE copied RENAME TO inspections; UPDATE inspections SET "trigger" = 1',
    )
    with pytest.raises(DatabaseError, match="1 doubled triggers, the first trigger 1 of run"):
        run("check", "--database", str(path))


def test_overwritten_pages_are_found(path: Path, line: Any) -> None:
    _write(path, line)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    with pytest.raises(DatabaseError, match=r"integrity_check|damaged|no SQLite database"):
        run("check", "--database", str(path))


HEAVY = ("sqlalchemy", "alembic", "cryptography", "argon2", "pyarrow")


def test_the_module_is_light_to_import_for_the_help() -> None:
    made = "db.command.add_arguments(argparse.ArgumentParser())"
    looked = f"import argparse, sys, db.command; {made}; print([name for name in {HEAVY} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_the_image_store_needs_no_database_library() -> None:
    looked = "import sys, db.images; print('sqlalchemy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


def _write(path: Path, line: Any) -> Path:
    """One part with an image, one open; where the image lies."""
    image = ImageStore(path.parent).put(b"picture", ".png")
    with Ledger(path) as ledger:
        run_id = ledger.start_run(line.run())
        part = line.part(run_id, 1)
        ledger.open_part(part)
        ledger.complete_part(line.judged(part, image_sha256=image.sha256), image)
        ledger.open_part(line.part(run_id, 2))
    return path.parent / image.path


def _execute(path: Path, script: str) -> None:
    engine = open_engine(path)
    raw = engine.raw_connection()
    for statement in script.split(";"):
        raw.cursor().execute(statement)
    raw.close()
    engine.dispose()


def test_the_words_of_text_are_not_sql(database: str, line: Any) -> None:
    evil = "'); DROP TABLE inspections; --"
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1, source=evil)
        ledger.open_part(part).result(5)
    engine = open_engine(database)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT source FROM inspections")).scalar_one() == evil
    engine.dispose()
