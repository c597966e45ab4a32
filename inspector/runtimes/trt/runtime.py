"""TensorRT and TensorRT-RTX as a runtime: one adapter, one stream, pinned buffers, a CUDA graph per batch size.

No machine of ours with an NVIDIA GPU has run it yet: buffers, shapes, caching and error mapping are tested on a device
of Python, the calls against the library's own classes, and the rest by `make gpu-check` on a machine with a GPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import RuntimeFault
from inspector.runtimes import Batch, Outputs, RuntimeSettings, Tell, require_batch
from inspector.runtimes.trt.alone import alone
from inspector.runtimes.trt.apart import build_apart, only_builder
from inspector.runtimes.trt.compiled import compiled_kernels
from inspector.runtimes.trt.driver import Device, Handle, open_device
from inspector.runtimes.trt.kept import WantedEngine, wanted_engine
from inspector.runtimes.trt.library import Library, load_library
from inspector.runtimes.trt.parsing import make_log

logger = logging.getLogger(__name__)

Deserialise = Callable[[bytes], Any]
_TO_RECORD = None
_PLAIN: Handle = 0
"""A batch size whose inference cannot be recorded."""


@dataclass(slots=True, eq=False)
class _Port:
    """An input or output with its memory on both sides, as large as the largest batch needs."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    host: NDArray[np.uint8]
    device: Handle

    def bytes_of(self, n: int) -> int:
        return n * prod(self.shape) * self.dtype.itemsize

    def view(self, n: int) -> NDArray[Any]:
        """The first n pictures' part of the host memory, (n, *shape)."""
        return self.host[: self.bytes_of(n)].view(self.dtype).reshape(n, *self.shape)


