"""Whether the line is held: parts are then accounted for, not inspected, and diverted.

A person holds it and lets it run. A golden self-test that fails holds it too, until one passes, or a person says run.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holding:
    """Why the line is held, by whoever holds it; empty where nobody does."""

    by_order: str = ""
    by_test: str = ""

    @property
    def why(self) -> str | None:
        """The reason that a part is given; None while the line runs."""
        said = "; ".join(words for words in (self.by_order, self.by_test) if words)
        return f"held: {said}" if said else None
