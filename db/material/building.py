"""From labelled parts to a manifest: pure, so that the same parts and earlier decisions give the same content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.labelled import LabelledPart
from db.material.doubts import agreed, doubt
from db.material.manifest import Item, SetAside, Shares, SnapshotManifest
from db.material.splits import Decided, group_of, split_parts
from db.material.weights import Inclusion, inclusions
from inspector.errors import DatasetError
from inspector.samples import Split
from inspector.values import Outcome


@dataclass(frozen=True, slots=True)
class Material:
    """What a database knows at a moment."""

    recipe: str
    until: datetime
    parts: Sequence[LabelledPart]
    inspected: Mapping[Outcome, int]
    """All parts by then, labelled or not."""
    decided: Decided
    """By earlier snapshots."""


def build_manifest(material: Material, shares: Shares) -> SnapshotManifest:
    """Weigh, split and list the labelled parts; what cannot be learned from is set aside with its reason.

    Raises:
        DatasetError: no part is left, or a label means a good part here and a defective one there.
    """
    aside = {part.part_id: why for part in material.parts if (why := _unfit(part))}
    included = dict(zip((part.part_id for part in material.parts), _inclusions(material), strict=True))
    fit = [part for part in material.parts if part.part_id not in aside]
    items = []
    for part, split in split_parts(fit, material.decided, shares, material.recipe):
        if split is None:
            aside[part.part_id] = "its lot, serial number and picture were put into different splits before"
        else:
            items.append(_item(part, split, included[part.part_id]))
    if not items:
        raise DatasetError(
            f"snapshot of recipe {material.recipe!r} up to {material.until.isoformat()}: no labelled part to learn "
            f"from, {len(aside)} set aside; expected labels (`inspector label tasks`)"
        )
    _require_one_meaning(material.recipe, items)
    return SnapshotManifest(
        recipe=material.recipe,
        label_cutoff=material.until,
        shares=shares,
        items=tuple(sorted(items, key=lambda item: item.part_id)),
        set_aside=tuple(SetAside(part_id=part_id, reason=aside[part_id]) for part_id in sorted(aside)),
    )


def _inclusions(material: Material) -> list[Inclusion]:
    return inclusions(material.parts, material.inspected)


def _unfit(part: LabelledPart) -> str:
    if part.image_sha256 is None or part.image_path is None:
        return "no picture of it is kept"
    return doubt(part.labels)


def _item(part: LabelledPart, split: Split, included: Inclusion) -> Item:
    said, (origin, inclusion) = agreed(part.labels), included
    return Item(
        part_id=part.part_id,
        image=part.image_sha256 or "",
        path=part.image_path or "",
        label=said.label,
        is_defect=said.is_defect,
        persons=said.persons,
        labelled_at=said.at,
        origin=origin,
        inclusion=inclusion,
        weight=1 / inclusion,
        split=split,
        group=group_of(part),
        serial=part.serial,
    )


def _require_one_meaning(recipe: str, items: Sequence[Item]) -> None:
    good = {item.label for item in items if not item.is_defect}
    if both := sorted(good & {item.label for item in items if item.is_defect}):
        raise DatasetError(f"snapshot of recipe {recipe!r}: label {both[0]!r} means a good part and a defective one")
