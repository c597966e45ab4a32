"""Figures of merit of each task: what `inspector evaluate` and a bundle's card say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from inspector.bundle import Manifest
from inspector.dataset import Sample
from inspector.plugins import load_plugin
from inspector.preprocess import Placement
from inspector.values import Prediction, Verdict

FIGURES: Mapping[str, str] = {
    "anomaly": "inspector.figures.anomaly",
    "classify": "inspector.figures.classify",
    "detect": "inspector.figures.detect",
    "embed": "inspector.figures.embed",
    "segment": "inspector.figures.segment",
}


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """A labelled part with what the inspection said of it."""

    sample: Sample
    verdict: Verdict
    prediction: Prediction
    is_defect: bool
    seconds: float
    placement: Placement
    """Where the network's input lies in the frame; of the whole frame where it was cut in tiles."""


Figures = dict[str, object]


class TaskFigures(Protocol):
    """A module of this package, one per task."""

    def figures(self, parts: Sequence[JudgedPart], manifest: Manifest) -> Figures:
        """Return the task's figures, keys and meaning documented there; None where undefined on these parts."""
        ...

    def lines(self, figures: Figures) -> list[str]:
        """Return them for a terminal."""
        ...


def load_figures(task: str) -> TaskFigures:
    """Return the figures of `task`; raise UnknownPlugin for a task without any."""
    if task in FIGURES:
        return cast(TaskFigures, import_module(FIGURES[task]))
    found: TaskFigures = load_plugin("inspector.figures", task, {})
    return found


def row(name: str, value: object, note: str = "") -> str:
    """One line for a terminal; a figure that is not defined on these parts says so."""
    shown = (
        f"{value:.4f}"
        if isinstance(value, float)
        else "undefined: one kind of part only"
        if value is None
        else str(value)
    )
    return f"{name:12} {shown}" + (f"  ({note})" if note else "")
