"""`index.csv`: one row per picture, every row checked.

Columns `path,split,label,group` are needed; `mask_path`, `boxes_path` and `template_path` may be there; any other
column is kept in `Sample.extra`. Paths are relative to the folder. Spaces around a split, label or group do not count.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import cast

from inspector.errors import DatasetError
from inspector.marks import refuse
from inspector.readers.layout import Listing
from inspector.samples import SPLITS, Sample, Split

LOOKS_FOR = "index.csv (columns path, split, label, group)"
NAMES = ("split", "label", "group")
NEEDED = ("path", *NAMES)
FILE_COLUMNS = ("path", "mask_path", "boxes_path", "template_path")


def recognises(folder: Path) -> bool:
    return (folder / "index.csv").is_file()


def read(folder: Path, good: Sequence[str], splits: Sequence[Split]) -> Listing:
    """List the rows, or raise one `DatasetError` that lists every fault.

    Every row is checked; files are looked at only for the rows of `splits`.
    """
    index = folder / "index.csv"
    lines = _read_lines(index)
    faults = [*_row_faults(folder, lines, splits), *_repeated_paths(lines), *_straddling_groups(lines)]
    if not lines:
        faults.append(_fault(1, "path", "at least one row", "none"))
    refuse(index, [text for _, text in sorted(faults)])
    return Listing(tuple(_sample(folder, fields) for _, fields in lines), (index,), has_groups=True)


Line = tuple[int, dict[str, str]]
Fault = tuple[int, str]


def _read_lines(index: Path) -> list[Line]:
    """The rows with their numbers (the header is row 1)."""
    try:
        with index.open(encoding="utf-8-sig", newline="") as stream:
            return _parse(index, csv.reader(stream, strict=True))
    except FileNotFoundError as error:
        raise DatasetError(f"{index}: expected an index with columns {', '.join(NEEDED)}; no such file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{index}: expected a readable CSV file in UTF-8: {error}") from error


def _parse(index: Path, reader: Iterator[list[str]]) -> list[Line]:
    header = next(reader, [])
    if missing := [column for column in NEEDED if column not in header]:
        raise DatasetError(f"{index}: header: expected columns {', '.join(NEEDED)}; missing {', '.join(missing)}")
    if len(set(header)) < len(header):
        raise DatasetError(f"{index}: header: expected every column once, found {','.join(header)}")
    lines: list[Line] = []
    faults: list[Fault] = []
    for number, cells in enumerate(reader, start=2):
        if cells and len(cells) != len(header):
            faults.append(_fault(number, "row", f"{len(header)} cells", f"{len(cells)}"))
        elif cells:
            lines.append((number, {name: _cell(name, cell) for name, cell in zip(header, cells, strict=True)}))
    refuse(index, [text for _, text in faults])
    return lines


def _cell(column: str, text: str) -> str:
    """`good ` is `good`: a space too many must not make a class, or a group, of its own."""
    return text.strip() if column in NAMES else text


def _row_faults(folder: Path, lines: Iterable[Line], splits: Sequence[Split]) -> Iterator[Fault]:
    for number, fields in lines:
        if fields["split"] not in SPLITS:
            yield _fault(number, "split", "train, val or test", repr(fields["split"]))
        for column in ("label", "group"):
            if not fields[column]:
                yield _fault(number, column, "a name", "nothing")
        look = fields["split"] in splits
        for column in FILE_COLUMNS:
            yield from _path_faults(folder, number, column, fields.get(column, ""), look)


def _path_faults(folder: Path, number: int, column: str, name: str, look: bool) -> Iterator[Fault]:
    if not name:
        if column == "path":
            yield _fault(number, column, "a file name", "nothing")
    elif PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        yield _fault(number, column, "a path inside the folder", repr(name))
    elif look and not (folder / name).is_file():
        yield _fault(number, column, "an existing file", repr(name))


def _repeated_paths(lines: Iterable[Line]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for number, fields in lines:
        name = fields["path"]
        if name and first.setdefault(name, number) != number:
            yield _fault(number, "path", f"every path once (row {first[name]} has it)", repr(name))


def _straddling_groups(lines: Iterable[Line]) -> Iterator[Fault]:
    """One fault for each group that is in two splits, at the row where the second split begins."""
    home: dict[str, tuple[str, int]] = {}
    told: set[str] = set()
    for number, fields in lines:
        group, split = fields["group"], fields["split"]
        split_before, row_before = home.setdefault(group, (split, number))
        if group and split != split_before and group not in told:
            told.add(group)
            expected = f"every group in one split (row {row_before} has {group!r} in {split_before})"
            yield _fault(number, "group", expected, f"it in {split}")


def _fault(number: int, field: str, expected: str, found: str) -> Fault:
    return number, f"row {number}: {field}: expected {expected}, found {found}"


def _sample(folder: Path, fields: Mapping[str, str]) -> Sample:
    def joined(column: str) -> Path | None:
        return folder / name if (name := fields.get(column, "")) else None

    known = {*NEEDED, *FILE_COLUMNS}
    return Sample(
        name=fields["path"],
        path=folder / fields["path"],
        split=cast(Split, fields["split"]),
        label=fields["label"],
        group=fields["group"],
        mask_path=joined("mask_path"),
        boxes_path=joined("boxes_path"),
        extra={column: value for column, value in fields.items() if column not in known},
        template_path=joined("template_path"),
    )
