"""What a snapshot holds. Its content hash is that of its canonical JSON (`db.snapshots`)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field, model_validator

from inspector.documents import Document
from inspector.samples import SPLITS, Split

Origin = Literal["stopped", "audited pass", "picked pass"]
_DIGEST = r"^[0-9a-f]{64}$"


class Shares(Document):
    """How groups of parts are divided; what is left is for fitting."""

    test: float = Field(default=0.2, gt=0, lt=1, description="share of groups that no training ever sees")
    val: float = Field(default=0.15, gt=0, lt=1, description="share of groups that limits are certified on")

    @model_validator(mode="after")
    def _leave_some(self) -> Shares:
        if self.test + self.val >= 1:
            raise ValueError(f"test {self.test:g} and val {self.val:g} leave nothing to fit on")
        return self


class Item(Document):
    """One labelled part."""

    part_id: UUID
    image: str = Field(pattern=_DIGEST, description="SHA-256 of its picture")
    path: str = Field(description="place in the image store")
    label: str
    is_defect: bool
    persons: tuple[str, ...] = Field(min_length=1, description="who said so")
    labelled_at: datetime = Field(description="when it was last said")
    origin: Origin = Field(description="why a person saw it")
    inclusion: float = Field(gt=0, le=1, description="probability with which such a part is labelled")
    weight: float = Field(ge=1, description="parts of the line that it stands for: 1 / inclusion")
    split: Split
    group: str = Field(description="its lot, or its station and hour where no lot is known")
    serial: str | None


class SetAside(Document):
    """A labelled part that is not learned from, and why."""

    part_id: UUID
    reason: str


class SnapshotManifest(Document):
    """The whole of a snapshot; items and parts set aside in the order of their ids."""

    format: Literal[1] = 1
    recipe: str
    label_cutoff: datetime
    shares: Shares
    items: tuple[Item, ...] = Field(min_length=1)
    set_aside: tuple[SetAside, ...] = ()

    @property
    def good(self) -> tuple[str, ...]:
        return tuple(sorted({item.label for item in self.items if not item.is_defect}))

    def counts(self) -> dict[str, int]:
        """Return what a person asks first: parts by split, by label, and how many were set aside."""
        by_split = Counter(item.split for item in self.items)
        by_label = Counter(f"label {item.label}" for item in self.items)
        splits: dict[str, int] = {split: by_split[split] for split in SPLITS}
        return {**splits, **dict(sorted(by_label.items())), "set aside": len(self.set_aside)}
