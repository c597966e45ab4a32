"""A Core ML package on macOS, held against what the bundle recorded of its golden samples."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inspector.bundle import Bundle
from inspector.errors import BundleError, RuntimeFault
from inspector.heads import load_head
from inspector.inspection import OTHER_LIBRARY_TOLERANCE, Inspector
from inspector.model import Model
from inspector.recipe import Recipe
from inspector.runtimes import Batch, Outputs, require_batch
from training.coreml.library import load_coremltools, quietly

Predict = Callable[[Mapping[str, Image.Image]], Mapping[str, NDArray[Any]]]
"""RGB images by input name -> outputs of one picture by name, as coremltools' model object answers."""


@dataclass(frozen=True, slots=True)
class GoldenCheck:
    """Golden samples that got the recorded outcome, and how far a defect probability is from the record at most."""

    samples: int
    largest_difference: float


class CoreMl:
    """A package as a runtime: one picture at a time."""

    def __init__(self, predict: Predict, names: tuple[str, ...], picture: tuple[int, int, int]) -> None:
        self._predict, self._names, self._picture = predict, names, picture

    def run(self, batch: Batch) -> Outputs:
        require_batch(batch, self._picture, "Core ML")
        answers = [self._answer(picture) for picture in batch]
        return {name: np.concatenate([answer[name] for answer in answers]).astype(np.float32) for name in answers[0]}

    def describe(self) -> Mapping[str, str]:
        return {"runtime": "coreml", "device": platform.processor(), "threads": "the device's own"}

    def _answer(self, picture: Batch) -> Mapping[str, NDArray[Any]]:
        """(H, W, 3k) BGR -> one RGB image for each three channels."""
        parts = [picture[:, :, first : first + 3] for first in range(0, picture.shape[2], 3)]
        images = [Image.fromarray(np.ascontiguousarray(part[:, :, ::-1])) for part in parts]
        try:
            return self._predict(dict(zip(self._names, images, strict=True)))
        except RuntimeError as error:
            raise RuntimeFault(f"Core ML: {str(error).splitlines()[0][:200]}") from error


def load_predict(package: Path) -> Predict:
    """Load a package on macOS, for all of the machine's units."""
    with quietly():
        model = load_coremltools().models.MLModel(str(package))
    predict: Predict = model.predict
    return predict


def check_golden(bundle: Bundle, predict: Predict, names: tuple[str, ...]) -> GoldenCheck:
    """Judge the golden samples with a package.

    Raises:
        BundleError: another outcome than recorded, a probability that is too far from the record, or no samples.
        RuntimeFault: Core ML failed.
    """
    spec = bundle.manifest.input
    runtime = CoreMl(predict, names, (spec.height, spec.width, 3 * len(names)))
    head = load_head(bundle.manifest, bundle.calibration("float"))
    found = Inspector(bundle, Recipe(precision="float"), Model(runtime, head, "float")).golden_outcomes()
    if not found:
        raise BundleError(f"{bundle.path}: no golden sample is recorded at float")
    differences = []
    for sample, outcome, probability in found:
        expected = sample.expected["float"]
        differences.append(abs(probability - expected.defect_probability))
        if outcome is not expected.outcome or differences[-1] > OTHER_LIBRARY_TOLERANCE:
            raise BundleError(
                f"{bundle.path / 'golden' / sample.file}: Core ML says {outcome} at {probability:.4f}, "
                f"expected {expected.outcome} at {expected.defect_probability:.4f}"
            )
    return GoldenCheck(len(found), max(differences))
