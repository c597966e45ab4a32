"""YOLO text files: one defect a line, `class x y width height` or `class x1 y1 x2 y2 x3 y3 ...`.

Class counts from 0; the other numbers are shares of the picture's width and height. Four are the middle and the
size of a box, six or more the corners of a polygon.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.marks import Mark, Marks, around, refuse
from inspector.readers.corners import read_rows

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
