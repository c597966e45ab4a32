"""Inference runtimes behind one small protocol."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.documents import Document
from inspector.plugins import load_plugin

Batch = NDArray[np.uint8]
Outputs = Mapping[str, NDArray[np.float32]]

RUNTIMES = {"onnxruntime": "inspector.runtimes.ort:OnnxRuntime"}


class RuntimeSettings(Document):
    """How a network is run on this box."""

    kind: str = Field(default="onnxruntime", description="runtime plug-in")
    threads: int = Field(
        default=0, ge=0, le=256, description="threads of one inference; 0: all cores but one, for the line process"
    )


class Runtime(Protocol):
    """A loaded network. Only the inspecting thread of the vision process calls `run`."""

    def run(self, batch: Batch) -> Outputs:
        """Return the named outputs of a batch (N, H, W, 3) uint8 BGR; raise RuntimeFault."""
        ...

    def describe(self) -> Mapping[str, str]:
        """Return what runs where: library and version, device, threads."""
        ...


def load_runtime(model: Path, settings: RuntimeSettings) -> Runtime:
    """Load `model` with the runtime that `settings` names; raise BundleError if it is no network."""
    runtime: Runtime = load_plugin("inspector.runtimes", settings.kind, RUNTIMES)(model, settings)
    return runtime
