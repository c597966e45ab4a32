"""Layers of a graph turned to half precision: casts before and after them, and their weights as halves.

Needs `onnx`, which is no part of the edge install: engines with halves are built ahead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def with_half_layers(content: bytes, nodes: Collection[str]) -> bytes:
    """Return a network in which the layers of these names compute in half; what they take and give stays float.

    Raises:
        ValueError: no layer with weights has such a name, or its weights do not fit into halves.
    """
    model = onnx.load_from_string(content)
    graph = model.graph
    named = {node.name: node for node in graph.node if node.op_type in LAYERS}
    if missing := sorted(set(nodes) - set(named)):
        raise ValueError(f"no layer with weights is called {', '.join(missing)}")
    weights = {constant.name: constant for constant in graph.initializer}
    turned = [one for node in graph.node for one in (_turned(graph, node, weights) if node.name in nodes else (node,))]
    del graph.node[:]
    graph.node.extend(turned)
    return bytes(model.SerializeToString())


def _turned(
    graph: onnx.GraphProto, node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]
) -> Iterator[onnx.NodeProto]:
    """The casts of a layer's inputs, the layer in half, and the cast of what it gives."""
    half = onnx.NodeProto()
    half.CopyFrom(node)
    for index, name in enumerate(node.input):
        if not name:
            continue
        half.input[index] = f"{node.name}_half_{index}"
        if name in weights:
            graph.initializer.append(numpy_helper.from_array(_as_half(weights[name]), half.input[index]))
        else:
            yield helper.make_node("Cast", [name], [half.input[index]], half.input[index], to=TensorProto.FLOAT16)
    half.output[0] = f"{node.name}_half"
    yield half
    yield helper.make_node("Cast", [half.output[0]], [node.output[0]], f"{node.name}_float", to=TensorProto.FLOAT)


def _as_half(constant: onnx.TensorProto) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
    values = numpy_helper.to_array(constant)
    if np.abs(values).max(initial=0.0) > np.finfo(np.float16).max:
        raise ValueError(f"{constant.name}: a weight of {np.abs(values).max():g} does not fit into a half")
    return values.astype(np.float16)
