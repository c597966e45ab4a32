"""Inference runtimes behind one small protocol."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.documents import Document
from inspector.errors import RuntimeFault, RuntimeUnavailable
from inspector.plugins import load_plugin

Batch = NDArray[np.uint8]
Outputs = Mapping[str, NDArray[np.float32]]
Tell = Callable[[str], None]
"""Hears in a few words how far something has come that takes long."""

RUNTIMES = {
    "onnxruntime": "inspector.runtimes.ort:OnnxRuntime",
    "openvino": "inspector.runtimes.openvino:OpenVino",
    "tensorrt": "inspector.runtimes.trt.runtime:TensorRt",
    "tensorrt-rtx": "inspector.runtimes.trt.runtime:TensorRt",
}


class RuntimeSettings(Document):
    """How a network is run on this box."""

    kind: str = Field(
        default="onnxruntime",
        description="runtime plug-in; auto: the fastest, at any precision, that is proved on this machine",
    )
    device: str = Field(
        default="cpu",
        pattern=r"^[a-z]+(\.[0-9]+)?$",
        description="where: cpu, cuda or tensorrt (onnxruntime); cpu, gpu, npu or gpu.1 (openvino); TensorRT: the "
        "first GPU, or gpu.1",
    )
    threads: int = Field(
        default=0, ge=0, le=256, description="threads of one inference; 0: all cores but one, for the line process"
    )
    hint: Literal["latency", "throughput"] = Field(
        default="latency", description="throughput: the pictures of a batch run side by side (openvino)"
    )
    arithmetic: Literal["exact", "fast"] = Field(
        default="exact", description="fast: floats may become bfloat16 or half where the device is quicker with them"
    )
    largest_batch: int = Field(
        default=8, ge=1, le=4096, description="TensorRT: pictures of one run at most; for tiles, as many as a frame has"
    )
    give_up_ms: float = Field(
        default=500.0,
        gt=0,
        le=60_000,
        description="for auto: an inference that takes longer hangs, and the spare takes over; below the deadline",
    )


class Runtime(Protocol):
    """A loaded network. Only the inspecting thread of the vision process calls `run`."""

    def run(self, batch: Batch) -> Outputs:
        """Return the named outputs of a batch (N, H, W, 3) uint8 BGR; raise RuntimeFault."""
        ...

    def describe(self) -> Mapping[str, str]:
        """Return what runs where: library and version, device, threads."""
        ...


@runtime_checkable
class Buildable(Protocol):
    """A factory of runtimes that has something to build first, which takes minutes: an engine for this very device.

    A station calls it on a thread beside the one that serves; what is built is kept where loading finds it.
    """

    def is_built(self, model: Path, settings: RuntimeSettings) -> bool:
        """Tell whether `model` can be loaded at once; raise as loading would where it cannot be loaded at all."""
        ...

    def build(self, model: Path, settings: RuntimeSettings, tell: Tell) -> None:
        """Build what is missing; `tell` hears how far it is, often enough to show that it goes on."""
        ...


def load_runtime(model: Path, settings: RuntimeSettings) -> Runtime:
    """Load `model` with the runtime that `settings` names.

    Raises:
        BundleError: it is no network, or none that this runtime takes.
        RuntimeUnavailable: the runtime's library or device is missing on this machine.
    """
    runtime: Runtime = _factory(settings)(model, settings)
    return runtime


def is_built(model: Path, settings: RuntimeSettings) -> bool:
    """Tell whether a runtime can be loaded without building something first; raise as `load_runtime`."""
    factory = _factory(settings)
    return not isinstance(factory, Buildable) or factory.is_built(model, settings)


def build(model: Path, settings: RuntimeSettings, tell: Tell) -> None:
    """Build what a runtime needs before it can be loaded, if anything; raise as `load_runtime`."""
    factory = _factory(settings)
    if isinstance(factory, Buildable):
        factory.build(model, settings, tell)


def _factory(settings: RuntimeSettings) -> Any:
    try:
        return load_plugin("inspector.runtimes", settings.kind, RUNTIMES)
    except ModuleNotFoundError as error:
        advice = f"pip install 'open-inspector[{settings.kind}]'"
        raise RuntimeUnavailable(f"runtime {settings.kind!r} needs {error.name}: {advice}") from error
    except (ImportError, OSError) as error:
        raise RuntimeUnavailable(f"runtime {settings.kind!r}: its library cannot be loaded ({error})") from error


def thread_count(settings: RuntimeSettings) -> int:
    """Return the threads of one inference; unless they are set, one core is left to the line process."""
    return settings.threads or max(1, (os.cpu_count() or 2) - 1)


def require_batch(batch: Batch, picture: tuple[int, ...], library: str) -> None:
    """Raise RuntimeFault unless `batch` is (N, *picture) uint8, for libraries that would take anything."""
    if batch.dtype != np.uint8 or batch.shape[1:] != picture or len(batch) == 0:
        wanted = ", ".join(["N", *map(str, picture)])
        raise RuntimeFault(f"{library}: input is {batch.dtype} {batch.shape}; expected uint8 ({wanted})")
