from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, insert, inspect, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.schema import CreateIndex, CreateTable

from db import migrations, queries
from db.engine import open_any_version
from db.labels import Label, add_label
from db.ledger import Ledger
from db.schema import differences, downgrade, migration_config, upgrade
from db.tables import BUNDLES, EVENTS, INSPECTIONS, RECIPES, RUNS, STATIONS, Base
from inspector.errors import DatabaseError
from inspector.ids import new_id

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

NAMELESS_KEYS = {"dispatch"}
"""SQLite takes AUTOINCREMENT in the column alone, where no name can stand."""


def test_migrations_lead_to_the_very_tables(engine: Engine) -> None:
    assert differences(engine) == []


def test_autogenerate_sees_a_missing_column(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE inspections DROP COLUMN part_ref"))
    assert differences(engine) != []


def test_the_head_that_stations_compare_with_is_the_newest_script() -> None:
    assert ScriptDirectory.from_config(migration_config()).get_heads() == [migrations.HEAD]


def test_every_constraint_and_index_has_a_name(engine: Engine) -> None:
    seen = inspect(engine)
    for table in Base.metadata.tables:
        named: list[Any] = [*seen.get_check_constraints(table), *seen.get_foreign_keys(table)]
        named += [*seen.get_unique_constraints(table), *seen.get_indexes(table)]
        if table not in NAMELESS_KEYS:
            named.append(seen.get_pk_constraint(table))
        assert all(one["name"] for one in named)


def test_down_to_nothing_and_up_again(engine: Engine) -> None:
    downgrade(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    upgrade(engine)
    assert differences(engine) == []


def test_the_first_schema_has_no_defects_and_keeps_its_rows_on_the_way_up(engine: Engine) -> None:
    downgrade(engine, "0001")
    assert {"defects", "novelty"}.isdisjoint(column["name"] for column in inspect(engine).get_columns("findings"))
    with engine.begin() as connection:
        connection.execute(insert(STATIONS), {"name": "station-1"})
    upgrade(engine)
    assert {"defects", "novelty"} <= {column["name"] for column in inspect(engine).get_columns("findings")}
    with engine.connect() as connection:
        assert connection.execute(select(STATIONS.c.name)).scalars().all() == ["station-1"]


def test_upgrading_what_is_up_to_date_keeps_the_rows(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(STATIONS), {"name": "station-1"})
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(select(STATIONS.c.name)).scalars().all() == ["station-1"]


def test_an_upgrade_that_fails_midway_leaves_the_old_schema(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("CREATE TABLE findings (x INTEGER)"))
    engine.dispose()
    engine = open_any_version(path)
    with pytest.raises(DatabaseError, match="already exists"):
        upgrade(engine)
    assert inspect(engine).get_table_names() == ["alembic_version", "findings"]
    engine.dispose()


def test_the_tables_can_be_made_on_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    made = [str(CreateTable(table).compile(dialect=dialect)) for table in Base.metadata.sorted_tables]
    made += [str(CreateIndex(one).compile(dialect=dialect)) for t in Base.metadata.sorted_tables for one in t.indexes]
    words = "\n".join(made)
    assert "part_id UUID NOT NULL" in words
    assert "triggered_at TIMESTAMP WITH TIME ZONE NOT NULL" in words
    assert "WHERE outcome IS NULL" in words
    assert "JSONB" in words


def test_a_moment_survives_in_utc_to_the_microsecond(engine: Engine) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    with engine.begin() as connection:
        _run(connection)
        connection.execute(insert(EVENTS), _event(elsewhere))
        stored = connection.execute(select(EVENTS.c.at)).scalar_one()
    assert stored == NOW
    assert stored.utcoffset() == timedelta(0)


def test_a_moment_without_a_zone_is_refused(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(StatementError, match="no time zone"):
        connection.execute(insert(EVENTS), _event(NOW.replace(tzinfo=None)))


def test_moments_on_sqlite_sort_as_text_by_time(engine: Engine) -> None:
    moments = [NOW + timedelta(microseconds=step) for step in (0, 1, 10**6, 10**12)]
    with engine.begin() as connection:
        _run(connection)
        connection.execute(insert(EVENTS), [_event(moment) for moment in reversed(moments)])
        assert connection.execute(select(EVENTS.c.at).order_by(EVENTS.c.at)).scalars().all() == moments


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"outcome": "MAYBE", "completed_at": NOW}, "ck_inspections_outcome"),
        ({"outcome": "REJECT"}, "ck_inspections_outcome_with_completed_at"),
        ({"completed_at": NOW}, "ck_inspections_outcome_with_completed_at"),
        ({"outcome": "PASS", "completed_at": NOW}, "ck_inspections_pass_has_probability"),
        ({"defect_probability": 1.5}, "ck_inspections_defect_probability"),
        ({"trigger": 0}, "ck_inspections_counts"),
        ({"image_sha256": "a" * 64}, "(?i)foreign key"),
        ({"run_id": new_id()}, "(?i)foreign key"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_by_name(
    engine: Engine, changes: dict[str, object], constraint: str
) -> None:
    with engine.begin() as connection:
        row = _run(connection)
        with pytest.raises(IntegrityError, match=constraint):
            connection.execute(insert(INSPECTIONS), row | changes)


def test_a_trigger_belongs_to_one_part_of_its_run(engine: Engine) -> None:
    with engine.begin() as connection:
        row = _run(connection)
        connection.execute(insert(INSPECTIONS), row)
        with pytest.raises(IntegrityError, match=r"(?i)unique"):
            connection.execute(insert(INSPECTIONS), row | {"part_id": new_id()})


def _event(at: datetime) -> dict[str, object]:
    return {
        "event_id": new_id(),
        "station": "station-1",
        "at": at,
        "severity": "INFO",
        "kind": "start",
        "message": "started",
    }


def _run(connection: Any) -> dict[str, object]:
    """A run, and a row of an open part of it."""
    run_id = new_id()
    connection.execute(insert(STATIONS), {"name": "station-1"})
    connection.execute(insert(RECIPES), {"name": "bracket", "revision": "r", "text": ""})
    connection.execute(insert(BUNDLES), {"bundle_id": "b", "task": "classify", "classes": [], "manifest": {}})
    run = {"run_id": run_id, "station": "station-1", "recipe": "bracket", "recipe_revision": "r", "bundle_id": "b"}
    connection.execute(insert(RUNS), run | {"started_at": NOW})
    del run["recipe_revision"]
    return run | {
        "part_id": new_id(),
        "trigger": 1,
        "sequence": 0,
        "source": "",
        "triggered_at": NOW,
        "reasons": [],
    }


@pytest.mark.parametrize("revision", ["0004", "0003", "0002", "0001"])
def test_down_and_up_with_rows_keeps_what_a_line_wrote(database: str, engine: Engine, line: Any, revision: str) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part)
        ledger.complete_part(line.judged(part)).result(5)
    with engine.connect() as connection:
        record_change_of_a_label(connection, part)
    downgrade(engine, revision)
    assert "audit_log" not in inspect(engine).get_table_names()
    upgrade(engine)
    assert differences(engine) == []
    with engine.connect() as connection:
        (kept,) = queries.records(connection, part.run_id)
    assert kept.outcome == line.judged(part).outcome
    with engine.begin() as connection, pytest.raises(DBAPIError, match="never changed"):
        connection.execute(text("UPDATE recipes SET text = ''"))


def record_change_of_a_label(connection: Any, part: Any) -> None:
    with connection.begin():
        add_label(connection, Label(part.part_id, "good", "ann", blind=False))
