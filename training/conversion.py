"""From one float graph to both int8 graphs of a bundle, from ranges that are measured once.

Where a quantised graph falls short on calibration parts, the layers that hurt are found and stay float.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from inspector.bundle import MODEL_FILES, SENSITIVE, KeptFloat, Precision
from training.kept import LAYERS, float_layers, kept_float
from training.order import say
from training.quantise import head_nodes, write_uint8
from training.ranges import Ranges, measure_ranges
from training.readouts import Given, Readout, find_readouts, fit_readouts, given
from training.recipe import QuantiseRecipe
from training.sensitivity import Distance, Sensitive, find_sensitive
from training.symmetric import stem_nodes, write_symmetric
from training.weight_steps import Weights, rounded_weights, with_weights

Writer = Callable[[Path, Path, Ranges, Sequence[str]], None]
WRITERS: dict[Precision, Writer] = {"cpu-int8": write_uint8, "trt-int8": write_symmetric}
Keep = tuple[str, ...] | Callable[[onnx.GraphProto], tuple[str, ...]]
"""Nodes that are not quantised, or what finds them: the export gives the names."""
ASKED = "the task keeps it: what reads its output needs the precision"


class Judge(Protocol):
    """Holds a quantised graph against the float one on calibration parts. Called after each conversion."""

    def complaint(self, path: Path) -> str:
        """Return what the graph in `path` loses beyond the recipe's limits; empty where it is good enough."""
        ...


@dataclass(frozen=True, slots=True)
class Converted:
    """The graphs of a bundle by precision, and the layers that are float in the quantised ones."""

    paths: Mapping[Precision, Path]
    kept: tuple[KeptFloat, ...]
    complaints: Mapping[Precision, str]
    """What is still wrong on the calibration parts, by precision; empty where nothing is."""


@dataclass(frozen=True, slots=True, eq=False)
class _Conversion:
    """One precision on its way."""

    precision: Precision
    float_path: Path
    ranges: Ranges
    weights: Weights
    """Of the convolutions, in whole steps of int8."""
    readouts: tuple[Readout, ...]
    wanted: Given
    """What the readouts of the float graph give on `images`."""
    images: NDArray[np.uint8]
    recipe: QuantiseRecipe
    judge: Judge | None

    @property
    def path(self) -> Path:
        return self.float_path.parent / MODEL_FILES[self.precision]

    def write(self, kept: Sequence[str]) -> str:
        """Write the graph with `kept` in float and its readouts fitted; return the judge's complaint."""
        self.write_to(self.path, kept)
        fit_readouts(self.path, self.readouts, self.wanted, self.images)
        return self.judge.complaint(self.path) if self.judge else ""

    def write_to(self, path: Path, kept: Sequence[str]) -> None:
        """Write the graph; what stays float keeps its own weights, readouts too."""
        graph = onnx.load(self.float_path).graph
        stem = stem_nodes(graph) if self.precision == "trt-int8" else ()
        stepped = self.path.with_suffix(".stepped.onnx")
        with_weights(self.float_path, stepped, self.weights, {*kept, *head_nodes(graph), *stem})
        WRITERS[self.precision](stepped, path, self.ranges, tuple(kept))
        stepped.unlink()


def convert(
    float_path: Path,
    images: NDArray[np.uint8],
    recipe: QuantiseRecipe,
    keep: Keep = (),
    judge: Judge | None = None,
) -> Converted:
    """Write the int8 graphs beside the float one; `images` (N, H, W, 3k) are fitting pictures that set the ranges.

    With a judge, layers that hurt stay float until it has no complaint, or `recipe.float_share` of them are.
    """
    ranges = measure_ranges(float_path, images, recipe.method)
    weights = rounded_weights(float_path, images)
    readouts = find_readouts(onnx.load(float_path).graph)
    wanted = given(float_path, [one.gives for one in readouts], images) if readouts else {}
    named = keep(onnx.load(float_path).graph) if callable(keep) else keep
    paths: dict[Precision, Path] = {"float": float_path}
    kept: list[KeptFloat] = []
    complaints: dict[Precision, str] = {}
    for precision in WRITERS:
        conversion = _Conversion(precision, float_path, ranges, weights, readouts, wanted, images, recipe, judge)
        reasons, complaints[precision] = _settle(conversion, dict.fromkeys(named, ASKED))
        paths[precision] = conversion.path
        kept += kept_float(conversion.path, precision, reasons)
    return Converted(paths, tuple(kept), complaints)


def _settle(conversion: _Conversion, reasons: dict[str, str]) -> tuple[dict[str, str], str]:
    """Return why each node is kept, and the complaint that is left."""
    complaint = conversion.write(tuple(reasons))
    if not complaint or not conversion.recipe.sensitivity_s:
        return reasons, complaint
    say(f"{conversion.precision}: {complaint}; looking for the layers that hurt")
    graph = onnx.load(conversion.path).graph
    free = set(float_layers(graph))
    layers = [node.name for node in graph.node if node.op_type in LAYERS and node.name not in free]
    room = int(conversion.recipe.float_share * len(layers))
    for group in _worst_first(conversion, layers, reasons):
        if len(group.nodes) > room or group.gain <= 0:
            break
        room -= len(group.nodes)
        share = f"{100 * group.gain:.0f} %"
        reasons |= dict.fromkeys(group.nodes, f"{SENSITIVE}: in float, {share} of the graph's difference goes away")
        if not (complaint := conversion.write(tuple(reasons))):
            break
    say(f"{conversion.precision}: {len(reasons)} layers stay float; {complaint or 'good enough'}")
    return reasons, complaint


def _worst_first(conversion: _Conversion, layers: Sequence[str], reasons: Mapping[str, str]) -> tuple[Sensitive, ...]:
    """Weigh the layers on fitting pictures: they need no labels, and there are enough of them."""
    distance = Distance(conversion.float_path, conversion.images)
    trial = conversion.path.with_suffix(".trial.onnx")

    def loss(nodes: Sequence[str]) -> float:
        conversion.write_to(trial, (*reasons, *nodes))
        return distance.of(trial)

    return find_sensitive(layers, loss, conversion.recipe.sensitivity_s)
