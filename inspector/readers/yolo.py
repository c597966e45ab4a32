"""YOLO text files: one defect a line, `class x y width height` or `class x1 y1 x2 y2 x3 y3 ...`.

Class counts from 0; the other numbers are shares of the picture's width and height. Four are the middle and the
size of a box, six or more the corners of a polygon.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.documents import read_bytes
from inspector.errors import DatasetError
from inspector.marks import Mark, Marks, around, refuse
from inspector.readers.corners import read_rows
from inspector.readers.layout import Listing, classes_of, label_of, pictures_below, split_in
from inspector.samples import Sample, Split

BEYOND = 0.05
"""A share may be this far outside 0..1: rounding, or a box that reaches over the edge. More is another unit."""


def read_marks(path: Path, labels: Sequence[str], size: tuple[int, int]) -> Marks:
    """Return the marks of one file in px of a picture of `size` (height, width).

    Raises:
        DatasetError: names every row with an unknown class, too few numbers, or numbers that are no shares.
    """
    faults: list[str] = []
    marks: list[Mark] = []
    for number, cells in read_rows(path):
        if fault := _fault(cells, len(labels)):
            faults.append(f"row {number}: {fault}")
        else:
            shares = np.array([float(cell) for cell in cells[1:]])
            marks.append(_mark(f"row {number}", labels[int(cells[0])], shares, size))
    refuse(path, faults)
    return Marks(tuple(marks), size)


def _fault(cells: Sequence[str], classes: int) -> str | None:
    shown = repr(" ".join(cells[:9]))
    if not cells[0].isdecimal() or int(cells[0]) >= classes:
        return f"class: expected 0 to {classes - 1}, found {cells[0]!r}"
    if len(cells) != 5 and (len(cells) < 7 or len(cells) % 2 == 0):
        return f"expected `class x y width height` or a class and at least three points, found {shown}"
    if not all(_is_share(cell) for cell in cells[1:]):
        return f"expected shares of the picture's size, 0 to 1, found {shown}"
    return None


def _is_share(cell: str) -> bool:
    try:
        return -BEYOND <= float(cell) <= 1 + BEYOND
    except ValueError:
        return False


def _mark(where: str, label: str, shares: NDArray[np.float64], size: tuple[int, int]) -> Mark:
    scale = np.array([size[1], size[0]], dtype=np.float64)
    points = shares.reshape(-1, 2) * scale
    if len(points) > 2:
        return Mark(where, label, around(points), (points,))
    (x, y), (width, height) = points
    return Mark(where, label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))


LOOKS_FOR = "images/ beside labels/*.txt (YOLO; class names in data.yaml or classes.txt)"


def recognises(folder: Path) -> bool:
    return any(any(labels.rglob("*.txt")) for labels in folder.rglob("labels") if (labels.parent / "images").is_dir())


def read(folder: Path, good: Sequence[str], splits: Sequence[Split]) -> Listing:
    """List the pictures below every `images` folder; one without a file of labels has no defect, as YOLO has it."""
    labels, source = _names(folder)
    found = [
        (path, _split(folder, path))
        for images in sorted(folder.rglob("images"))
        if (images.parent / "labels").is_dir()
        for path in pictures_below(images)
    ]
    has_splits = all(split for _, split in found)
    samples = tuple(
        _sample(folder, path, split or "train", (labels, good))
        for path, split in found
        if not has_splits or split in splits
    )
    return Listing(samples, (source,), has_splits, declared=labels)


def _split(folder: Path, path: Path) -> Split | None:
    """The split is the folder above or below `images`; the file's own name says nothing."""
    return next((split for part in path.relative_to(folder).parts[:-1] if (split := split_in(part))), None)


def _sample(folder: Path, path: Path, split: Split, named: tuple[tuple[str, ...], Sequence[str]]) -> Sample:
    labels, good = named
    boxes = labels_of(folder, path)
    marks = read_marks(boxes, labels, (1, 1)).marks if boxes.is_file() else ()
    name = path.relative_to(folder).as_posix()
    return Sample(
        name,
        path,
        split,
        label_of(marks, good),
        name,
        None,
        boxes if boxes.is_file() else None,
        classes_of(marks),
        box_labels=labels,
    )


def labels_of(folder: Path, picture: Path) -> Path:
    """Return where YOLO looks for a picture's labels: the last folder called `images` becomes `labels`."""
    parts = list(picture.relative_to(folder).parts)
    last = len(parts) - 1 - parts[::-1].index("images")
    parts[last] = "labels"
    return folder.joinpath(*parts).with_suffix(".txt")


def _names(folder: Path) -> tuple[tuple[str, ...], Path]:
    """Return the class names, and the file that has them."""
    for path in (*sorted(folder.glob("*.yaml")), *sorted(folder.glob("*.yml"))):
        if names := names_in(path):
            return names, path
    for path in (folder / "classes.txt", folder / "labels" / "classes.txt"):
        if path.is_file():
            lines = read_bytes(path, DatasetError).decode().splitlines()
            return tuple(line.strip() for line in lines if line.strip()), path
    raise DatasetError(f"{folder}: expected class names: `names` in data.yaml, or classes.txt with one a line")


def names_in(path: Path) -> tuple[str, ...]:
    """Return `names` of a data.yaml: a list, or numbers with names, in brackets or one a line; () where it has none."""
    text = read_bytes(path, DatasetError).decode()
    found = re.search(
        r"^names[ \t]*:[ \t]*(\[[^\]]*\]|\{[^}]*\}|(?:[ \t]*(?:#.*)?\n(?:[ \t]*(?:-|\d+[ \t]*:).*\n?)+))", text, re.M
    )
    if found is None:
        return ()
    body = found[1].strip()
    entries = re.split(r",", body[1:-1]) if body[0] in "[{" else body.splitlines()
    return tuple(_name(entry) for entry in entries if _name(entry))


def _name(entry: str) -> str:
    """One entry without its dash or number, its comment and its quotes."""
    bare = re.sub(r"^\s*(?:-\s+|\d+\s*:\s*)", "", entry)
    bare = re.sub(r"\s+#.*$", "", bare).strip()
    return bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"" else bare
