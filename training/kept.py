"""Which layers with weights a quantised graph computes in float, and why: read from the graph itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx

from inspector.bundle import KeptFloat, Precision
from training.quantise import head_nodes
from training.symmetric import stem_nodes

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
STEM = "it reads the picture: 127 symmetric steps would lose more than one of its 8 bits"
BEHIND_POOLING = "it follows the pooling: cheap, and it decides"
NO_INT8_KIND = "this kind of layer is not quantised at this precision"


def kept_float(path: Path, precision: Precision, reasons: Mapping[str, str]) -> tuple[KeptFloat, ...]:
    """Return the layers of the graph in `path` that are not fed by int8 on both sides; `reasons` by node name."""
    graph = onnx.load(path).graph
    known = dict.fromkeys(head_nodes(graph), BEHIND_POOLING)
    if precision == "trt-int8":
        known |= dict.fromkeys(stem_nodes(graph), STEM)
    known |= reasons
    return tuple(
        KeptFloat(precision=precision, node=name, reason=known.get(name, NO_INT8_KIND)) for name in float_layers(graph)
    )


def float_layers(graph: onnx.GraphProto) -> Iterator[str]:
    """Names of the layers whose picture side or weight side does not come from a `DequantizeLinear`."""
    decoded = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    for node in graph.node:
        if node.op_type in LAYERS and not decoded.issuperset(node.input[:2]):
            yield node.name
