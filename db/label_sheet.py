"""Sheets of labels: CSV that a person filled in, every row checked before one is taken in."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from uuid import UUID

from db.labels import Label
from db.records import utc_now
from inspector.errors import LabelRefused

NEEDED = ("part", "label")


def read_sheet(path: Path, person: str | None, blind: bool) -> tuple[list[tuple[int, Label]], int]:
    """Read a sheet: each label with its row (the header is row 1), and how many rows have none yet.

    Raises:
        LabelRefused: names the file and every fault.
    """
    labels: list[tuple[int, Label]] = []
    faults: list[str] = []
    rows = _rows(path)
    for number, cells in rows:
        if not cells["label"]:
            continue
        try:
            labels.append((number, _label(cells, person, blind)))
        except ValueError as error:
            faults.append(f"row {number}: {error}")
    if faults:
        raise LabelRefused(f"{path}: {'; '.join(faults)}")
    if not labels:
        raise LabelRefused(f"{path}: column label: expected at least one label, found none in {len(rows)} rows")
    return labels, len(rows) - len(labels)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restval="", restkey="", strict=True)
            header = reader.fieldnames or []
            if missing := [name for name in NEEDED if name not in header]:
                raise LabelRefused(f"{path}: header: expected columns {', '.join(NEEDED)}; missing {missing[0]}")
            return [(number, {k: v.strip() for k, v in row.items() if k}) for number, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelRefused(f"{path}: expected a readable CSV file in UTF-8: {error}") from error


def _label(cells: dict[str, str], person: str | None, blind: bool) -> Label:
    """Return the row's label; raise ValueError naming the column."""
    by = cells.get("by") or person
    if not by:
        raise ValueError("by: expected a name, here or as --by")
    return Label(
        _part(cells["part"]),
        cells["label"],
        by,
        blind,
        cells.get("note", ""),
        _moment(cells.get("at", "")),
    )


def _part(words: str) -> UUID:
    try:
        return UUID(words)
    except ValueError as error:
        raise ValueError(f"part: expected a part's id, found {words!r}") from error


def _moment(words: str) -> datetime:
    if not words:
        return utc_now()
    try:
        moment = datetime.fromisoformat(words)
    except ValueError as error:
        raise ValueError(f"at: expected a time as 2026-01-31T12:00:00+00:00, found {words!r}") from error
    if moment.tzinfo is None:
        raise ValueError(f"at: expected a time zone, found {words!r}")
    return moment
