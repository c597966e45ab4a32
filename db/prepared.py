"""The few statements that every part needs, prepared: on SQLite they go to the driver without SQLAlchemy's work.

To bind and execute a statement of SQLAlchemy Core takes more processor time than SQLite takes for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Connection, Dialect, Insert, Update
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.sql.type_api import TypeEngine

from db.columns import Key, UtcMoment, as_utc
from db.engine import as_sqlalchemys, json_text
from db.records import Row

Storable = Callable[[Any], Any]
_SQLITE = sqlite_dialect()


class Prepared:
    """An insert or update that is executed for every part. What it writes is what Core writes, on either engine.

    The first row that it is given says which columns all rows have.
    """

    def __init__(self, statement: Insert | Update) -> None:
        self.statement = statement
        self._on_sqlite: _OnSqlite | None = None

    def write(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Execute it once for each row, and return how many rows of the table it wrote or changed.

        Raises:
            DBAPIError: as SQLAlchemy's own execution would.
            ValueError, TypeError, AttributeError: a value that its column does not take.
        """
        if connection.dialect.name != "sqlite":
            counted = {"preserve_rowcount": True}
            return connection.execute(self.statement, list(rows), execution_options=counted).rowcount
        if self._on_sqlite is None:
            self._on_sqlite = _OnSqlite(self.statement, tuple(rows[0]))
        return self._on_sqlite.write(connection, rows)


class _OnSqlite:
    """The statement as SQLite takes it: its text, which value goes where, and what is done to it before."""

    def __init__(self, statement: Insert | Update, columns: Sequence[str]) -> None:
        compiled = statement.compile(dialect=_SQLITE, column_keys=list(columns), for_executemany=True)
        places = tuple(compiled.positiontup or ())
        self._text = str(compiled)
        self._pick = itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)
        storable = [_storable(compiled.binds[name].type, _SQLITE) for name in places]
        self._storable = [(place, each) for place, each in enumerate(storable) if each is not None]

    def write(self, connection: Connection, rows: Sequence[Row]) -> int:
        values = [self._values(row) for row in rows]
        driver: Any = connection.connection.driver_connection
        try:
            cursor = driver.executemany(self._text, values)
        except sqlite3.Error as error:
            raise as_sqlalchemys(error, self._text) from error
        written: int = cursor.rowcount
        cursor.close()
        return written

    def _values(self, row: Row) -> list[Any]:
        values = list(self._pick(row))
        for place, storable in self._storable:
            if values[place] is not None:
                values[place] = storable(values[place])
        return values


def moment_text(value: datetime) -> str:
    """A moment as SQLite's columns hold it: in UTC, to the microsecond, without the zone."""
    return as_utc(value).replace(tzinfo=None).isoformat(" ", "microseconds")


def _key_bytes(value: UUID) -> bytes:
    return value.bytes


def _storable(kind: TypeEngine[Any], dialect: Dialect) -> Storable | None:
    """What makes a value of this type one that SQLite stores; None where it is one. Python's None is NULL."""
    if isinstance(kind, Key):
        return _key_bytes
    if isinstance(kind, UtcMoment):
        return moment_text
    if isinstance(kind, JSON):
        return json_text
    return kind.dialect_impl(dialect).bind_processor(dialect)
