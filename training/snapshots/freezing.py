"""Snapshots in the database, and as folders that `inspector train` reads."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath

from sqlalchemy import Connection

from db.images import ImageStore, StoredImage
from db.labelled import inspected_counts, labelled_parts
from db.snapshots import FrozenSnapshot, Snapshot, freeze, manifest_of, snapshots
from inspector.documents import parse
from inspector.errors import DatasetError, StorageFault
from training.snapshots.building import Material, build_manifest
from training.snapshots.manifest import Item, Shares, SnapshotManifest
from training.snapshots.splits import decided_by

MANIFEST, INDEX, PICTURES = "manifest.json", "index.csv", "pictures"
COLUMNS = ("path", "split", "label", "group", "weight", "origin", "part")


def freeze_labels(
    connection: Connection, recipe: str, until: datetime, person: str, shares: Shares
) -> tuple[FrozenSnapshot, SnapshotManifest]:
    """Freeze the labels of a recipe up to a moment; what was frozen of the same content before is returned again.

    Raises:
        DatasetError: no label to learn from, a moment that is not over, or a label of two meanings.
    """
    material = Material(
        recipe=recipe,
        until=until,
        parts=labelled_parts(connection, recipe, until),
        inspected=inspected_counts(connection, recipe, until),
        decided=decided_by(_earlier_items(connection, recipe)),
    )
    manifest = build_manifest(material, shares)
    content = manifest.model_dump(mode="json")
    frozen = freeze(connection, Snapshot(recipe, person, until, content, manifest.counts()))
    return frozen, manifest


def load_snapshot(connection: Connection, frozen: FrozenSnapshot) -> SnapshotManifest:
    """Read what is in a snapshot; raise DatasetError where its content is not what its hash says."""
    source = f"snapshot {frozen.snapshot_id}"
    return parse(source, manifest_of(connection, frozen.snapshot_id), SnapshotManifest, DatasetError)


def _earlier_items(connection: Connection, recipe: str) -> Iterator[Item]:
    """Yield the items of all snapshots of a recipe, the oldest first: it decided first."""
    for frozen in reversed(snapshots(connection, recipe)):
        yield from load_snapshot(connection, frozen).items


def write_dataset(manifest: SnapshotManifest, images: Path, out: Path) -> Path:
    """Write a snapshot as a folder with `index.csv`, its pictures checked against their hashes; whole or not at all.

    Raises:
        DatasetError: a picture that is missing or altered, or a folder that is there already.
    """
    if out.exists():
        raise DatasetError(f"{out}: is there already; expected the name of a new folder")
    scratch: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".snapshot-", dir=out.parent))
        scratch.chmod(0o755)
        _fill(scratch, manifest, ImageStore(images))
        os.rename(scratch, out)
    except OSError as error:
        raise DatasetError(f"{out}: data set cannot be written ({error.strerror})") from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
    return out


def _fill(folder: Path, manifest: SnapshotManifest, store: ImageStore) -> None:
    (folder / PICTURES).mkdir()
    for item in manifest.items:
        (folder / _name(item)).write_bytes(_picture(item, store))
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    with (folder / INDEX).open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([COLUMNS, *map(_row, manifest.items)])


def _row(item: Item) -> tuple[str, ...]:
    return (_name(item), item.split, item.label, item.group, f"{item.weight:.6g}", item.origin, str(item.part_id))


def _name(item: Item) -> str:
    """Two parts may share a picture, and an index names each path once."""
    return f"{PICTURES}/{item.part_id}{PurePosixPath(item.path).suffix}"


def _picture(item: Item, store: ImageStore) -> bytes:
    try:
        return store.load(StoredImage(item.image, item.path, 0))
    except StorageFault as error:
        raise DatasetError(f"part {item.part_id}: {error}") from error
