"""The work of a network: multiply-accumulates and bytes of one picture, from ONNX Runtime's own record of its shapes.

The edge install has no `onnx`, so the graph is run once, as it is written, under the profiler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from inspector.runtimes import Batch
from inspector.runtimes.node_times import record_events

_CONVOLUTIONS = ("Conv", "FusedConv")
_PRODUCTS = ("MatMul", "Gemm")


@dataclass(frozen=True, slots=True)
class Work:
    """Of one picture."""

    macs: int
    depthwise_macs: int
    """Of convolutions whose filters see one channel each: few multiplications for each byte, and no dense product."""
    activation_bytes: int
    """Written by all nodes of the float graph; most of it stays in the caches."""


def count_work(float_model: Path, batch: Batch) -> Work:
    """Count the work of a float graph on one picture, (1, H, W, 3k) uint8."""
    macs = depthwise = moved = 0
    for event in record_events(float_model, batch, threads=1, runs=1, as_written=True):
        found, alone = node_macs(event["args"])
        macs, depthwise = macs + found, depthwise + (found if alone else 0)
        moved += int(event["args"].get("output_size", 0))
    return Work(macs, depthwise, moved)


def node_macs(record: Mapping[str, Any]) -> tuple[int, bool]:
    """Return the multiply-accumulates of a node's record, and whether it is a depthwise convolution."""
    operator = record["op_name"]
    inputs, outputs = _shapes(record["input_type_shape"]), _shapes(record["output_type_shape"])
    if operator in _CONVOLUTIONS:
        weights = inputs[1]
        return prod(outputs[0]) * prod(weights[1:]), weights[1] == 1 and inputs[0][1] > 1
    if operator == "ConvTranspose":
        return prod(inputs[0]) * prod(inputs[1][1:]), False
    if operator in _PRODUCTS:
        return prod(outputs[0]) * inputs[0][-1], False
    return 0, False


def _shapes(records: Sequence[Mapping[str, Sequence[int]]]) -> list[tuple[int, ...]]:
    return [tuple(shape) for record in records for shape in record.values()]
