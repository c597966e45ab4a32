"""Which part is for what, for ever: a keyed hash of its group decides once, and every later snapshot keeps it.

A group is a lot, or the hour at a station where no lot is known: parts made together look alike. A serial number ties
its inspections to each other, whatever their lots, and so does the very same picture. What an earlier snapshot decided
of any of these holds for every later part that shares it; a part of which they say different things would lie on both
sides of a cut, so it is set aside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC

from db.labelled import LabelledPart
from db.material.manifest import Item, Shares
from inspector.draws import is_drawn
from inspector.samples import Split

Decided = Mapping[str, Split]
"""What groups, serials and pictures are for."""


def group_of(part: LabelledPart) -> str:
    if part.lot:
        return f"lot {part.lot}"
    return f"{part.station} {part.triggered_at.astimezone(UTC):%Y-%m-%d %H}h"


def decided_by(items: Iterable[Item]) -> dict[str, Split]:
    """Return what the items of earlier snapshots decided; give the oldest snapshot's first, whose word holds."""
    decided: dict[str, Split] = {}
    for item in items:
        for key in _keys(item.group, item.serial, item.image):
            decided.setdefault(key, item.split)
    return decided


def split_parts(
    parts: Iterable[LabelledPart], decided: Decided, shares: Shares, recipe: str
) -> Iterator[tuple[LabelledPart, Split | None]]:
    """Yield each part with its split, None where its group, serial and picture say different ones.

    The parts are taken in the order in which they were made.
    """
    now = dict(decided)
    for part in sorted(parts, key=lambda part: (part.triggered_at, part.part_id)):
        keys = _keys(group_of(part), part.serial, part.image_sha256)
        known = {now[key] for key in keys if key in now}
        if len(known) > 1:
            yield part, None
            continue
        split = known.pop() if known else drawn_split(group_of(part), shares, recipe)
        now.update(dict.fromkeys(keys, split))
        yield part, split


def drawn_split(group: str, shares: Shares, recipe: str) -> Split:
    """Return what the keyed hash of a group says: the same on every machine, and for shares that only grow."""
    key, words = hashlib.sha256(f"split {recipe}".encode()).digest(), f"split {group}"
    if is_drawn(key, words, shares.test):
        return "test"
    return "val" if is_drawn(key, words, shares.test + shares.val) else "train"


def _keys(group: str, serial: str | None, image: str | None) -> tuple[str, ...]:
    named = (("group", group), ("serial", serial), ("image", image))
    return tuple(f"{kind} {name}" for kind, name in named if name)
