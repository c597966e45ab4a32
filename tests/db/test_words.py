"""Words that are statements are stored as words: in every text of every table, on both engines."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, Column, Connection, Engine, Table, create_engine, insert, inspect, select, text
from sqlalchemy.types import JSON, Boolean, Float, Integer, String

from db.columns import Key, UtcMoment
from db.plant_tables import METADATA
from inspector.ids import new_id

EVIL = "'); DROP TABLE inspections; -- \" \\ %s %(x)s :x {x} $1 ?"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
AS_RULES_ASK: dict[str, dict[str, Any]] = {
    "challenge_parts": {"valid_to": NOW},
    "inspections": {"outcome": "REJECT", "completed_at": NOW, "challenge_met": None},
    "orders": {"state": "DONE", "settled_at": NOW},
    "lots": {"closed_at": NOW},
    "recipe_revisions": {"second_person": EVIL[1:60]},
    "training_jobs": {"state": "RUNNING", "lease_until": NOW, "bundle_id": None},
    "label_tasks": {"kind": "REVIEW"},
    "audit_strata": {"score_below": 0.75},
    "forwarding_terms": {"number": 1},
    "release_steps": {"kind": "shadow"},
}


def words_of(table: Table) -> list[Column[Any]]:
    """Columns of free text; those of which a rule names every word are none."""
    ruled = " ".join(str(one.sqltext) for one in table.constraints if isinstance(one, CheckConstraint))
    named = set(re.findall(r"(\w+) IN \('", ruled))
    return [column for column in table.columns if isinstance(column.type, String) and column.name not in named]


def value_of(table: Table, column: Column[Any]) -> Any:
    kind = column.type
    if column.name in AS_RULES_ASK.get(table.name, {}):
        return AS_RULES_ASK[table.name][column.name]
    if column in words_of(table):
        return EVIL[: getattr(kind, "length", None)]
    if isinstance(kind, String):
        rules = [str(one.sqltext) for one in table.constraints if isinstance(one, CheckConstraint)]
        return next(
            re.findall(rf"{column.name} IN \('(\w+)'", rule)[0] for rule in rules if f"{column.name} IN" in rule
        )
    if isinstance(kind, Key):
        return new_id()
    if column.nullable:
        return None
    made = ((UtcMoment, NOW), (Boolean, False), (Integer, 1), (Float, 0.5), (JSON, {EVIL: [EVIL]}))
    return next((value for of, value in made if isinstance(kind, of)), {EVIL: [EVIL]})


@pytest.fixture
def free(engine: Engine) -> Any:
    """A connection to which rows need not refer to others."""
    loose = create_engine(engine.url, isolation_level="AUTOCOMMIT")
    with loose.connect() as connection:
        off = (
            "PRAGMA foreign_keys = OFF" if engine.dialect.name == "sqlite" else "SET session_replication_role = replica"
        )
        connection.execute(text(off))
        yield connection
    loose.dispose()


def test_every_text_of_every_table_takes_a_statement_as_words(free: Connection, engine: Engine) -> None:
    tried = 0
    for table in METADATA.sorted_tables:
        if not words_of(table) or table.name == "forwarding_terms":
            continue
        row = {column.name: value_of(table, column) for column in table.columns}
        row = {name: value for name, value in row.items() if name != "number" or table.name != "orders"}
        free.execute(insert(table), row)
        stored = free.execute(select(table)).mappings().one()
        for column in words_of(table):
            if row[column.name] is not None:
                assert stored[column.name] == row[column.name], column
                tried += 1
    assert tried > 90
    assert set(METADATA.tables) <= set(inspect(engine).get_table_names())
