"""What persons agree on of a part, or why its label is doubtful. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from db.labelled import GivenLabel
from db.labels import current

MOST_CORRECTIONS = 1
"""A person may correct a slip; one that was corrected again is a part that is hard to judge."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """One label, said by one person or more."""

    label: str
    is_defect: bool
    persons: tuple[str, ...]
    at: datetime


def doubt(labels: Sequence[GivenLabel]) -> str:
    """Return why labels of one part, oldest first, cannot be learned from; empty where they can."""
    left: list[GivenLabel] = current(labels)
    if len({(one.label, one.is_defect) for one in left}) > 1:
        said = "; ".join(f"{one.person} says {one.label}" for one in sorted(left, key=lambda one: one.person))
        return f"labels disagree: {said}"
    corrections = sum(one.supersedes is not None for one in labels)
    if corrections > MOST_CORRECTIONS:
        return f"its label was corrected {corrections} times; the last is {left[-1].label}"
    return ""


def agreed(labels: Sequence[GivenLabel]) -> Agreed:
    """Return what undoubted labels say."""
    left: list[GivenLabel] = current(labels)
    last = left[-1]
    return Agreed(last.label, last.is_defect, tuple(sorted({one.person for one in left})), last.at)
