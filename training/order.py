"""What was asked for on the command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

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


def say(text: str) -> None:
    """Tell whoever watches; standard output is for what scripts read."""
    print(text, file=sys.stderr, flush=True)
