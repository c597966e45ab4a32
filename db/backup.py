"""Backup and restore: a file that is whole and verified before it has its name, and a restore that overwrites nothing.

SQLite is copied by its own backup interface, in one step: writers go on meanwhile, and the copy is of one moment.
PostgreSQL has its own programs for it, which must be of the server's version or newer; they are called, not imitated.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Engine, inspect

from db.audit_checkpoints import examine_log
from db.audit_keys import PublicKey
from db.check import check
from db.engine import name_of, open_any_version, parse_url, schema_revision, storage_errors, writing
from db.migrations import HEAD
from db.roles import set_up_roles
from inspector.errors import DatabaseError

_UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was found in the database that was restored."""

    revision: str
    parts: int | None
    """None where the schema is older than this program's, and only the file was verified."""
    audit_rows: int | None


def back_up(database: str | Path, target: Path) -> int:
    """Write a backup of a database to a new file, whoever writes to it meanwhile; return its size in bytes.

    Raises:
        DatabaseError: the file is there already, or cannot be written, or the program that it takes is not here.
    """
    url = parse_url(database)
    open_any_version(url).dispose()
    with _new_file(target) as unfinished:
        unfinished.touch(mode=0o600)  # it holds the hashes of passwords
        if url.get_backend_name() == "sqlite":
            _copy(Path(url.database or ""), unfinished)
        else:
            _run([*_dump_words(url), f"--file={unfinished}"], url)
            _run(["pg_restore", "--list", str(unfinished)], url)
    return target.stat().st_size


def restore(
    backup: Path, database: str | Path, key: PublicKey | None = None, heads: Path | None = None
) -> tuple[Restored, list[str]]:
    """Make a database of a backup: an SQLite file that is not there, or a PostgreSQL database without tables.

    Returns what was found in it, and the roles of PostgreSQL that the login could not make.

    Raises:
        DatabaseError: something is there already, or the backup is damaged, of a newer program, or its audit log was
            altered. An SQLite file is then not there; a PostgreSQL database is empty, or named as not to be used.
    """
    if not backup.is_file():
        raise DatabaseError(f"backup {backup}: no such file")
    url = parse_url(database)
    if url.get_backend_name() == "sqlite":
        return _restore_file(backup, Path(url.database or ""), key, heads), []
    return _restore_server(backup, url, key, heads)


def _restore_file(backup: Path, target: Path, key: PublicKey | None, heads: Path | None) -> Restored:
    for beside in ("-wal", "-shm"):
        if (left := target.with_name(target.name + beside)).exists():
            raise DatabaseError(f"database {left}: is there already; nothing is overwritten")
    with _new_file(target) as unfinished:
        _copy(backup, unfinished)
        engine = open_any_version(unfinished)
        try:
            found = _verified(engine, backup, key, heads)
        finally:
            engine.dispose()
        _single_file(unfinished)
    return found


def _restore_server(backup: Path, url: URL, key: PublicKey | None, heads: Path | None) -> tuple[Restored, list[str]]:
    engine = open_any_version(url)
    try:
        with storage_errors(engine.url):
            there = inspect(engine).get_table_names()
        if there:
            raise DatabaseError(f"database {name_of(url)}: holds tables ({min(there)}); nothing is overwritten")
        words = ["pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
        _run([*words, f"--dbname={_address(url)}", str(backup)], url)
        found = _verified(engine, backup, key, heads)
        if found.revision != HEAD:
            return found, []
        with writing(engine) as connection:
            return found, set_up_roles(connection)
    finally:
        engine.dispose()


def _verified(engine: Engine, backup: Path, key: PublicKey | None, heads: Path | None) -> Restored:
    revision = schema_revision(engine)
    if revision is None or revision > HEAD:
        raise DatabaseError(f"backup {backup}: schema revision {revision or 'none'}, expected one up to {HEAD}")
    if revision != HEAD:
        return Restored(revision, None, None)
    report = check(engine)
    if report.faults:
        raise DatabaseError(f"backup {backup}: {'; '.join(report.faults)}")
    with storage_errors(engine.url), engine.connect() as connection:
        examined = examine_log(connection, key, heads)
    if examined.finding is not None:
        raise DatabaseError(f"backup {backup}: audit log: {examined.finding.text()}")
    return Restored(revision, report.parts, examined.rows)


# ---- SQLite


def _copy(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as there,
            closing(sqlite3.connect(target)) as here,
        ):
            there.backup(here)  # all pages in one step: in several, each commit of a writer would begin it anew
            _single_file(target)
            answer = here.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        raise DatabaseError(f"database {source}: cannot be copied to {target} ({error})") from error
    if answer != "ok":
        raise DatabaseError(f"database {source}: damaged: {answer}")


def _single_file(path: Path) -> None:
    """Leave no write-ahead log beside a file: copied alone it is whole."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").close()


@contextmanager
def _new_file(target: Path) -> Iterator[Path]:
    """A file that gets its name when it is whole and on the disk; nothing is left of one that fails."""
    if target.exists():
        raise DatabaseError(f"{target}: is there already; nothing is overwritten")
    unfinished = target.with_name(target.name + _UNFINISHED)
    try:
        unfinished.unlink(missing_ok=True)
        yield unfinished
        for path in (unfinished, target.parent):
            _sync(path)
        os.link(unfinished, target)  # unlike a rename it fails where one came meanwhile
        _sync(target.parent)
    except OSError as error:
        raise DatabaseError(f"{target}: cannot be written ({error.strerror})") from error
    finally:
        for beside in ("", "-wal", "-shm", "-journal"):
            unfinished.with_name(unfinished.name + beside).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


# ---- PostgreSQL


def _dump_words(url: URL) -> list[str]:
    return ["pg_dump", "--format=custom", f"--dbname={_address(url)}"]


def _address(url: URL) -> str:
    """A URL for PostgreSQL's own programs; the password goes by the environment, where other users do not see it."""
    return URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query).render_as_string()


def _run(words: list[str], url: URL) -> None:
    program = shutil.which(words[0])
    if program is None:
        recipe = shlex.join([*_dump_words(url), "--file=FILE"] if words[0] == "pg_dump" else words)
        raise DatabaseError(
            f"{words[0]} is not on this machine; install PostgreSQL's client, or run where it is: {recipe}"
        )
    environment: Mapping[str, str] = (
        os.environ if url.password is None else {**os.environ, "PGPASSWORD": str(url.password)}
    )
    ended = subprocess.run([program, *words[1:]], env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = " ".join(ended.stderr.split()) or f"exit status {ended.returncode}"
        raise DatabaseError(f"database {name_of(url)}: {said}")
