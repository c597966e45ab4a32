"""MVTec AD: `train/good`, `test/<class>`, and `ground_truth/<class>/<name>_mask.png`; `val` or `validation` too.

The folder below the split is the label. Class folders without `ground_truth` are the same layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from inspector.readers.layout import WORDS, Listing, is_picture, picture_named, pictures_below
from inspector.samples import Sample, Split

LOOKS_FOR = "train/<class>/ and test/<class>/ with pictures (MVTec AD; masks in ground_truth/<class>/)"
OTHER_LAYOUTS = frozenset(("images", "labels", "annotations"))


def recognises(folder: Path) -> bool:
    return any(split == "train" and any(map(is_picture, place.iterdir())) for split, place in _class_folders(folder))


def read(folder: Path, good: Sequence[str], splits: Sequence[Split]) -> Listing:
    """List the pictures by split and class; their folders say both, so that no file is opened."""
    samples = tuple(
        _sample(folder, path, split, classes.name)
        for split, classes in _class_folders(folder)
        for path in pictures_below(classes)
    )
    return Listing(samples, declared=tuple(sorted({classes.name for _, classes in _class_folders(folder)})))


def _class_folders(folder: Path) -> Iterator[tuple[Split, Path]]:
    for parent in sorted(path for path in folder.iterdir() if path.is_dir()):
        split = WORDS.get(parent.name.lower())
        if split is None:
            continue
        for classes in sorted(path for path in parent.iterdir() if path.is_dir()):
            if classes.name.lower() not in OTHER_LAYOUTS:
                yield split, classes


def _sample(folder: Path, path: Path, split: Split, label: str) -> Sample:
    name = path.relative_to(folder).as_posix()
    truth = folder / "ground_truth" / label
    mask = picture_named(truth, f"{path.stem}_mask") or picture_named(truth, path.stem) if split == "test" else None
    return Sample(name, path, split, label, name, mask, None, {})
