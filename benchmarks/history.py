"""Months of parts, written fast: what a plant's database, or a station's file, holds after a while.

The database makes the rows itself, from their numbers: a part's number counts backwards from `END`, so that more parts
are a longer past at the same rate, a number is the same part on both engines, and a database grows into the past. What
looks like chance is a hash of the number. Every column is filled as a line fills it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, bindparam, insert, text

from db.columns import Key
from db.engine import writing
from db.plant_tables import METADATA
from db.tables import AUDIT_STRATA, BUNDLES, RECIPES, RUNS, STATIONS

END = datetime(2026, 7, 1, tzinfo=UTC)
RECIPES_MADE = ("bracket", "flange-12", "gear", "housing", "lid", "shaft")
DEFECTS = ("scratch", "dent", "stain", "chip", "pore", "burr", "crack", "fold")
SERVING, RIVAL, SHADOW = "a" * 64, "b" * 64, "c" * 64
AT_ONCE = 250_000
SHIFT = timedelta(hours=8)
LABELLED_BEFORE = END - timedelta(days=3)

_END_MS = int(END.timestamp() * 1000)
_SHIFT_MS = int(SHIFT.total_seconds() * 1000)
_PRIME = 2_147_483_647


@dataclass(frozen=True, slots=True)
class Past:
    """How many parts, of how many stations, at what rate; the last one was triggered just before `END`."""

    parts: int
    stations: int
    parts_per_day: int
    """Of all stations together."""

    @property
    def start(self) -> datetime:
        return END - timedelta(milliseconds=self.parts * self.step_ms)

    @property
    def step_ms(self) -> int:
        return 86_400_000 // self.parts_per_day

    @property
    def names(self) -> list[str]:
        return [f"press-{number}" for number in range(1, self.stations + 1)]

    def first_id(self, number: int) -> UUID:
        """No greater than the id of that part, and greater than that of any with a higher number."""
        return UUID(int=(_END_MS - (number + 1) * self.step_ms) << 80)


def grow(engine: Engine, past: Past, already: int = 0) -> None:
    """Write the parts of the past beyond the `already` youngest, which are there.

    The indexes are dropped meanwhile, and made at the end as a migration would.
    """
    indexes = [index for table in METADATA.sorted_tables for index in table.indexes]
    with engine.begin() as connection:
        for index in indexes:
            index.drop(connection, checkfirst=True)
        if not already:
            _begin(connection, past)
        _make_months(connection, past)
    for first in range(already, past.parts, AT_ONCE):
        _write(engine, past, first, min(AT_ONCE, past.parts - first))
    with engine.begin() as connection:
        for index in indexes:
            index.create(connection)
    if engine.dialect.name == "postgresql":  # what autovacuum does by itself in a plant
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM (ANALYZE)"))


def _begin(connection: Connection, past: Past) -> None:
    """Write stations, recipes, bundles and runs, the latter since long before any part."""
    connection.execute(insert(STATIONS), [{"name": name} for name in past.names])
    recipes = [{"name": name, "revision": "r" * 64, "text": "{}"} for name in RECIPES_MADE]
    connection.execute(insert(RECIPES), recipes)
    bundle = {"task": "classify", "classes": ["good", *DEFECTS], "manifest": {}}
    connection.execute(insert(BUNDLES), [{"bundle_id": name, **bundle} for name in (SERVING, RIVAL)])
    made = {"recipe": RECIPES_MADE[0], "recipe_revision": "r" * 64, "started_at": END - timedelta(days=3650)}
    rows = [
        {"run_id": UUID(int=7 << 76 | n << 8 | k), "station": name, "bundle_id": bundle, **made}
        for n, name in enumerate(past.names)
        for k, bundle in enumerate((SERVING, RIVAL))
    ]
    connection.execute(insert(RUNS), rows)
    strata = {"stratum": "all", "score_from": 0.0, "share": 0.01}
    connection.execute(insert(AUDIT_STRATA), [{"run_id": row["run_id"], **strata} for row in rows])


def _make_months(connection: Connection, past: Past) -> None:
    if connection.dialect.name == "postgresql":
        months = "generate_series(date_trunc('month', CAST(:start AS timestamp)), CAST(:last AS timestamp), '1 month')"
        ends = {"start": past.start.replace(tzinfo=None), "last": END.replace(tzinfo=None)}
        connection.execute(text(f"SELECT inspector_make_month(month) FROM {months} AS month"), ends)


def _write(engine: Engine, past: Past, first: int, count: int) -> None:
    """One transaction of many parts, with all that belongs to them."""
    numbers = {"first": first, "last": first + count - 1}
    bounds = {"low": past.first_id(first + count - 1), "high": past.first_id(first - 1)}
    with writing(engine) as connection:
        words = _Words(connection.dialect.name)
        _hasten(connection)
        for statement in (_images(words), _inspections(words, past)):
            connection.execute(text(statement), numbers)
        for statement in (_findings(words), _shadows(words), _tasks(words), _labels(words), _corrections(words)):
            typed = (bindparam(name, type_=Key()) for name in bounds)
            connection.execute(text(statement).bindparams(*typed), bounds)


def _hasten(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # rows are sound by how they are made: no key is looked up
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("SET LOCAL synchronous_commit = off"))
        return
    driver: Any = connection.connection.driver_connection
    driver.create_function("from_hex", 1, bytes.fromhex, deterministic=True)


# ---- rows from numbers, in words of either engine


@dataclass(frozen=True, slots=True)
class _Words:
    """What the engines say differently. Moments are milliseconds here."""

    dialect: str

    @property
    def numbers(self) -> str:
        if self.dialect == "postgresql":
            return "generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS numbers (number)"
        step = "SELECT :first UNION ALL SELECT number + 1 FROM numbers WHERE number < :last"
        return f"(WITH RECURSIVE numbers (number) AS ({step}) SELECT number FROM numbers) AS numbers"

    def key(self, ms: str, number: str, kind: int) -> str:
        """A UUID of version 7; those of one part's rows differ in the digit `kind`, 8 to 11."""
        if self.dialect == "postgresql":
            return f"CAST(lpad(to_hex({ms}), 12, '0') || '7000{kind:x}' || lpad(to_hex({number}), 15, '0') AS uuid)"
        return f"from_hex(printf('%012x7000{kind:x}%015x', {ms}, {number}))"

    def moment(self, ms: str) -> str:
        if self.dialect == "postgresql":
            return f"(timestamptz 'epoch' + ({ms}) * interval '1 millisecond')"
        return f"(strftime('%Y-%m-%d %H:%M:%S', ({ms}) / 1000, 'unixepoch') || printf('.%03d000', ({ms}) % 1000))"

    def document(self, words: str) -> str:
        return f"CAST({words} AS jsonb)" if self.dialect == "postgresql" else words

    def digits(self, number: str, count: int) -> str:
        if self.dialect == "postgresql":
            return f"lpad(CAST({number} AS text), {count}, '0')"
        return f"printf('%0{count}d', {number})"

    def sha256(self, number: str) -> str:
        return f"lpad(to_hex({number}), 64, '0')" if self.dialect == "postgresql" else f"printf('%064x', {number})"

    def later(self, column: str, ms: int) -> str:
        if self.dialect == "postgresql":
            return f"({column} + {ms} * interval '1 millisecond')"
        return f"strftime('%Y-%m-%d %H:%M:%f000', {column}, '+{ms / 1000} seconds')"

    def other(self, key: str, kind: int) -> str:
        """The key of another row of the same part."""
        if self.dialect == "postgresql":
            return f"CAST(overlay(CAST({key} AS text) placing '{kind:x}' from 20 for 1) AS uuid)"
        return f"from_hex(substr(hex({key}), 1, 16) || '{kind:x}' || substr(hex({key}), 18))"


