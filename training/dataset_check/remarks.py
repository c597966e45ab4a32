"""What the check says: a remark is of one kind and names the pictures it is about."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from inspector.documents import Document


class Severity(StrEnum):
    """A fault stops training or teaches what is false; a warning is for a person to look at."""

    FAULT = "fault"
    WARNING = "warning"


class Remark(Document):
    """One thing that was found."""

    kind: str = Field(description="unreadable, mask, boxes, size, turned, class, split, duplicate or label")
    severity: Severity
    text: str = Field(description="what was expected and what was found, in one line")
    pictures: tuple[str, ...] = Field(default=(), description="paths within the data set, the most telling first")


def fault(kind: str, text: str, *pictures: str) -> Remark:
    return Remark(kind=kind, severity=Severity.FAULT, text=text, pictures=pictures)


def warning(kind: str, text: str, *pictures: str) -> Remark:
    return Remark(kind=kind, severity=Severity.WARNING, text=text, pictures=pictures)
