"""Activation ranges: what each tensor of a float graph reaches on fitting pictures; measured once for all writers."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, create_calibrator

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}
MEASURED = ["Conv", "ConvTranspose", "Clip", "Relu", "Add", "Resize", "MatMul", "Gemm"]
"""Operators whose inputs and outputs are measured."""
BATCH = 4

Ranges = Any
"""ONNX Runtime's `TensorsData`: per tensor the least and the greatest value."""


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.batches = iter([images[start : start + BATCH] for start in range(0, len(images), BATCH)])

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch}


def measure_ranges(float_path: Path, images: NDArray[np.uint8], method: str) -> Ranges:
    """Return what the tensors of the float graph reach on `images` (N, H, W, 3k), fitting pictures and no others."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        augmented = str(Path(folder) / "augmented.onnx")
        calibrator = create_calibrator(float_path, MEASURED, augmented, METHODS[method])
        calibrator.collect_data(_Reader(images))
        return calibrator.compute_data()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the quantiser's advice, which it logs through the root logger, from the user."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def bounds(ranges: Ranges, name: str) -> tuple[float, float] | None:
    """Return least and greatest value of a tensor; None where it was not measured."""
    if name not in ranges:
        return None
    low, high = ranges[name].range_value
    return float(np.min(low)), float(np.max(high))
