"""From one float graph to both int8 graphs of a bundle, from ranges that are measured once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from inspector.bundle import MODEL_FILES, KeptFloat, Precision
from training.kept import kept_float
from training.quantise import write_uint8
from training.ranges import Ranges, measure_ranges
from training.recipe import QuantiseRecipe
from training.symmetric import write_symmetric

Writer = Callable[[Path, Path, Ranges, Sequence[str]], None]
WRITERS: dict[Precision, Writer] = {"cpu-int8": write_uint8, "trt-int8": write_symmetric}
Keep = tuple[str, ...] | Callable[[onnx.GraphProto], tuple[str, ...]]
"""Nodes that are not quantised, or what finds them: the export gives the names."""
ASKED = "the task keeps it: what reads its output needs the precision"


@dataclass(frozen=True, slots=True)
class Converted:
    """The graphs of a bundle by precision, and the layers that are float in the quantised ones."""

    paths: Mapping[Precision, Path]
    kept: tuple[KeptFloat, ...]


def convert(float_path: Path, images: NDArray[np.uint8], recipe: QuantiseRecipe, keep: Keep = ()) -> Converted:
    """Write the int8 graphs beside the float one; `images` (N, H, W, 3k) are fitting pictures that set the ranges."""
    ranges = measure_ranges(float_path, images, recipe.method)
    named = keep(onnx.load(float_path).graph) if callable(keep) else keep
    reasons = dict.fromkeys(named, ASKED)
    paths: dict[Precision, Path] = {"float": float_path}
    kept: list[KeptFloat] = []
    for precision, write in WRITERS.items():
        paths[precision] = float_path.parent / MODEL_FILES[precision]
        write(float_path, paths[precision], ranges, tuple(reasons))
        kept += kept_float(paths[precision], precision, reasons)
    return Converted(paths, tuple(kept))
