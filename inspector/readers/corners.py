"""Text files of one defect a line: `x1 y1 x2 y2 type`, px, with the types of DeepPCB."""

from __future__ import annotations

from pathlib import Path

from inspector.documents import read_bytes
from inspector.errors import DatasetError
from inspector.marks import Mark, Marks, refuse

TYPES = {"1": "open", "2": "short", "3": "mousebite", "4": "spur", "5": "copper", "6": "pin-hole"}
EXPECTED = "expected `x1 y1 x2 y2 type` with whole numbers and type 1 to 6"


def read_marks(path: Path) -> Marks:
    """Return the boxes of one file; raise DatasetError naming every row that is none."""
    marks: list[Mark] = []
    faults: list[str] = []
    for number, cells in read_rows(path):
        if len(cells) != 5 or not all(cell.isdecimal() for cell in cells) or cells[4] not in TYPES:
            faults.append(f"row {number}: {EXPECTED}, found {' '.join(cells)!r}")
        else:
            x1, y1, x2, y2 = (float(cell) for cell in cells[:4])
            marks.append(Mark(f"row {number}", TYPES[cells[4]], (x1, y1, x2, y2)))
    refuse(path, faults)
    return Marks(tuple(marks))


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the cells of each row that has any, with its number; rows count from 1."""
    try:
        text = read_bytes(path, DatasetError).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: expected text, one box a row: {error}") from error
    return [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