def _chance(number: str, which: int) -> str:
    """From 0 to 1, as good as at random, and the same for the same number."""
    spread = f"(({number} * {48_271 + 7_919 * which} + {104_729 * which}) % {_PRIME})"
    return f"(CAST(({spread} * {spread}) % {_PRIME} AS double precision) / {_PRIME})"


def _pick(chance: str, names: Sequence[str], below: Sequence[float]) -> str:
    cases = " ".join(f"WHEN {chance} < {limit} THEN '{name}'" for name, limit in zip(names, below, strict=False))
    return f"CASE {cases} ELSE '{names[-1]}' END"


_OUTCOME = _pick(_chance("number", 1), ("REJECT", "REVIEW", "NOT_INSPECTED", "PASS"), (0.03, 0.042, 0.044))
_DEFECT = _pick(_chance("number", 4), DEFECTS, (0.44, 0.64, 0.76, 0.84, 0.9, 0.94, 0.97))
_IS_AGAIN = "number % 101 = 0"
"""Such a part is the next older one, which the rival bundle judges once more. A prime, here and below, lest it always
fall on the same stations."""


def _images(words: _Words) -> str:
    sha256 = words.sha256("number")
    at = words.moment(str(_END_MS))
    return (
        f"INSERT INTO images (sha256, path, size_bytes, stored_at) "
        f"SELECT {sha256}, {sha256}, 120000, {at} FROM {words.numbers} WHERE {_OUTCOME} IN ('REJECT', 'REVIEW')"
    )


