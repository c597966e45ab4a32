"""Is a database sound? All faults at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from db import queries
from db.engine import schema_revision, storage_errors

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. The database is sound when `faults` is empty."""

    revision: str | None
    parts: int
    open_parts: int
    images: int
    images_checked: bool
    faults: tuple[str, ...]


def check(engine: Engine, images: Path | None = None) -> Report:
    """Look at everything that must hold; image files only where `images`, the root of their store, is given."""
    revision = schema_revision(engine)
    with storage_errors(engine.url), engine.connect() as connection:
        faults = [*_integrity(connection), *_rows(connection), *_files(connection, images)]
        return Report(
            revision=revision,
            parts=queries.trigger_count(connection),
            open_parts=queries.open_count(connection),
            images=sum(1 for _ in queries.images(connection)),
            images_checked=images is not None,
            faults=tuple(faults),
        )


def _integrity(connection: Connection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []
    answers = list(connection.execute(text("PRAGMA integrity_check")).scalars())
    faults = [] if answers == ["ok"] else [f"integrity_check: {'; '.join(str(line) for line in answers[:_NAMED])}"]
    dangling = connection.execute(text("PRAGMA foreign_key_check")).all()
    return faults + [f"{row[0]} row {row[1]} points to a missing row of {row[2]}" for row in dangling[:_NAMED]]


def _rows(connection: Connection) -> list[str]:
    faults = []
    if forgotten := queries.open_count_of_ended_runs(connection):
        faults.append(f"{forgotten} open parts in runs that have ended")
    if doubled := queries.doubled_triggers(connection):
        run_id, trigger = doubled[0]
        faults.append(f"{len(doubled)} doubled triggers, the first trigger {trigger} of run {run_id}")
    return faults


def _files(connection: Connection, root: Path | None) -> list[str]:
    if root is None:
        return []
    missing = [image.path for image in queries.images(connection) if not _is_there(root / image.path, image.size_bytes)]
    if not missing:
        return []
    return [f"{len(missing)} images missing or cut short under {root}, the first {missing[0]}"]


def _is_there(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes
