"""A bundle's network made ready: pictures in, calibrated predictions out.

Each task reads the network's outputs in its own way; that is its `Head`. Classification is the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Bundle, Precision
from inspector.calibration import Calibration, defect_probability
from inspector.errors import BundleError, RuntimeFault
from inspector.plugins import load_plugin
from inspector.runtimes import Outputs, Runtime, RuntimeSettings, load_runtime
from inspector.values import Image, Prediction

HEADS = {"classify": "inspector.model:ClassifyHead"}


class Head(Protocol):
    """Reads one task's outputs. Made once per bundle, called by the inspecting thread for every batch."""

    def predict(self, outputs: Outputs) -> list[Prediction]:
        """Return one prediction per picture of the batch; raise RuntimeFault for what is no number."""
        ...


@dataclass(frozen=True, slots=True)
class ClassifyHead:
    """Logits (N, C) to calibrated class probabilities."""

    classes: tuple[str, ...]
    good_columns: tuple[int, ...]
    calibration: Calibration

    def predict(self, outputs: Outputs) -> list[Prediction]:
        if "logits" not in outputs:
            raise RuntimeFault(f"network has no output logits; it gives {', '.join(sorted(outputs))}")
        logits = np.asarray(outputs["logits"], np.float64)
        if logits.ndim != 2 or logits.shape[1] != len(self.classes):
            raise RuntimeFault(f"network gave logits of shape {logits.shape}; expected (N, {len(self.classes)})")
        if not np.isfinite(logits).all():
            raise RuntimeFault("network gave logits that are not numbers")
        probabilities = self.calibration.probabilities(logits, self.good_columns)
        defective = np.clip(defect_probability(probabilities, self.good_columns), 0.0, 1.0)
        return [self._prediction(*row) for row in zip(logits, probabilities, defective, strict=True)]

    def _prediction(
        self, logits: NDArray[np.float64], probabilities: NDArray[np.float64], defective: np.float64
    ) -> Prediction:
        label = self.classes[int(probabilities.argmax())]
        return Prediction(label, tuple(probabilities.tolist()), float(defective), tuple(logits.tolist()))


@dataclass(frozen=True, slots=True)
class Model:
    """A network on its runtime with the head that reads it."""

    runtime: Runtime
    head: Head
    precision: Precision

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Predict a batch of preprocessed pictures, each (H, W, 3) uint8 BGR of the bundle's input size."""
        return self.head.predict(self.runtime.run(np.stack(images)))

    def describe(self) -> Mapping[str, str]:
        return {**self.runtime.describe(), "precision": self.precision}


def load_model(bundle: Bundle, precision: Precision = "cpu-int8", settings: RuntimeSettings | None = None) -> Model:
    """Load a bundle's network at a precision; raise BundleError for a task or precision that it lacks."""
    manifest = bundle.manifest
    if manifest.task not in HEADS:
        raise BundleError(
            f"{bundle.path}: task {manifest.task} cannot be run by this version; expected {', '.join(HEADS)}"
        )
    make_head = load_plugin("inspector.heads", manifest.task, HEADS)
    head: Head = make_head(manifest.classes, manifest.good_columns, bundle.calibration(precision))
    runtime = load_runtime(bundle.model_path(precision), settings or RuntimeSettings())
    return Model(runtime, head, precision)