def _inspections(words: _Words, past: Past) -> str:
    """3 % rejects, 1.2 % reviews, 0.2 % not inspected; probabilities of Beta(1, 30) for passes; latency log-normal."""
    station = f"((number + CASE WHEN {_IS_AGAIN} THEN 1 ELSE 0 END) % {past.stations} + 1)"
    recipe = _pick(f"((number / 5000 + {station}) % {len(RECIPES_MADE)})", RECIPES_MADE, range(1, len(RECIPES_MADE)))
    chance = _chance("number", 2)
    probability = (
        f"CASE outcome WHEN 'PASS' THEN 1 - power(1 - {chance}, 1.0 / 30) "
        f"WHEN 'REJECT' THEN 0.8 + 0.2 * {chance} WHEN 'REVIEW' THEN 0.2 + 0.6 * {chance} END"
    )
    odds = f"(({_chance('number', 3)} + 0.000001) / (1.000001 - {_chance('number', 3)}))"
    parts = (
        f"SELECT number, {_END_MS} - (number + 1) * {past.step_ms} AS ms, {station} AS place, {_OUTCOME} AS outcome, "
        f"CASE WHEN {_IS_AGAIN} THEN number + 1 ELSE number END AS thing, "
        f"CASE WHEN {_IS_AGAIN} THEN '{RIVAL}' ELSE '{SERVING}' END AS bundle FROM {words.numbers}"
    )
    reasons = "CASE outcome WHEN 'PASS' THEN '[]' ELSE '[\"defect probability above the limit\"]' END"
    columns = {
        "part_id": words.key("ms", "number", 8),
        "run_id": "run_id",
        "station": "station",
        "recipe": recipe.replace(station, "place"),
        "bundle_id": "bundle",
        '"trigger"': "1000000000 - number",
        "sequence": "1000000000 - number",
        "source": "'frame ' || number",
        "lot": f"'L' || {words.digits(f'(number * {past.step_ms} / {_SHIFT_MS})', 5)} || '-' || place",
        "serial": f"'S' || {words.digits('thing', 10)}",
        "triggered_at": words.moment("ms"),
        "outcome": "outcome",
        "reasons": words.document(reasons),
        "label": f"CASE outcome WHEN 'REJECT' THEN {_DEFECT} WHEN 'NOT_INSPECTED' THEN NULL ELSE 'good' END",
        "defect_probability": probability,
        "latency_ms": f"CASE WHEN outcome <> 'NOT_INSPECTED' THEN 4 + 3.32 * power({odds}, 0.276) END",
        "completed_at": words.moment("ms + 50"),
        "image_sha256": f"CASE WHEN outcome IN ('REJECT', 'REVIEW') THEN {words.sha256('number')} END",
        "simulated": "FALSE",
    }
    return (
        f"INSERT INTO inspections ({', '.join(columns)}) SELECT {', '.join(columns.values())} FROM ({parts}) AS parts "
        "CROSS JOIN runs WHERE runs.station = 'press-' || place AND runs.bundle_id = bundle"
    )


