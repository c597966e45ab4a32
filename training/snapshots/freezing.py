"""Snapshots in the database, and as folders that `inspector train` reads."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path, PurePosixPath

from sqlalchemy import Connection

from db.images import ImageStore, StoredImage
from db.material.manifest import Item, Shares, SnapshotManifest
from db.material.previewing import manifest_of_labels
from db.snapshots import FrozenSnapshot, Snapshot, freeze
from inspector.errors import DatasetError, StorageFault

MANIFEST, INDEX, PICTURES = "manifest.json", "index.csv", "pictures"
COLUMNS = ("path", "split", "label", "group", "weight", "origin", "part")


def freeze_labels(
    connection: Connection, recipe: str, until: datetime, person: str, shares: Shares
) -> tuple[FrozenSnapshot, SnapshotManifest]:
    """Freeze the labels of a recipe up to a moment; what was frozen of the same content before is returned again.

    Raises:
        DatasetError: no label to learn from, a moment that is not over, or a label of two meanings.
    """
    manifest = manifest_of_labels(connection, recipe, until, shares)
    content = manifest.model_dump(mode="json")
    frozen = freeze(connection, Snapshot(recipe, person, until, content, manifest.counts()))
    return frozen, manifest


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
