"""How each task's network outputs become calibrated predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Manifest
from inspector.calibration import Calibration
from inspector.errors import RuntimeFault
from inspector.plugins import load_plugin
from inspector.preprocess import Placement
from inspector.runtimes import Outputs
from inspector.values import Prediction

HEADS: Mapping[str, str] = {
    "anomaly": "inspector.heads.anomaly:AnomalyHead",
    "classify": "inspector.heads.classify:ClassifyHead",
    "detect": "inspector.heads.detect:DetectHead",
    "embed": "inspector.heads.embed:EmbedHead",
    "segment": "inspector.heads.segment:SegmentHead",
}


class Head(Protocol):
    """Reads one task's outputs. Made once per bundle, called by the inspecting thread for every batch."""

    def predict(self, outputs: Outputs, placements: Sequence[Placement]) -> list[Prediction]:
        """Return one prediction per picture of the batch, findings in frame pixels; raise RuntimeFault for NaN."""
        ...


def load_head(manifest: Manifest, calibration: Calibration) -> Head:
    """Return the head of the manifest's task; raise UnknownPlugin for a task without one."""
    head: Head = load_plugin("inspector.heads", manifest.task, HEADS)(manifest, calibration)
    return head


def output(outputs: Outputs, name: str, shape: Sequence[int | None]) -> NDArray[np.float64]:
    """Return the named output in float64; raise RuntimeFault when it is missing, of another shape or not finite.

    `shape` is without the batch; None stands for any length.
    """
    if name not in outputs:
        raise RuntimeFault(f"network has no output {name}; it gives {', '.join(sorted(outputs))}")
    values = np.asarray(outputs[name], np.float64)
    wanted = (None, *shape)
    fits = values.ndim == len(wanted) and all(w in (None, n) for w, n in zip(wanted, values.shape, strict=True))
    if not fits:
        expected = ", ".join("N" if i == 0 else "any" if w is None else str(w) for i, w in enumerate(wanted))
        raise RuntimeFault(f"network gave {name} of shape {values.shape}; expected ({expected})")
    if not np.isfinite(values).all():
        raise RuntimeFault(f"network gave {name} that are not numbers")
    return values


def novelties(outputs: Outputs, calibration: Calibration, count: int) -> list[float | None]:
    """Return how unlike the training set each picture of the batch is, from the output `distance` (N,).

    Bundles made before there was an open-set guard have none: None for each.
    """
    if calibration.novelty is None:
        return [None] * count
    found: list[float | None] = calibration.novelty.share(output(outputs, "distance", ())).tolist()
    return found
