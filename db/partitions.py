"""Monthly partitions of inspections and findings on PostgreSQL; an SQLite file stays as it is.

The ranges are of the part's id: a UUID of version 7 begins with its milliseconds, so a month is a range of ids, the
keys stay what they are, and whoever asks for a part by its id looks into one partition. Ids of a month that nobody
made, as of a clock that is years ahead, go to the default partition, `inspections_other`.

That a trigger belongs to one part of its run is kept by each partition for itself, since the key of a partitioned table
must hold the partition's column; across months `inspector db check` looks.
"""

from __future__ import annotations

import logging

from sqlalchemy import Connection, text

logger = logging.getLogger(__name__)

TABLES = ("inspections", "findings")
MONTHS_AHEAD = 2
KEPT_BY_PARTITIONS = "uq_inspections_run_id_trigger"
MAKE_PARTITIONS = "inspector_make_partitions()"

_START_OF_MONTH = """
CREATE FUNCTION inspector_first_id(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$
"""
# Rows of the month that are in the default partition already stay there, and then so does the whole month: to move
# them would be to delete rows that labels refer to.
_MAKE_MONTH = f"""
CREATE FUNCTION inspector_make_month(month timestamp) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    first uuid := inspector_first_id(month AT TIME ZONE 'UTC');
    beyond uuid := inspector_first_id((month + interval '1 month') AT TIME ZONE 'UTC');
    suffix text := to_char(month, '_YYYY_MM');
    of_table text;
    made integer := 0;
    taken boolean;
BEGIN
    FOREACH of_table IN ARRAY ARRAY['{"', '".join(TABLES)}'] LOOP
        CONTINUE WHEN to_regclass(of_table || suffix) IS NOT NULL;
        PERFORM pg_advisory_xact_lock(hashtext('inspector_make_month'));
        CONTINUE WHEN to_regclass(of_table || suffix) IS NOT NULL;
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE part_id >= $1 AND part_id < $2)', of_table || '_other')
            INTO taken USING first, beyond;
        CONTINUE WHEN taken;
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
            of_table || suffix, of_table, first, beyond);
        IF of_table = 'inspections' THEN
            EXECUTE format('CREATE UNIQUE INDEX %I ON %I (run_id, trigger)',
                '{KEPT_BY_PARTITIONS}' || suffix, of_table || suffix);
        END IF;
        made := made + 1;
    END LOOP;
    RETURN made;
END $$
"""
# With the rights of its owner: a station may have partitions made and may make nothing else. A lock that it does not
# get soon it does without: there are months yet.
_MAKE_PARTITIONS = f"""
CREATE FUNCTION inspector_make_partitions() RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    made integer := 0;
BEGIN
    FOR step IN 0..{MONTHS_AHEAD} LOOP
        made := made + inspector_make_month(
            date_trunc('month', now() AT TIME ZONE 'UTC') + step * interval '1 month');
    END LOOP;
    RETURN made;
END $$
"""
_FUNCTIONS = (MAKE_PARTITIONS, "inspector_make_month(timestamp)", "inspector_first_id(timestamptz)")


def is_partition(name: str) -> bool:
    """Whether a table is a partition, by its name."""
    table, _, suffix = name.partition("_")
    return table in TABLES and (suffix == "other" or suffix.replace("_", "").isdigit())


def make_partitions(connection: Connection) -> int:
    """Make those of this month and the next ones that are missing, in the transaction of the caller; how many."""
    if connection.dialect.name != "postgresql":
        return 0
    made: int = connection.execute(text("SELECT inspector_make_partitions()")).scalar_one()
    if made:
        logger.info("%d partitions made ahead", made)
    return made


