"""Bring a database's schema to a revision; ask whether the tables and the migrations agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, ForeignKeyConstraint, inspect, text
from sqlalchemy.schema import SchemaItem

from db import migrations
from db.engine import BUSY_TIMEOUT_MS, WRITES, name_of, storage_errors
from db.partitions import KEPT_BY_PARTITIONS, is_partition
from db.plant_tables import METADATA
from inspector.errors import DatabaseError

_OTHERS_MIGRATE_MS = 60_000
"""How long one waits for another that makes or moves the same tables; on a busy box that takes seconds."""


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Move up to `revision` in one transaction: the schema is the old or the new one, never in between."""
    _migrate(engine, lambda config: command.upgrade(config, revision))


def downgrade(engine: Engine, revision: str) -> None:
    """Move down to `revision` ("base" for none). Rows of tables that it lacks are lost."""
    _migrate(engine, lambda config: command.downgrade(config, revision))


def differences(engine: Engine) -> list[Any]:
    """What autogenerate would still change to make the database like `db.tables`; empty when they agree."""
    with engine.connect() as connection:
        opts = {"compare_type": True, "include_object": compared_on(engine.dialect.name)}
        context = MigrationContext.configure(connection, opts=opts)
        return list(compare_metadata(context, METADATA))


def compared_on(dialect: str) -> Callable[..., bool]:
    """Which things are held against `db.tables`: partitions, and keys of theirs, follow their table."""

    def is_compared(thing: SchemaItem, name: str | None, kind: str, reflected: bool, _: SchemaItem | None) -> bool:
        if kind == "table":
            return name is None or not is_partition(name)
        if kind == "unique_constraint":
            return dialect == "sqlite" or thing.name != KEPT_BY_PARTITIONS  # type: ignore[attr-defined]
        if reflected and isinstance(thing, ForeignKeyConstraint):
            return not is_partition(thing.elements[0].target_fullname.partition(".")[0])
        return True

    return is_compared


def migration_config(connection: Connection | None = None) -> Config:
    config = Config()
    folder = Path(migrations.__file__).parent
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "v%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def _migrate(engine: Engine, step: Callable[[Config], None]) -> None:
    with storage_errors(engine.url), engine.connect() as connection, _foreign_keys_off(connection):
        connection = connection.execution_options(**{WRITES: True})
        with connection.begin():
            _refuse_foreign(connection)
            _step(connection, step)
            _refuse_dangling(connection)


def _step(connection: Connection, step: Callable[[Config], None]) -> None:
    try:
        step(migration_config(connection))
    except CommandError as error:
        name = name_of(connection.engine.url)
        raise DatabaseError(f"database {name}: {error}; expected a revision up to {migrations.HEAD}") from error


def _refuse_foreign(connection: Connection) -> None:
    tables = set(inspect(connection).get_table_names())
    if tables and "alembic_version" not in tables:
        name = name_of(connection.engine.url)
        raise DatabaseError(f"database {name}: holds tables of another program ({min(tables)}); expected an empty one")


@contextmanager
def _foreign_keys_off(connection: Connection) -> Iterator[None]:
    """A batch migration drops and renames tables; SQLite would delete the rows that point to them."""
    if connection.dialect.name != "sqlite":
        yield
        return
    raw = connection.connection.cursor()
    try:
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute(f"PRAGMA busy_timeout = {_OTHERS_MIGRATE_MS}")
        yield
    finally:
        raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        raw.execute("PRAGMA foreign_keys = ON")
        raw.close()


def _refuse_dangling(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    dangling = connection.execute(text("PRAGMA foreign_key_check")).first()
    if dangling is not None:
        raise DatabaseError(
            f"database {connection.engine.url.database}: table {dangling[0]} row {dangling[1]} points to a missing row "
            f"of {dangling[2]}; the schema was left as it was"
        )
