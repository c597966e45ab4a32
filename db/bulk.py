"""Many rows in one statement: PostgreSQL takes them as one JSON document, SQLite one by one in its own process.

On PostgreSQL a statement for each row costs an execution and an answer for each; COPY into a staging table was no
faster than the document, and needs a table for each connection.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_core import to_json
from sqlalchemy import Connection, Table, TextClause, text

from db.entries import insert_new
from db.records import Row


def add_new(connection: Connection, table: Table, rows: Sequence[Row], *, as_document: bool = True) -> int:
    """Insert the rows whose key is not there yet, and return their number; any other clash is an error."""
    if as_document and connection.dialect.name == "postgresql":
        document = _document(rows)
        if document is not None:
            return connection.execute(_insert_document(connection, table, rows[0]), {"rows": document}).rowcount
    keys = [column.name for column in table.primary_key.columns]
    counted = {"preserve_rowcount": True}
    return connection.execute(insert_new(connection, table, keys), list(rows), execution_options=counted).rowcount


def _document(rows: Sequence[Row]) -> str | None:
    """The rows as JSON; None where a text is no valid Unicode, which the driver has its own words for."""
    try:
        return to_json(rows, inf_nan_mode="strings").decode()
    except ValueError:
        return None


def _insert_document(connection: Connection, table: Table, row: Row) -> TextClause:
    quote = connection.dialect.identifier_preparer.quote
    columns = ", ".join(quote(name) for name in row)
    keys = ", ".join(quote(column.name) for column in table.primary_key.columns)
    return text(
        f"INSERT INTO {quote(table.name)} ({columns}) SELECT {columns} "
        f"FROM jsonb_populate_recordset(CAST(NULL AS {quote(table.name)}), CAST(:rows AS jsonb)) "
        f"ON CONFLICT ({keys}) DO NOTHING"
    )
