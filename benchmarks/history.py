"""Months of parts, written fast: what a plant's database, or a station's file, holds after a while.

Parts come at a steady rate from every station, so that more parts are a longer past. Rows have every column filled as
a line fills it; views are written of parts that were stopped, since nothing that is measured reads those of passes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import Engine, insert, text

from db.plant_tables import METADATA
from db.tables import (
    AUDIT_STRATA,
    BUNDLES,
    FINDINGS,
    INSPECTIONS,
    LABEL_TASKS,
    LABELS,
    RECIPES,
    RUNS,
    STATIONS,
)

END = datetime(2026, 7, 1, tzinfo=UTC)
RECIPES_MADE = ("bracket", "flange-12", "gear", "housing", "lid", "shaft")
DEFECTS = ("scratch", "dent", "stain", "chip", "pore", "burr", "crack", "fold")
SERVING, RIVAL = "a" * 64, "b" * 64
AT_ONCE = 20_000
SHIFT = timedelta(hours=8)

_INSPECTION = tuple(column.name for column in INSPECTIONS.columns)
_FINDING = tuple(column.name for column in FINDINGS.columns)
_EMPTY, _QUALITY = "[]", (104.2, 118.6, 0.01, 0.0)
_TIMINGS = json.dumps({"assess": 0.2, "preprocess": 0.7, "infer": 5.1})


@dataclass(frozen=True, slots=True)
class Past:
    """How many parts, of how many stations, at what rate; the last one was triggered just before `END`."""

    parts: int
    stations: int
    parts_per_day: int
    """Of all stations together."""

    @property
    def start(self) -> datetime:
        return END - timedelta(days=self.parts / self.parts_per_day)

    @property
    def names(self) -> list[str]:
        return [f"press-{number}" for number in range(1, self.stations + 1)]


def load(engine: Engine, past: Past) -> None:
    """Write the past into an empty database: without its indexes, which are made at the end as a migration would."""
    runs = _begin(engine, past)
    indexes = [index for table in METADATA.sorted_tables for index in table.indexes]
    with engine.begin() as connection:
        for index in indexes:
            index.drop(connection)
    writer = _copied if engine.dialect.name == "postgresql" else _inserted
    for parts in _chunks(past, runs):
        writer(engine, INSPECTIONS.name, _INSPECTION, parts)
        stopped = [part for part in parts if part[_AT["outcome"]] in ("REJECT", "REVIEW")]
        writer(engine, FINDINGS.name, _FINDING, [_finding(part) for part in stopped])
        _draw(engine, writer, parts)
    with engine.begin() as connection:
        for index in indexes:
            index.create(connection)
    if engine.dialect.name == "postgresql":  # what autovacuum does by itself in a plant
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM (ANALYZE)"))


_AT = {name: place for place, name in enumerate(_INSPECTION)}


def _begin(engine: Engine, past: Past) -> dict[tuple[str, str], UUID]:
    """Write stations, recipes, bundles and runs; return the runs by station and bundle."""
    runs = {
        (name, bundle): UUID(int=7 << 76 | n << 8 | k)
        for n, name in enumerate(past.names)
        for k, bundle in enumerate((SERVING, RIVAL))
    }
    with engine.begin() as connection:
        connection.execute(insert(STATIONS), [{"name": name} for name in past.names])
        recipes = [{"name": name, "revision": "r" * 64, "text": "{}"} for name in RECIPES_MADE]
        connection.execute(insert(RECIPES), recipes)
        bundle = {"task": "classify", "classes": ["good", *DEFECTS], "manifest": {}}
        connection.execute(insert(BUNDLES), [{"bundle_id": name, **bundle} for name in (SERVING, RIVAL)])
        made = {"recipe": RECIPES_MADE[0], "recipe_revision": "r" * 64, "started_at": past.start}
        rows = [{"run_id": key, "station": name, "bundle_id": bundle, **made} for (name, bundle), key in runs.items()]
        connection.execute(insert(RUNS), rows)
        strata = {"stratum": "all", "score_from": 0.0, "share": 0.01}
        connection.execute(insert(AUDIT_STRATA), [{"run_id": key, **strata} for key in runs.values()])
    return runs


def _chunks(past: Past, runs: dict[tuple[str, str], UUID]) -> Iterator[list[tuple[Any, ...]]]:
    for first in range(0, past.parts, AT_ONCE):
        yield list(_parts(past, runs, first, min(AT_ONCE, past.parts - first)))


def _parts(past: Past, runs: dict[tuple[str, str], UUID], first: int, count: int) -> Iterator[tuple[Any, ...]]:
    """Rows of `inspections`. Every hundredth part is one that the rival bundle judges once more."""
    chance = np.random.default_rng(first)
    kind = np.searchsorted([0.965, 0.978, 0.998], chance.random(count), side="right").tolist()
    probability = np.where(np.array(kind) == 0, chance.beta(1, 30, count), chance.beta(4, 2, count)).tolist()
    latency_ms = (4 + chance.lognormal(1.2, 0.5, count)).round(3).tolist()
    defect = chance.zipf(1.6, count) % len(DEFECTS)
    random_bits = chance.integers(0, 2**62, count).tolist()
    step = timedelta(days=1) / past.parts_per_day
    names = past.names
    for n, (one, p) in enumerate(zip(kind, probability, strict=True)):
        number = first + n
        again = number % 100 == 99
        at = past.start + number * step
        station = names[(number - again) % len(names)]
        bundle = RIVAL if again else SERVING
        outcome = ("PASS", "REJECT", "REVIEW", "NOT_INSPECTED")[one]
        milliseconds = int(at.timestamp() * 1000)
        shift = int((at - END) / SHIFT)
        yield (
            UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | random_bits[n]),
            runs[station, bundle],
            station,
            RECIPES_MADE[(number // 5000 + len(station)) % len(RECIPES_MADE)],
            bundle,
            number + 1,
            number,
            f"frame {number}",
            None,
            f"L{shift:+06d}-{station[6:]}",
            f"S{number - again:010d}",
            at,
            outcome,
            _EMPTY if one == 0 else f'["defect probability {p:.4f}"]',
            None if one == 3 else DEFECTS[defect[n]] if one == 1 else "good",
            None if one == 3 else p,
            None if one == 3 else latency_ms[n],
            at + timedelta(milliseconds=50),
            None,
            False,
            None,
            None,
        )


def _finding(part: Sequence[Any]) -> tuple[Any, ...]:
    p, novelty = part[_AT["defect_probability"]], 0.995 if part[_AT["trigger"]] % 4 == 0 else 0.4
    return (
        *(part[0], 0, "top", part[_AT["sequence"]], part[_AT["source"]], part[_AT["outcome"]], part[_AT["reasons"]]),
        *(part[_AT["label"]], p, part[_AT["label"]], p, f"[{1 - p:.4f}, {p:.4f}]", "[0.4, 1.2]", _EMPTY, novelty),
        *(*_QUALITY, _EMPTY, _TIMINGS, None),
    )


def _draw(engine: Engine, writer: Any, parts: Sequence[Sequence[Any]]) -> None:
    """One pass in a hundred is drawn for audit; all but those of the last three days are labelled."""
    drawn = [part for part in parts if part[_AT["outcome"]] == "PASS" and part[_AT["trigger"]] % 100 == 7]
    tasks = [(_other(part[0], 1), part[0], "AUDIT", None, 0.01, "all", part[_AT["completed_at"]]) for part in drawn]
    writer(engine, LABEL_TASKS.name, tuple(column.name for column in LABEL_TASKS.columns), tasks)
    labels = [
        (_other(task[0], 1), task[1], "good", False, "ann", task[6] + timedelta(hours=9), True, task[0], None, "")
        for task in tasks
        if task[6] < END - timedelta(days=3)
    ]
    writer(engine, LABELS.name, tuple(column.name for column in LABELS.columns), labels)


def _other(key: UUID, step: int) -> UUID:
    return UUID(int=key.int ^ step)


def _copied(engine: Engine, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    words = "".join("\t".join(map(_word, row)) + "\n" for row in rows)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # rows are sound by how they are made
        connection.execute(text("SET LOCAL synchronous_commit = off"))
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({_quoted(columns)}) FROM STDIN") as copy:
            copy.write(words)


def _word(value: Any) -> str:
    if value is None:
        return "\\N"
    return value if isinstance(value, str) else str(value)


def _inserted(engine: Engine, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = OFF")
        cursor.execute("PRAGMA foreign_keys = OFF")
        cursor.execute("BEGIN")
        places = ", ".join("?" * len(columns))
        cursor.executemany(
            f"INSERT INTO {table} ({_quoted(columns)}) VALUES ({places})", [tuple(map(_plain, row)) for row in rows]
        )
        cursor.execute("COMMIT")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
    finally:
        connection.close()


def _plain(value: Any) -> Any:
    """What SQLAlchemy's types make of a value on SQLite."""
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return value


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
