"""What was asked for on the command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Generic, TypeVar

from inspector.bundle import Bundle, Lineage
from inspector.dataset import Dataset
from inspector.documents import Document

RecipeT = TypeVar("RecipeT", bound=Document, covariant=True)


@dataclass(frozen=True, slots=True)
class Order(Generic[RecipeT]):
    """One `inspector train`; the recipe is of the task's own kind."""

    dataset: Dataset
    out: Path
    recipe: RecipeT
    seed: int
    must_resume: bool
    made_at: datetime | None = None
    """What the bundle says of its making; unset: the clock's word. With it, the same run gives the same bundle id."""
    parent: Bundle | None = None
    """What fitting starts from; unset: from the recipe's own first weights."""
    fast: bool = False
    """Keep the parent's features and fit what reads them."""
    features: Path | None = None
    """Where features are kept by picture, for the next such order; unset: nowhere."""

    def lineage(self) -> Lineage:
        """Return where a bundle of this order comes from."""
        return Lineage(
            dataset=self.dataset.folder.resolve().name,
            dataset_hash=self.dataset.content_hash,
            parent=self.parent.id if self.parent else None,
            code_version=version("open-inspector"),
            seed=self.seed,
            created_at=self.made_at or datetime.now(UTC),
        )


def say(text: str) -> None:
    """Tell whoever watches; standard output is for what scripts read."""
    print(text, file=sys.stderr, flush=True)
