"""The disk under the station's folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DiskSight:
    """What is free to the station; with `fault` it could not be looked at."""

    free_bytes: int = 0
    size_bytes: int = 0
    fault: str | None = None


def look_at_disk(folder: Path) -> DiskSight:
    try:
        space = os.statvfs(folder)
    except OSError as error:
        return DiskSight(fault=f"{folder}: {error.strerror}")
    return DiskSight(space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize)
