"""Several labels of one part in one cell of an index: `scratch|stain`; and the column that the cells stand in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from inspector.errors import DatasetError
from inspector.samples import Sample

SEPARATOR = "|"
LABEL = "label"


def split_labels(cell: str) -> tuple[str, ...]:
    """Return the labels in a cell, sorted, each once."""
    return tuple(sorted({label.strip() for label in cell.split(SEPARATOR)} - {""}))


def join_labels(labels: Iterable[str]) -> str:
    """Return the cell that holds these labels, always written alike."""
    return SEPARATOR.join(sorted(set(labels)))


def has_several(cells: Iterable[str]) -> bool:
    """Does any part have more than one label?"""
    return any(SEPARATOR in cell for cell in cells)


def labelled_by(samples: Iterable[Sample], column: str, good: Sequence[str]) -> tuple[Sample, ...]:
    """Return samples whose label is what their cell of `column` holds; an empty cell is a good part.

    Raises:
        DatasetError: a sample without such a column, or an empty cell where no label means good.
    """
    if column == LABEL:
        return tuple(samples)
    return tuple(replace(sample, label=_cell_of(sample, column, good)) for sample in samples)


def _cell_of(sample: Sample, column: str, good: Sequence[str]) -> str:
    if column not in sample.extra:
        found = ", ".join(sample.extra) or "none"
        raise DatasetError(
            f"{sample.path}: {column}: expected a column with labels; besides `{LABEL}` there are: {found}"
        )
    if not (labels := split_labels(sample.extra[column])) and not good:
        raise DatasetError(f"{sample.path}: {column}: expected a label, found nothing, and no label means a good part")
    return join_labels(labels) or good[0]
