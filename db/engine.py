"""Open a database and say in one line what is wrong with one that cannot be used."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import to_json
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from db.migrations import HEAD
from inspector.errors import DatabaseError

DEFAULT_URL = "sqlite:///inspector.sqlite"
WRITES = "inspector_writes"
"""Execution option of a connection whose transactions will write: SQLite then takes the write lock at their start."""

BUSY_TIMEOUT_MS = 5000
_LOOK_AGAIN_S = 0.01
PRAGMAS = (
    "synchronous = FULL",
    "foreign_keys = ON",
    f"busy_timeout = {BUSY_TIMEOUT_MS}",
    "recursive_triggers = ON",  # else INSERT OR REPLACE deletes rows of append-only tables past their triggers
)


def default_url() -> str:
    return os.environ.get("INSPECTOR_DATABASE") or DEFAULT_URL


def open_engine(url: str | Path, *, create: bool = False) -> Engine:
    """Open the database at `url`, a URL or the plain path of an SQLite file; the caller disposes of the engine.

    Its schema must be this program's. With `create`, a database that holds no tables yet is given them; one of another
    version never is, since that is a decision (`inspector db upgrade`).

    Raises:
        DatabaseError: the folder cannot be written, the file is no database, the schema is of another version, or
            the driver is missing.
    """
    engine = open_any_version(url, create=create)
    try:
        _require_head(engine, create)
    except DatabaseError:
        engine.dispose()
        raise
    return engine


def open_any_version(url: str | Path | URL, *, create: bool = False) -> Engine:
    """Like `open_engine`, whatever the schema: for those who upgrade or look at it."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        _require_file(parsed, create)
    engine = _connectable(parsed)
    try:
        with storage_errors(parsed), engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except DatabaseError:
        engine.dispose()
        raise
    return engine


def parse_url(url: str | Path | URL) -> URL:
    if isinstance(url, URL):
        return url
    words = str(url)
    if "://" not in words:
        return URL.create("sqlite", database=words)
    try:
        parsed = make_url(words)
    except ArgumentError as error:
        raise DatabaseError(f"database {words!r}: expected a URL such as {DEFAULT_URL}, or a path") from error
    # SQLAlchemy 2.0 takes psycopg2 where the driver is left out, 2.1 takes psycopg: ours is psycopg.
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def schema_revision(engine: Engine) -> str | None:
    """The revision that the database says it has; None where no migration ever ran."""
    with storage_errors(engine.url), engine.connect() as connection:
        return _revision(connection)


@contextmanager
def storage_errors(url: URL) -> Iterator[None]:
    """Turn the driver's errors into a DatabaseError that names the database and the cause."""
    try:
        yield
    except DBAPIError as error:
        raise DatabaseError(f"database {name_of(url)}: {cause_of(error)}") from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that will write, all or nothing; raise DatabaseError."""
    with storage_errors(engine.url), engine.connect() as connection:
        connection = connection.execution_options(**{WRITES: True})
        with connection.begin():
            yield connection


def as_sqlalchemys(error: sqlite3.Error, statement: str) -> BaseException:
    """An error of SQLite's driver, called without SQLAlchemy, as SQLAlchemy would have raised it."""
    return DBAPIError.instance(statement, None, error, sqlite3.Error)


def sqlite_code(error: DBAPIError) -> int | None:
    """SQLite's primary result code behind `error`, where it is SQLite's."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def name_of(url: URL) -> str:
    return url.database or "" if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def cause_of(error: DBAPIError) -> str:
    """What the driver said, in our words where we have some."""
    folder_hint = "expected a folder and a file that may be written"
    sentences: dict[int | str, str] = {
        "55P03": "another program holds it locked",
        "42501": "this login may not do that",
        sqlite3.SQLITE_NOTADB: "the file is no SQLite database",
        sqlite3.SQLITE_CANTOPEN: f"cannot be opened or made; {folder_hint}",
        sqlite3.SQLITE_READONLY: f"cannot be written; {folder_hint}",
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_BUSY: "another program holds it locked",
        sqlite3.SQLITE_CORRUPT: "the file is damaged",
    }
    said = str(error.orig).strip().partition("\n")[0]
    code = getattr(error.orig, "sqlstate", None) or sqlite_code(error)
    known = sentences.get(code or 0)
    return f"{known} ({said})" if known else said


def _connectable(url: URL) -> Engine:
    try:
        engine = create_engine(url, json_serializer=json_text)
    except NoSuchModuleError as error:
        raise DatabaseError(
            f"database {name_of(url)}: no dialect {url.drivername!r}; expected sqlite or postgresql"
        ) from error
    except ModuleNotFoundError as error:
        extra = "; install open-inspector[postgres]" if error.name == "psycopg" else ""
        raise DatabaseError(f"database {name_of(url)}: the driver {error.name} is missing{extra}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
        event.listen(engine, "begin", _begin)
    return engine


def json_text(value: Any) -> str:
    """Write a JSON value, at a fifth of the time of Python's own encoder; most of what a part writes is an empty list.

    Text that is no valid Unicode is left to Python's, which escapes it.
    """
    if value == []:
        return "[]"
    try:
        return to_json(value).decode()
    except ValueError:
        return json.dumps(value)


def _set_pragmas(connection: Any, _: object) -> None:
    try:
        # The driver would begin transactions only before INSERT and its like, never before DDL or SAVEPOINT: we do.
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
        _write_ahead(connection)
    except sqlite3.Error:
        connection.close()  # the pool forgets a connection that failed here, with its files open
        raise


def _write_ahead(connection: Any) -> None:
    """Switch to the write-ahead log. SQLite says at once that another is doing so too, without waiting for it."""
    until_s = time.monotonic() + BUSY_TIMEOUT_MS / 1e3
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until_s:
                raise
            time.sleep(_LOOK_AGAIN_S)


def _begin(connection: Connection) -> None:
    # A transaction that begins by reading and then writes can fail at once when another wrote in between, whatever
    # busy_timeout says; one that will write therefore takes the lock first.
    statement = "BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITES, False) else "BEGIN"
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute(statement).close()
    except sqlite3.Error as error:
        raise as_sqlalchemys(error, statement) from error


def _require_file(url: URL, create: bool) -> None:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise DatabaseError(f"database {url}: expected a file, as in {DEFAULT_URL}; memory is no ledger")
    path = Path(url.database)
    if not path.parent.is_dir():
        raise DatabaseError(f"database {path}: folder {path.parent} does not exist; make it first")
    if not create and not path.exists():
        raise DatabaseError(f"database {path}: no such file; `inspector db upgrade` makes it")
    if path.exists() and not path.is_file():
        raise DatabaseError(f"database {path}: expected a file")


def _require_head(engine: Engine, create: bool) -> None:
    with storage_errors(engine.url), engine.connect() as connection:
        found = _revision(connection)
        empty = set(inspect(connection).get_table_names()) <= {"alembic_version"}
    if found is None and create and empty:
        from db.schema import upgrade  # Alembic is loaded only where a schema is made.

        upgrade(engine)
    elif found != HEAD:
        raise DatabaseError(
            f"database {name_of(engine.url)}: schema revision {found or 'none'}, this program needs {HEAD}; "
            f"run `inspector db upgrade --database {name_of(engine.url)}`" + _newer(found)
        )


def _newer(found: str | None) -> str:
    return " of a newer version of this program" if found is not None and found > HEAD else ""


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision
