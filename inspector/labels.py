"""Several labels of one part in one cell of an index: `scratch|stain`."""

from __future__ import annotations

from collections.abc import Iterable

SEPARATOR = "|"


def split_labels(cell: str) -> tuple[str, ...]:
    """Return the labels in a cell, sorted, each once."""
    return tuple(sorted({label.strip() for label in cell.split(SEPARATOR)} - {""}))


def join_labels(labels: Iterable[str]) -> str:
    """Return the cell that holds these labels, always written alike."""
    return SEPARATOR.join(sorted(set(labels)))


def has_several(cells: Iterable[str]) -> bool:
    """Does any part have more than one label?"""
    return any(SEPARATOR in cell for cell in cells)
