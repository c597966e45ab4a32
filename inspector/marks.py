"""What an annotation file says of one picture, whichever tool wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.errors import DatasetError

FAULTS_SHOWN = 20


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """One annotated defect. Coordinates are px; x to the right, y down, 0 at the outer edge of the first pixel."""

    where: str
    """Its place in the file, for messages: `row 3`, `object 2`."""
    label: str
    corners: tuple[float, float, float, float]
    """x1, y1, x2, y2 as the file has them, unchecked."""
    outlines: tuple[NDArray[np.float64], ...] = ()
    """Polygons (P, 2); their union is the defect. None where the file has boxes only."""
    patch: NDArray[np.bool_] | None = None
    """(h, w) pixels of the defect, its corner at `patch_at`."""
    patch_at: tuple[int, int] = (0, 0)
    """x, y of the patch."""

    @property
    def has_area(self) -> bool:
        return bool(self.outlines) or self.patch is not None


@dataclass(frozen=True, slots=True)
class Marks:
    """All marks of one picture, and the picture's (height, width) where the file says it."""

    marks: tuple[Mark, ...]
    size: tuple[int, int] | None = None


def around(points: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return the corners of the box around points (P, 2)."""
    low, high = points.min(axis=0), points.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def refuse(path: Path, faults: Sequence[str]) -> None:
    """Raise a DatasetError that names the file and lists the faults, if there are any."""
    if not faults:
        return
    if len(faults) == 1:
        raise DatasetError(f"{path}: {faults[0]}")
    more = [f"and {len(faults) - FAULTS_SHOWN} more"] if len(faults) > FAULTS_SHOWN else []
    raise DatasetError("\n  ".join([f"{path}: {len(faults)} faults", *faults[:FAULTS_SHOWN], *more]))