def _findings(words: _Words) -> str:
    """A view of every part, stopped or not."""
    place = '"x": 12, "y": 40, "width": 80, "height": 9, "area_px": 310, "longest_px": 81'
    defects = f'[{{"label": "scratch", "probability": 0.93, {place}}}]'
    columns = {
        **dict.fromkeys(("part_id", "sequence", "source", "outcome", "reasons", "label"), ""),
        "defect_probability": "",
        "image_sha256": "",
        "view": "0",
        "camera": "'top'",
        "predicted_label": "label",
        "predicted_probability": "defect_probability",
        "class_probabilities": words.document("'[0.9312, 0.0688]'"),
        "scores": words.document("'[0.4173, 1.2251]'"),
        "defects": words.document(f"CASE outcome WHEN 'REJECT' THEN '{defects}' ELSE '[]' END"),
        "novelty": "CASE WHEN outcome = 'REVIEW' AND sequence % 4 = 0 THEN 0.995 ELSE 0.4 END",
        **{"focus": "104.2", "brightness": "118.6", "dark_share": "0.01", "saturated_share": "0.0"},
        "quality_faults": words.document("'[]'"),
        "timings_ms": words.document("""'{"assess": 0.2, "preprocess": 0.7, "infer": 5.1}'"""),
    }
    return _from_parts("findings", columns, "outcome <> 'NOT_INSPECTED'")


def _shadows(words: _Words) -> str:
    """A bundle in the shadow sees every eleventh part."""
    columns = dict.fromkeys(("part_id", "outcome", "reasons", "label", "defect_probability"), "")
    columns |= {"camera": "'top'", "bundle_id": f"'{SHADOW}'", "judged_at": "completed_at"}
    return _from_parts("shadow_verdicts", columns, "sequence % 11 = 3")


def _tasks(words: _Words) -> str:
    """One pass in a hundred is drawn for audit."""
    columns = {"part_id": "", "task_id": words.other("part_id", 9), "kind": "'AUDIT'", "stratum": "'all'"}
    columns |= {"inclusion_probability": "0.01", "created_at": "completed_at"}
    return _from_parts("label_tasks", columns, "outcome = 'PASS' AND sequence % 101 = 7")


def _labels(words: _Words) -> str:
    """All but the tasks of the last three days are answered."""
    columns = {"task_id": words.other("part_id", 9), "blind": "TRUE"}
    return _label(words, columns, "outcome = 'PASS' AND sequence % 101 = 7")


def _corrections(words: _Words) -> str:
    """So is every stopped part but the youngest: an operator looks at what the line threw out."""
    return _label(words, {"blind": "FALSE"}, "outcome IN ('REJECT', 'REVIEW')")


def _label(words: _Words, columns: dict[str, str], which: str) -> str:
    said = {"part_id": "", "label": "", "label_id": words.other("part_id", 10), "person": "'ann'", "note": "''"}
    said |= {"is_defect": "outcome = 'REJECT'", "at": words.later("completed_at", 32_400_000)}
    before = words.moment(str(int(LABELLED_BEFORE.timestamp() * 1000)))
    return _from_parts("labels", said | columns, f"{which} AND triggered_at < {before}")


def _from_parts(table: str, columns: dict[str, str], which: str) -> str:
    """Rows of the parts between `low` and `high`; a column without words of its own is that of the part."""
    values = ", ".join(words or name for name, words in columns.items())
    of = "part_id >= :low AND part_id < :high"
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM inspections WHERE {of} AND {which}"
