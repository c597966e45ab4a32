"""Parts, their views and their labels as Parquet files for those who analyse them: one of each kind a month.

Rows are read and written a few thousand at a time, so memory does not grow with the database. A file is whole or not
there: it is written under another name and renamed. docs/queries.md has the columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Column, Connection, Select, Table, select

from db.history.scope import Scope, counted
from db.history.tallies import span
from db.tables import FINDINGS, INSPECTIONS, LABELS
from inspector.errors import UserError

AT_ONCE = 10_000

_TEXT, _NUMBER, _COUNT, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_MOMENT = pa.timestamp("us", tz="UTC")

PARTS: Mapping[str, pa.DataType] = {
    "part_id": _TEXT,
    "run_id": _TEXT,
    "station": _TEXT,
    "recipe": _TEXT,
    "bundle_id": _TEXT,
    "trigger": _COUNT,
    "sequence": _COUNT,
    "source": _TEXT,
    "part_ref": _TEXT,
    "lot": _TEXT,
    "serial": _TEXT,
    "triggered_at": _MOMENT,
    "outcome": _TEXT,
    "reasons": _TEXT,
    "label": _TEXT,
    "defect_probability": _NUMBER,
    "latency_ms": _NUMBER,
    "completed_at": _MOMENT,
    "image_sha256": _TEXT,
    "simulated": _FLAG,
}
VIEWS: Mapping[str, pa.DataType] = {
    "part_id": _TEXT,
    "view": _COUNT,
    "camera": _TEXT,
    "outcome": _TEXT,
    "reasons": _TEXT,
    "label": _TEXT,
    "defect_probability": _NUMBER,
    "predicted_label": _TEXT,
    "predicted_probability": _NUMBER,
    "class_probabilities": _TEXT,
    "scores": _TEXT,
    "defects": _TEXT,
    "novelty": _NUMBER,
    "focus": _NUMBER,
    "brightness": _NUMBER,
    "dark_share": _NUMBER,
    "saturated_share": _NUMBER,
    "quality_faults": _TEXT,
    "timings_ms": _TEXT,
    "image_sha256": _TEXT,
}
GIVEN: Mapping[str, pa.DataType] = {
    "label_id": _TEXT,
    "part_id": _TEXT,
    "label": _TEXT,
    "is_defect": _FLAG,
    "person": _TEXT,
    "at": _MOMENT,
    "blind": _FLAG,
    "task_id": _TEXT,
    "supersedes": _TEXT,
    "note": _TEXT,
}


@dataclass(frozen=True, slots=True)
class Written:
    """One file and how many rows it has."""

    path: Path
    rows: int


def export(connection: Connection, scope: Scope, folder: Path) -> Iterator[Written]:
    """Write each month of the scope's parts; months and files without a row are left out.

    Raises:
        UserError: the folder cannot be written, or no part is in the scope.
    """
    seen = span(connection, scope)
    if seen is None:
        raise UserError("--since, --until, --station, --recipe: no such part is on record; expected at least one")
    for month in _months(*seen):
        within = scope.between(max(month[0], scope.since or month[0]), min(month[1], scope.until or month[1]))
        for kind, (columns, query) in _KINDS.items():
            path = folder / f"{kind}-{month[0]:%Y-%m}.parquet"
            if rows := _write(connection, query(within), columns, path):
                yield Written(path, rows)


def _of_parts(scope: Scope) -> Select[Any]:
    return select(*_columns(INSPECTIONS, PARTS)).where(counted(scope)).order_by(INSPECTIONS.c.triggered_at)


def _of_views(scope: Scope) -> Select[Any]:
    joined = FINDINGS.join(INSPECTIONS, INSPECTIONS.c.part_id == FINDINGS.c.part_id)
    query = select(*_columns(FINDINGS, VIEWS)).select_from(joined).where(counted(scope))
    return query.order_by(INSPECTIONS.c.triggered_at, FINDINGS.c.part_id, FINDINGS.c.view)


def _of_labels(scope: Scope) -> Select[Any]:
    joined = LABELS.join(INSPECTIONS, INSPECTIONS.c.part_id == LABELS.c.part_id)
    query = select(*_columns(LABELS, GIVEN)).select_from(joined).where(counted(scope))
    return query.order_by(INSPECTIONS.c.triggered_at, LABELS.c.at, LABELS.c.label_id)


_KINDS: Mapping[str, tuple[Mapping[str, pa.DataType], Callable[[Scope], Select[Any]]]] = {
    "parts": (PARTS, _of_parts),
    "views": (VIEWS, _of_views),
    "labels": (GIVEN, _of_labels),
}


def _columns(table: Table, names: Mapping[str, pa.DataType]) -> list[Column[Any]]:
    return [table.c[name] for name in names]


def _write(connection: Connection, query: Select[Any], columns: Mapping[str, pa.DataType], path: Path) -> int:
    """Return how many rows the file has; without any there is none."""
    schema = pa.schema(list(columns.items()))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _partial(path) as partial:
            if rows := _fill(partial, connection, query, schema):
                partial.replace(path)
            return rows
    except OSError as error:
        raise UserError(f"--out {path.parent}: {path.name} cannot be written ({error.strerror or error})") from error


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Where the file is made; nothing of it stays when it was not renamed."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _fill(path: Path, connection: Connection, query: Select[Any], schema: pa.Schema) -> int:
    count = 0
    # An option of this statement alone: `stream_results` of the connection would stay with it.
    found = connection.execute(query, execution_options={"yield_per": AT_ONCE})
    with found, pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in found.partitions():
            writer.write_table(_table(rows, schema))
            count += len(rows)
    return count


def _table(rows: Sequence[Any], schema: pa.Schema) -> pa.Table:
    arrays = [
        pa.array([_plain(value, field.type) for value in values], field.type)
        for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pa.table(arrays, schema=schema)


def _plain(value: Any, kind: pa.DataType) -> Any:
    """A key as text, a list or an object as JSON text."""
    if value is None or kind != _TEXT or isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _months(first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
    start = datetime(first.year, first.month, 1, tzinfo=UTC)
    while start <= last:
        after = datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)
        yield start, after
        start = after
