"""What this machine can do at most, measured: multiply-accumulates per second, and bytes per second from memory.

The compute limit is a dense product of 1024 x 1024 by ONNX Runtime, at its best of several: it is bound by arithmetic,
not by memory (Williams, Waterman, Patterson, "Roofline", 2009). The memory limit is a copy much larger than the caches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

SIDE = 1024
RUNS = 30
COPIED_MB = 128
FLOAT, UINT8, INT8, INT32 = 1, 2, 3, 6
"""Kinds of elements by ONNX's numbers (onnx.proto, TensorProto.DataType)."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """Of so many threads; memory of one."""

    threads: int
    float_macs_per_s: float
    int8_macs_per_s: float
    bytes_per_s: float

    def macs_per_s(self, precision: str) -> float:
        return self.float_macs_per_s if precision == "float" else self.int8_macs_per_s


def measure_peaks(threads: int, clock: Callable[[], float] = time.perf_counter) -> Peaks:
    """Takes about a second on a free machine."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-100, 100, (SIDE, SIDE))
    pictures = rng.integers(0, 100, (SIDE, SIDE))
    floats = product_network("MatMul", weights.astype(np.float32), FLOAT, FLOAT)
    bytes_ = product_network("MatMulInteger", weights.astype(np.int8), UINT8, INT32)
    work = SIDE**3
    return Peaks(
        threads,
        work / _best_s(floats, pictures.astype(np.float32), threads, clock),
        work / _best_s(bytes_, pictures.astype(np.uint8), threads, clock),
        _copied_bytes_per_s(clock),
    )


def _best_s(network: bytes, left: NDArray[np.generic], threads: int, clock: Callable[[], float]) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    return _best(lambda: session.run(None, {"a": left}), clock)


def _copied_bytes_per_s(clock: Callable[[], float]) -> float:
    """A copy reads and writes each byte."""
    source = np.ones(COPIED_MB * 1_000_000, np.uint8)
    target = np.empty_like(source)
    return 2 * source.nbytes / _best(lambda: np.copyto(target, source), clock)


def _best(run: Callable[[], object], clock: Callable[[], float]) -> float:
    spent = []
    for _ in range(RUNS):
        started = clock()
        run()
        spent.append(clock() - started)
    return min(spent)


def product_network(operator: str, weights: NDArray[np.generic], left: int, out: int) -> bytes:
    """Return an ONNX network `c = operator(a, weights)` in protobuf's own bytes: the edge install has no `onnx`.

    Field numbers are those of onnx.proto.
    """
    right = FLOAT if weights.dtype == np.float32 else INT8
    sides = b"".join(_number(1, side) for side in weights.shape)
    constant = sides + _number(2, right) + _text(8, "b") + _bytes(9, weights.tobytes())
    node = _text(1, "a") + _text(1, "b") + _text(2, "c") + _text(4, operator)
    places = {11: _value("a", left, weights.shape), 12: _value("c", out, weights.shape)}
    graph = _bytes(1, node) + _text(2, "product") + _bytes(5, constant)
    graph += b"".join(_bytes(number, value) for number, value in places.items())
    return _number(1, 10) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, 18))


def _value(name: str, kind: int, shape: tuple[int, ...]) -> bytes:
    sides = b"".join(_bytes(1, _number(1, side)) for side in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, sides)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


@dataclass(frozen=True, slots=True)
class Bound:
    """How near a network comes to the machine's limit."""

    share: float
    """Least time that the machine's peaks allow, over the time that it takes."""
    compute_ms: float
    memory_ms: float

    @property
    def bound_by(self) -> str:
        return "arithmetic" if self.compute_ms >= self.memory_ms else "memory"

    def fields(self) -> Mapping[str, float | str]:
        return {
            "share": self.share,
            "compute_ms": self.compute_ms,
            "memory_ms": self.memory_ms,
            "bound_by": self.bound_by,
        }


def bound(macs: float, moved_bytes: float, seconds: float, precision: str, peaks: Peaks) -> Bound:
    """Hold a time against the roofline: whichever limit takes longer. All three are of the same batch."""
    compute_s, memory_s = macs / peaks.macs_per_s(precision), moved_bytes / peaks.bytes_per_s
    return Bound(max(compute_s, memory_s) / seconds, 1e3 * compute_s, 1e3 * memory_s)
