"""Bundles that are known to a database before they have served: candidates, and what they are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from db.entries import insert_new
from db.tables import BUNDLES


@dataclass(frozen=True, slots=True)
class KnownBundle:
    """A bundle as `bundles` has it."""

    bundle_id: str
    task: str
    classes: Sequence[str]
    manifest: Mapping[str, Any]
    """JSON values."""


def register_bundle(connection: Connection, bundle: KnownBundle) -> None:
    """Make a bundle known, so that jobs and states can name it; one that is there already stays as it is."""
    row = {"bundle_id": bundle.bundle_id, "task": bundle.task, "classes": list(bundle.classes)}
    connection.execute(insert_new(connection, BUNDLES, ["bundle_id"]), row | {"manifest": dict(bundle.manifest)})
