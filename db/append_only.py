"""Tables whose rows are added and never changed: the database itself refuses UPDATE, DELETE and TRUNCATE.

SQLite drops the triggers with the table, also where a batch migration moves it: such a migration calls
`forbid_changes` again, and `tests/db/test_labels.py` fails where it does not. Whoever may write the file can also drop
the triggers: they guard against programs and mistakes; a signed log has to guard against persons.
"""

from __future__ import annotations

from sqlalchemy import Connection

FUNCTION = "inspector_refuse_change"
_REFUSAL = "rows are added and never changed"
_MAKE_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ': {_REFUSAL}';
END $$
"""


def forbid_changes(connection: Connection, table: str) -> None:
    """Have the database refuse every change of a row of `table`."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_MAKE_FUNCTION)
        connection.exec_driver_sql(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {FUNCTION}()"
        )
        return
    for event in ("UPDATE", "DELETE"):
        connection.exec_driver_sql(
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table}: {_REFUSAL}'); END"
        )


def end_once(connection: Connection) -> None:
    """Have the database refuse to end a run a second time, or otherwise."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_MAKE_FUNCTION)
        connection.exec_driver_sql(
            "CREATE TRIGGER runs_end_once BEFORE UPDATE ON runs FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) "
            f"EXECUTE FUNCTION {FUNCTION}()"
        )
        return
    connection.exec_driver_sql(
        "CREATE TRIGGER runs_end_once BEFORE UPDATE ON runs WHEN OLD.ended_at IS NOT NULL "
        f"BEGIN SELECT RAISE(ABORT, 'runs: {_REFUSAL}'); END"
    )


def end_any_time(connection: Connection) -> None:
    """Undo `end_once`."""
    on_table = " ON runs" if connection.dialect.name == "postgresql" else ""
    connection.exec_driver_sql(f"DROP TRIGGER runs_end_once{on_table}")


def allow_changes(connection: Connection, table: str) -> None:
    """Undo `forbid_changes`."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"DROP TRIGGER {table}_append_only ON {table}")
        return
    for event in ("update", "delete"):
        connection.exec_driver_sql(f"DROP TRIGGER {table}_no_{event}")


def forget_function(connection: Connection) -> None:
    """Drop what the triggers of PostgreSQL call, when no table has one any more."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {FUNCTION}()")