class TensorRt:
    """An engine with its buffers. The input's batch is free up to the largest of the engine's profile."""

    def __init__(
        self,
        model: Path,
        settings: RuntimeSettings,
        device: Device | None = None,
        deserialise: Deserialise | None = None,
    ) -> None:
        self._library = load_library(settings.kind)
        self._device = device or open_device(settings.device)
        wanted = wanted_engine(model, self._library, self._device.gpu, settings.largest_batch)
        self._log = make_log(self._library.api)
        engine = self._engine(wanted, deserialise or self._deserialise)
        self._compiled = compiled_kernels(wanted.path, self._library)
        context = self._compiled.context(engine) if self._compiled else engine.create_execution_context()
        self._context = self._made(context, "no execution context")
        self._engine_object = engine
        self._stream = self._device.stream()
        self._ports = {port.name: port for port in self._make_ports(engine)}
        self._input = next(name for name in self._ports if self._is_input(engine, name))
        self._most = self._ports[self._input].host.size // self._ports[self._input].bytes_of(1)
        self._graphs: dict[int, Handle | None] = {}
        self._seen: set[int] = set()
        for port in self._ports.values():
            self._context.set_tensor_address(port.name, port.device)

    @classmethod
    def is_built(
        cls,
        model: Path,
        settings: RuntimeSettings,
        device: Device | None = None,
        deserialise: Deserialise | None = None,
    ) -> bool:
        """Tell whether an engine is kept that this GPU and its driver take."""
        library, device = load_library(settings.kind), device or open_device(settings.device)
        kept = wanted_engine(model, library, device.gpu, settings.largest_batch).read()
        return kept is not None and (deserialise or partial(_deserialised, library))(kept) is not None

    @classmethod
    def build(cls, model: Path, settings: RuntimeSettings, tell: Tell, device: Device | None = None) -> None:
        """Build the engine in a process of its own, behind all others, and keep it."""
        library, device = load_library(settings.kind), device or open_device(settings.device)
        wanted = wanted_engine(model, library, device.gpu, settings.largest_batch)
        with only_builder(wanted.path, tell) as may_write:
            if may_write and not cls.is_built(model, settings, device):
                build_apart(wanted, settings.device, tell)

    def run(self, batch: Batch) -> Outputs:
        require_batch(batch, self._ports[self._input].shape, self._library.kind)
        self._device.bind()
        parts = [self._run(batch[start : start + self._most]) for start in range(0, len(batch), self._most)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def describe(self) -> Mapping[str, str]:
        gpu = self._device.gpu
        return {
            "runtime": f"{self._library.kind} {self._library.api.__version__}",
            "device": f"{gpu.name} ({gpu.capability}, driver {gpu.driver})",
            "threads": "1",
        }

    def _run(self, batch: Batch) -> dict[str, NDArray[np.float32]]:
        n, picture = len(batch), self._ports[self._input]
        np.copyto(picture.view(n), batch)
        self._device.upload(picture.device, picture.host, picture.bytes_of(n), self._stream)
        self._infer(n)
        outputs = [port for port in self._ports.values() if port is not picture]
        for port in outputs:
            self._device.download(port.host, port.device, port.bytes_of(n), self._stream)
        self._device.wait(self._stream)
        if self._compiled and n not in self._seen:
            self._compiled.keep()
        self._seen.add(n)
        return {port.name: port.view(n).astype(np.float32) for port in outputs}

    def _infer(self, n: int) -> None:
        """Queue one inference. The first of a batch size is plain, the second is recorded, later ones replay it."""
        if graph := self._graphs.get(n):
            self._device.launch(graph, self._stream)
            return
        shape = (n, *self._ports[self._input].shape)
        if not self._context.set_input_shape(self._input, shape):
            raise RuntimeFault(f"{self._library.kind}: refuses the shape {shape} ({self._log.last()})")
        if self._graphs.get(n, _PLAIN) is _TO_RECORD and (graph := self._record(n)):
            self._device.launch(graph, self._stream)
            return
        self._queue()
        self._graphs.setdefault(n, _TO_RECORD)

    def _record(self, n: int) -> Handle:
        try:
            graph = self._device.capture(self._queue, self._stream)
        except RuntimeFault as fault:
            logger.warning("no CUDA graph for batches of %d (%s): queued one by one", n, fault)
            graph = _PLAIN
        self._graphs[n] = graph
        return graph

    def _queue(self) -> None:
        if not self._context.execute_async_v3(self._stream):
            raise RuntimeFault(f"{self._library.kind}: inference failed ({self._log.last()})")

    def _engine(self, wanted: WantedEngine, deserialise: Deserialise) -> Any:
        """Take the engine that is kept, or build it; one that this driver no longer takes is built again."""
        kept = wanted.read()
        if kept is not None and (engine := deserialise(kept)) is not None:
            return engine
        logger.info("building %s for %s, which takes a while", wanted.bundle.id[:16], self._device.gpu.name)
        content, proof = wanted.build()
        wanted.keep(content, proof)
        return self._made(deserialise(content), "the engine just built cannot be loaded")

    def _deserialise(self, content: bytes) -> Any:
        self._runtime = self._library.api.Runtime(self._log)  # must live as long as its engines
        return alone(lambda: self._runtime.deserialize_cuda_engine(content))

    def _made(self, found: Any, what: str) -> Any:
        if found is None:
            raise RuntimeFault(f"{self._library.kind}: {what} ({self._log.last()})")
        return found

    def _make_ports(self, engine: Any) -> Iterator[_Port]:
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        picture = next(name for name in names if self._is_input(engine, name))
        most = engine.get_tensor_profile_shape(picture, 0)[2][0]
        for name in names:
            shape = tuple(engine.get_tensor_shape(name))[1:]
            dtype = np.dtype(self._library.api.nptype(engine.get_tensor_dtype(name)))
            size = most * prod(shape) * dtype.itemsize
            yield _Port(name, shape, dtype, self._device.pinned(size), self._device.memory(size))

    def _is_input(self, engine: Any, name: str) -> bool:
        return bool(engine.get_tensor_mode(name) == self._library.api.TensorIOMode.INPUT)


def _deserialised(library: Library, content: bytes) -> Any:
    """Only to see whether the driver takes it; the engine goes with its runtime."""
    runtime = library.api.Runtime(make_log(library.api))
    return alone(lambda: runtime.deserialize_cuda_engine(content))
