"""Where a network's int8 graphs fall short it is fine-tuned, converted and judged again; the better one stays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from inspector.bundle import MODEL_FILES
from training.conversion import Converted, Judge, Keep, convert
from training.fine_tune import Tuned, fine_tune
from training.graph import StationGraph
from training.order import say
from training.recipe import QuantiseRecipe
from training.rounding import rounded_layers

Export = Callable[[StationGraph, Path], None]
"""Write the float graph of a network."""


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """A network with the graphs that were made from it."""

    graph: StationGraph
    converted: Converted
    steps: int = 0
    """Of fine-tuning for int8."""

    def notes(self) -> dict[str, int]:
        """What a manifest says of it."""
        return {"fine_tuned_steps": self.steps} if self.steps else {}


@dataclass(frozen=True, slots=True, eq=False)
class Mending:
    """What there is to mend a network with whose int8 graphs fall short."""

    export: Export
    judge: Judge
    """Holds graphs against the float graph of the network as it was fitted, also those of the fine-tuned one."""
    images: NDArray[np.uint8]
    """(N, H, W, 3k) fitting pictures, those that set the activation ranges."""
    recipe: QuantiseRecipe
    keep: Keep = ()
    seed: int = 0
    clock: Callable[[], float] = time.monotonic


def mended(first: Attempt, mending: Mending) -> Attempt:
    """Return `first`, or what fine-tuning made of it where that leaves fewer complaints.

    Nothing is trained where there are none, or where the recipe gives no time. The fine-tuned float graph is held
    against the one before it, too: nobody may win by forgetting.
    """
    before = _complaints(first.converted)
    if not before or not mending.recipe.fine_tune_s:
        return first
    say(f"int8 falls short ({'; '.join(before)}): fine-tuning the network for it")
    float_path, keep = first.converted.paths["float"], mending.keep
    named = keep(onnx.load(float_path).graph) if callable(keep) else keep
    layers = rounded_layers(float_path, named)
    seconds, seed = mending.recipe.fine_tune_s, mending.seed
    tuned = fine_tune(first.graph, layers, mending.images, seconds, seed, mending.clock)
    second = _converted(tuned, float_path.parent / "fine-tuned", mending) if tuned.steps else first
    after = _complaints(second.converted)
    if len(after) >= len(before) or second.converted.complaints.get("float"):
        say(f"{tuned.steps} steps of fine-tuning did not help; the network stays as it was fitted")
        return first
    say(f"after {tuned.steps} steps of fine-tuning: {'; '.join(after) or 'good enough'}")
    return second


def _complaints(converted: Converted) -> list[str]:
    return [f"{precision}: {complaint}" for precision, complaint in converted.complaints.items() if complaint]


def _converted(tuned: Tuned, folder: Path, mending: Mending) -> Attempt:
    folder.mkdir()
    path = folder / MODEL_FILES["float"]
    mending.export(tuned.graph, path)
    of_float = mending.judge.complaint(path)
    converted = convert(path, mending.images, mending.recipe, mending.keep, mending.judge)
    complaints = {"float": of_float, **converted.complaints}
    return Attempt(tuned.graph, replace(converted, complaints=complaints), tuned.steps)
