"""The labels of a recipe up to a moment as they would be learned from; nothing is frozen by looking."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import Connection, select

from db.labelled import inspected_counts, labelled_parts
from db.material.building import Material, build_manifest
from db.material.enough import Enough, enough
from db.material.manifest import Item, Shares, SnapshotManifest
from db.material.splits import decided_by
from db.recipes import current_revision
from db.snapshots import FrozenSnapshot, manifest_of, snapshots
from db.tables import RECIPES, RUNS
from inspector.documents import parse
from inspector.errors import DatasetError, RecipeError
from inspector.recipe import Recipe


@dataclass(frozen=True, slots=True)
class LabelCount:
    """Parts of one label by split."""

    label: str
    train: int
    val: int
    test: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a snapshot would hold if it were frozen at that moment."""

    recipe: str
    until: datetime
    counts: tuple[LabelCount, ...]
    """By label."""
    classes: tuple[Enough, ...]
    """What each class has, and what it lacks."""
    set_aside: tuple[tuple[str, int], ...]
    """Why labelled parts are not learned from, and how many; the most frequent reason first."""

    @property
    def parts(self) -> int:
        return sum(one.train + one.val + one.test for one in self.counts)


def preview(connection: Connection, recipe: str, until: datetime, shares: Shares) -> Preview:
    """Say what the labels up to a moment amount to; by the gate's margins of the recipe as it was saved or ran last.

    Raises:
        DatasetError: no label to learn from, or one of two meanings.
        RecipeError: the recipe on record is none.
    """
    manifest = manifest_of_labels(connection, recipe, until, shares)
    by_label = Counter((item.label, item.split) for item in manifest.items)
    labels = sorted({item.label for item in manifest.items})
    return Preview(
        recipe=recipe,
        until=until,
        counts=tuple(
            LabelCount(label, by_label[label, "train"], by_label[label, "val"], by_label[label, "test"])
            for label in labels
        ),
        classes=tuple(enough(manifest, _recipe(connection, recipe).gate)),
        set_aside=tuple(Counter(one.reason for one in manifest.set_aside).most_common()),
    )


def manifest_of_labels(connection: Connection, recipe: str, until: datetime, shares: Shares) -> SnapshotManifest:
    """What a snapshot of the labels of a recipe up to a moment holds; raise DatasetError where there is none."""
    material = Material(
        recipe=recipe,
        until=until,
        parts=labelled_parts(connection, recipe, until),
        inspected=inspected_counts(connection, recipe, until),
        decided=decided_by(_earlier_items(connection, recipe)),
    )
    return build_manifest(material, shares)


def load_snapshot(connection: Connection, frozen: FrozenSnapshot) -> SnapshotManifest:
    """Read what is in a snapshot; raise DatasetError where its content is not what its hash says."""
    source = f"snapshot {frozen.snapshot_id}"
    return parse(source, manifest_of(connection, frozen.snapshot_id), SnapshotManifest, DatasetError)


def _earlier_items(connection: Connection, recipe: str) -> Iterator[Item]:
    """Yield the items of all snapshots of a recipe, the oldest first: it decided first."""
    for frozen in reversed(snapshots(connection, recipe)):
        yield from load_snapshot(connection, frozen).items


def _recipe(connection: Connection, name: str) -> Recipe:
    saved = current_revision(connection, name)
    its_recipe = (RECIPES.c.name == RUNS.c.recipe) & (RECIPES.c.revision == RUNS.c.recipe_revision)
    ran = select(RECIPES.c.text).join(RUNS, its_recipe).where(RUNS.c.recipe == name).order_by(RUNS.c.started_at.desc())
    text = connection.execute(ran.limit(1)).scalar() if saved is None else saved.text
    try:
        return Recipe.model_validate({**json.loads(text or "{}"), "name": name})
    except (json.JSONDecodeError, ValidationError, TypeError) as error:
        raise RecipeError(f"recipe {name!r}: its text on record is not that of a recipe ({error})") from error
