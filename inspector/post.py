"""Where an inspector is on duty: what it may rely on there that a desk does not give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Post:
    """A station, as far as runtimes are concerned."""

    folder: Path
    """Where what was measured on this very box is kept."""
    patience_s: float
    """A runtime that takes longer for a part leaves its spare too little of the part's deadline."""
