"""The few calls of NVIDIA's driver library that running an engine takes: memory, copies, a stream, graphs.

`libcuda` comes with every driver, so no CUDA toolkit and no further package is needed. Names and signatures: CUDA
Driver API reference, "Memory Management", "Stream Management", "Graph Management".
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inspector.errors import RuntimeFault, RuntimeUnavailable

_NAMES = ("libcuda.so.1", "nvcuda.dll")
_NON_BLOCKING = 1
_THREAD_LOCAL = 1
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
Handle = int


@dataclass(frozen=True, slots=True)
class Gpu:
    """What an engine is built for."""

    name: str
    capability: str
    """As in `sm86`."""
    driver: str

    @property
    def slug(self) -> str:
        """GPU and driver as they stand in names of files: what is made for them fits no other."""
        return re.sub(r"[^A-Za-z0-9]+", "-", f"{self.name}-{self.capability}-driver-{self.driver}").strip("-").lower()


class Device(Protocol):
    """A GPU as the adapter sees it; one thread at a time calls it."""

    gpu: Gpu

    def bind(self) -> None:
        """Make the GPU the calling thread's own; first of all on any thread, as CUDA keeps it per thread."""
        ...

    def stream(self) -> Handle: ...

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Return page-locked host memory of `size` bytes; the device reads it without a copy in between."""
        ...

    def memory(self, size: int) -> Handle: ...

    def upload(self, target: Handle, source: NDArray[Any], size: int, stream: Handle) -> None:
        """Queue a copy of the first `size` bytes of `source`."""
        ...

    def download(self, target: NDArray[Any], source: Handle, size: int, stream: Handle) -> None: ...

    def capture(self, work: Callable[[], None], stream: Handle) -> Handle:
        """Record what `work` queues on the stream as a graph, and return it."""
        ...

    def launch(self, graph: Handle, stream: Handle) -> None: ...

    def wait(self, stream: Handle) -> None:
        """Return when all that was queued on the stream is done; raise RuntimeFault when it failed."""
        ...


class CudaDevice:
    """A GPU through `libcuda`; memory is freed with the process, which is as long as its networks run."""

    def __init__(self, number: int, library: Any = None) -> None:
        self._cuda = library or _load()
        self._call("cuInit", 0, error=RuntimeUnavailable)
        device, self._context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuDeviceGet", ctypes.byref(device), number, error=RuntimeUnavailable)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device, error=RuntimeUnavailable)
        self.bind()
        self.gpu = self._describe(device)

    def bind(self) -> None:
        self._call("cuCtxSetCurrent", self._context)

    def stream(self) -> Handle:
        stream = ctypes.c_void_p()
        self._call("cuStreamCreate", ctypes.byref(stream), _NON_BLOCKING)
        return stream.value or 0

    def pinned(self, size: int) -> NDArray[np.uint8]:
        pointer = ctypes.c_void_p()
        self._call("cuMemHostAlloc", ctypes.byref(pointer), ctypes.c_size_t(size), 0)
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(pointer.value or 0))

    def memory(self, size: int) -> Handle:
        pointer = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(size))
        return pointer.value

    def upload(self, target: Handle, source: NDArray[Any], size: int, stream: Handle) -> None:
        address = ctypes.c_void_p(source.ctypes.data)
        self._call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(target), address, ctypes.c_size_t(size), _pointer(stream))

    def download(self, target: NDArray[Any], source: Handle, size: int, stream: Handle) -> None:
        address = ctypes.c_void_p(target.ctypes.data)
        self._call("cuMemcpyDtoHAsync_v2", address, ctypes.c_uint64(source), ctypes.c_size_t(size), _pointer(stream))

    def capture(self, work: Callable[[], None], stream: Handle) -> Handle:
        graph, ready = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuStreamBeginCapture_v2", _pointer(stream), _THREAD_LOCAL)
        try:
            work()
        finally:
            self._call("cuStreamEndCapture", _pointer(stream), ctypes.byref(graph))
        self._call("cuGraphInstantiateWithFlags", ctypes.byref(ready), graph, ctypes.c_uint64(0))
        return ready.value or 0

    def launch(self, graph: Handle, stream: Handle) -> None:
        self._call("cuGraphLaunch", _pointer(graph), _pointer(stream))

    def wait(self, stream: Handle) -> None:
        self._call("cuStreamSynchronize", _pointer(stream))

    def _describe(self, device: ctypes.c_int) -> Gpu:
        name, version = ctypes.create_string_buffer(128), ctypes.c_int()
        self._call("cuDeviceGetName", name, len(name), device)
        self._call("cuDriverGetVersion", ctypes.byref(version))
        major, minor = (self._attribute(which, device) for which in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR))
        return Gpu(name.value.decode(errors="replace"), f"sm{major}{minor}", str(version.value))

    def _attribute(self, which: int, device: ctypes.c_int) -> int:
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), which, device)
        return value.value

    def _call(self, name: str, *arguments: Any, error: type[Exception] = RuntimeFault) -> None:
        code = getattr(self._cuda, name)(*arguments)
        if code != 0:
            raise error(f"CUDA: {name} failed ({self._error_name(code)})")

    def _error_name(self, code: int) -> str:
        name = ctypes.c_char_p()
        known = self._cuda.cuGetErrorName(code, ctypes.byref(name)) == 0 and name.value
        return name.value.decode() if known and name.value else f"error {code}"


def open_device(wanted: str) -> Device:
    """Return the GPU `gpu.N` (`gpu` and `cpu`, the default of a recipe, mean the first); raise RuntimeUnavailable."""
    number = int(wanted.partition(".")[2] or 0)
    return CudaDevice(number)


def _pointer(handle: Handle) -> ctypes.c_void_p:
    return ctypes.c_void_p(handle)


def _load() -> Any:
    for name in _NAMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise RuntimeUnavailable(f"no NVIDIA driver on this machine ({' or '.join(_NAMES)} not found)")
