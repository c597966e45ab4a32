"""Data sets as they were frozen to be learned from: what was in them, up to which label, and a hash that proves it.

The manifest is the whole truth of a snapshot: which parts, images (by their SHA-256), labels and splits. What is in it
is its maker's; the same manifest is the same snapshot.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select

from db.audit_log import LONGEST_PERSON, canonical
from db.entries import insert_new
from db.records import utc_now
from db.work_tables import DATASET_SNAPSHOTS
from inspector.errors import DatasetError
from inspector.ids import new_id

_DESCRIBED = ("snapshot_id", "recipe", "person", "label_cutoff", "content_hash", "counts", "made_at")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A data set to be frozen."""

    recipe: str
    person: str
    """Who had it made; a worker says so itself."""
    label_cutoff: datetime
    """Labels given later are not in it."""
    manifest: Mapping[str, Any]
    """JSON values."""
    counts: Mapping[str, int]
    """Of what a person asks first, such as parts by split or class."""
    made_at: datetime = field(default_factory=utc_now)
    snapshot_id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class FrozenSnapshot:
    """A snapshot on record; `manifest_of` reads what is in it."""

    snapshot_id: UUID
    recipe: str
    person: str
    label_cutoff: datetime
    content_hash: str
    counts: Mapping[str, int]
    made_at: datetime


def freeze(connection: Connection, snapshot: Snapshot) -> FrozenSnapshot:
    """Write a snapshot; one of the same content that is there already is returned instead, as it was made.

    Raises:
        DatasetError: no recipe, nobody who had it made, or a manifest that is no JSON.
    """
    if not snapshot.recipe.strip() or not snapshot.person.strip() or len(snapshot.person) > LONGEST_PERSON:
        named = f"expected a recipe, and who made it in 1 to {LONGEST_PERSON} letters"
        raise DatasetError(f"snapshot of recipe {snapshot.recipe!r}: {named}")
    words = _words(snapshot)
    names = ("snapshot_id", "recipe", "person", "label_cutoff", "made_at")
    row = {name: getattr(snapshot, name) for name in names} | {"manifest": words, "counts": dict(snapshot.counts)}
    content_hash = _hash(words)
    connection.execute(
        insert_new(connection, DATASET_SNAPSHOTS, ["content_hash"]), row | {"content_hash": content_hash}
    )
    (found,) = _described(connection, DATASET_SNAPSHOTS.c.content_hash == content_hash)
    return found


def find_snapshot(connection: Connection, snapshot_id: UUID) -> FrozenSnapshot:
    """Raise DatasetError where there is none."""
    found = _described(connection, DATASET_SNAPSHOTS.c.snapshot_id == snapshot_id)
    if not found:
        raise DatasetError(f"snapshot {snapshot_id}: no such snapshot in the database")
    return found[0]


def snapshots(connection: Connection, recipe: str) -> list[FrozenSnapshot]:
    """Every snapshot of a recipe, newest first."""
    return _described(connection, DATASET_SNAPSHOTS.c.recipe == recipe)


def manifest_of(connection: Connection, snapshot_id: UUID) -> dict[str, Any]:
    """What is in a snapshot.

    Raises:
        DatasetError: there is none, or its content is not what its hash says.
    """
    columns = (DATASET_SNAPSHOTS.c.manifest, DATASET_SNAPSHOTS.c.content_hash)
    row = connection.execute(select(*columns).where(DATASET_SNAPSHOTS.c.snapshot_id == snapshot_id)).first()
    if row is None:
        raise DatasetError(f"snapshot {snapshot_id}: no such snapshot in the database")
    if _hash(row.manifest) != row.content_hash:
        raise DatasetError(
            f"snapshot {snapshot_id}: its manifest has hash {_hash(row.manifest)}; expected {row.content_hash}"
        )
    manifest: dict[str, Any] = json.loads(row.manifest)
    return manifest


def _words(snapshot: Snapshot) -> str:
    try:
        return canonical(snapshot.manifest)
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f"snapshot of recipe {snapshot.recipe!r}: manifest: expected JSON values; {error}"
        ) from error


def _hash(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()


def _described(connection: Connection, chosen: Any) -> list[FrozenSnapshot]:
    columns = [DATASET_SNAPSHOTS.c[name] for name in _DESCRIBED]
    newest = (DATASET_SNAPSHOTS.c.made_at.desc(), DATASET_SNAPSHOTS.c.snapshot_id.desc())
    return [_frozen(row) for row in connection.execute(select(*columns).where(chosen).order_by(*newest))]


def _frozen(row: Row[Any]) -> FrozenSnapshot:
    return FrozenSnapshot(**row._mapping)