def split(connection: Connection) -> None:
    """Turn the two tables into partitioned ones, with their rows, in the transaction of the caller."""
    if connection.dialect.name != "postgresql":
        return
    for function in (_START_OF_MONTH, _MAKE_MONTH, _MAKE_PARTITIONS):
        connection.execute(text(function))
    for function in _FUNCTIONS:
        connection.exec_driver_sql(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    pointing = _pull_keys_to(connection)
    for table in TABLES:
        parts = [part for part in _parts(connection, table) if KEPT_BY_PARTITIONS not in part]
        _begin_anew(connection, table, "PARTITION BY RANGE (part_id)", parts)
        connection.exec_driver_sql(f"CREATE TABLE {table}_other PARTITION OF {table} DEFAULT")
    connection.exec_driver_sql(f"CREATE UNIQUE INDEX {KEPT_BY_PARTITIONS}_other ON inspections_other (run_id, trigger)")
    _months_of_rows(connection)
    make_partitions(connection)
    for table in TABLES:
        _move_rows(connection, table)
    for statement in pointing:
        connection.exec_driver_sql(statement)


def join(connection: Connection) -> None:
    """Undo `split`."""
    if connection.dialect.name != "postgresql":
        return
    pointing = _pull_keys_to(connection)
    for table in TABLES:
        parts = _parts(connection, table)
        if table == "inspections":
            parts.append(f"ALTER TABLE {table} ADD CONSTRAINT {KEPT_BY_PARTITIONS} UNIQUE (run_id, trigger)")
        _begin_anew(connection, table, "", parts)
    for table in TABLES:
        _move_rows(connection, table)
    for statement in pointing:
        connection.exec_driver_sql(statement)
    for function in _FUNCTIONS:
        connection.exec_driver_sql(f"DROP FUNCTION {function}")


def _pull_keys_to(connection: Connection) -> list[str]:
    """Drop every foreign key that points to the tables, whoever has it, and return how it is made again."""
    query = text(
        "SELECT conrelid::regclass::text AS owner, conname, pg_get_constraintdef(oid) AS words FROM pg_constraint "
        "WHERE contype = 'f' AND conparentid = 0 AND confrelid = ANY(CAST(:tables AS regclass[])) "
        "ORDER BY owner, conname"
    )
    made = []
    for owner, name, words in connection.execute(query, {"tables": list(TABLES)}).all():
        connection.exec_driver_sql(f'ALTER TABLE {owner} DROP CONSTRAINT "{name}"')
        made.append(f'ALTER TABLE {owner} ADD CONSTRAINT "{name}" {words}')
    return made


def _parts(connection: Connection, table: str) -> list[str]:
    """Drop the table's keys and indexes, whose names its successor takes, and return how they are made again."""
    keys = text(
        "SELECT conname, pg_get_constraintdef(oid) AS words FROM pg_constraint "
        "WHERE conrelid = CAST(:table AS regclass) AND contype IN ('p', 'u', 'f') ORDER BY contype DESC, conname"
    )
    made = []
    for name, words in connection.execute(keys, {"table": table}).all():
        connection.exec_driver_sql(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        made.append(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {words}')
    indexes = text("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = :table ORDER BY indexname")
    for name, words in connection.execute(indexes, {"table": table}).all():
        connection.exec_driver_sql(f'DROP INDEX "{name}"')
        made.append(words.replace(" ON ONLY ", " ON "))
    return made


def _begin_anew(connection: Connection, table: str, how: str, parts: list[str]) -> None:
    connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {table}_before")
    connection.exec_driver_sql(
        f"CREATE TABLE {table} (LIKE {table}_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS) {how}"
    )
    for part in parts:
        connection.exec_driver_sql(part)


def _months_of_rows(connection: Connection) -> None:
    """Make the months that the rows are of, as far as they are no later than the ones made ahead."""
    connection.exec_driver_sql(
        "SELECT inspector_make_month(month) FROM generate_series("
        "  (SELECT date_trunc('month', min(triggered_at) AT TIME ZONE 'UTC') FROM inspections_before"
        "    WHERE triggered_at > '2020-01-01'),"
        "  date_trunc('month', now() AT TIME ZONE 'UTC'), interval '1 month') AS month"
    )


def _move_rows(connection: Connection, table: str) -> None:
    connection.exec_driver_sql(f"INSERT INTO {table} SELECT * FROM {table}_before")
    connection.exec_driver_sql(f"DROP TABLE {table}_before")
