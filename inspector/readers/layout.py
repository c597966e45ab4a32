"""What the readers of all layouts share: pictures below a folder, words for splits, the label of marked pictures."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from inspector.marks import Mark
from inspector.samples import Sample, Split

PICTURES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"))
WORDS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder as its reader found it. What the layout does not say, `read_dataset` decides."""

    samples: tuple[Sample, ...]
    sources: tuple[Path, ...] = ()
    """Files besides those of the samples on which the content depends: an index, lists of a split."""
    has_splits: bool = True
    has_groups: bool = False
    notes: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    """Classes that the folder names, be there pictures or boxes of them or not."""


class Layout(Protocol):
    """A module of this package that reads one layout; called by `read_dataset` only."""

    LOOKS_FOR: str

    def recognises(self, folder: Path) -> bool: ...

    def read(self, folder: Path, good: Sequence[str], splits: Sequence[Split]) -> Listing:
        """List the samples; files of splits not asked for are not opened, and their samples may be left out."""
        ...


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES and not path.name.startswith(".")


def pictures_below(folder: Path) -> list[Path]:
    """Return every picture in a folder and the folders below it, in order of name."""
    return sorted(path for path in folder.rglob("*") if is_picture(path) and path.is_file())


def picture_named(folder: Path, stem: str) -> Path | None:
    """Return the picture in `folder` whose name without suffix is `stem`."""
    found = (folder / f"{stem}{suffix}" for suffix in sorted(PICTURES | {suffix.upper() for suffix in PICTURES}))
    return next((path for path in found if path.is_file()), None)


def inside(folder: Path, place: Path, name: str) -> Path | None:
    """Return `place / name` as a path below `folder`, or None where it leaves it."""
    relative = os.path.relpath(os.path.normpath(place / name.replace("\\", "/")), os.path.normpath(folder))
    return None if relative.startswith("..") else folder / relative


def split_in(name: str) -> Split | None:
    """Return the split that a file's or folder's name speaks of: `instances_val2017.json` is of `val`."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word in WORDS]
    return WORDS[words[-1]] if words else None


def label_of(marks: Iterable[Mark], good: Sequence[str]) -> str:
    """Return the class whose marks cover most of a picture, by their boxes; `good` for a picture without marks."""
    cover: defaultdict[str, float] = defaultdict(float)
    for mark in marks:
        x1, y1, x2, y2 = mark.corners
        cover[mark.label] += max(x2 - x1, 0) * max(y2 - y1, 0)
    if not cover:
        return good[0] if good else "good"
    return max(sorted(cover), key=lambda label: cover[label])


def classes_of(marks: Iterable[Mark]) -> dict[str, str]:
    """Return the extra column `classes`: every class in a picture, joined by `|`."""
    return {"classes": "|".join(sorted({mark.label for mark in marks}))}
