"""Post-training quantisation for TensorRT: explicit QDQ, int8 symmetric activations and weights, float biases.

What TensorRT asks for, found by building engines: no int32 bias behind a `DequantizeLinear`, no zero points, no shape
arithmetic, bytes turned into floats before anything else touches them. Q/DQ stand before what they feed, never
between a convolution and its activation or its residual addition, so that those fuse into one kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from inspector.runtimes.trt.door import cast_first
from training.quantise import head_nodes
from training.ranges import Ranges, bounds

WEIGHTED = {"Conv": 0, "ConvTranspose": 1, "MatMul": 1}
"""Operators with constant weights, and the axis of their output channels (of ungrouped ones, for ConvTranspose)."""
STEPS = 127


def write_symmetric(float_path: Path, int8_path: Path, ranges: Ranges, keep_float: Sequence[str] = ()) -> None:
    """Write the int8 graph. Float stay the nodes in `keep_float`, what follows the pooling, and the stem.

    The stem reads the picture's 256 levels: 127 symmetric steps for them would lose more than a bit.
    """
    model = onnx.load(float_path)
    excluded = {*keep_float, *head_nodes(model.graph), *stem_nodes(model.graph)}
    _Writer(model.graph, ranges, excluded).write()
    cast_first(model.graph)
    model.graph.name = "int8"
    onnx.checker.check_model(model)
    onnx.save(model, int8_path)


def stem_nodes(graph: onnx.GraphProto) -> Iterator[str]:
    """Names of the weighted nodes that read the picture itself."""
    raw = {value.name for value in graph.input}
    for node in graph.node:
        if raw.intersection(node.input):
            if node.op_type in WEIGHTED:
                yield node.name
            else:
                raw.update(node.output)


@dataclass(slots=True, eq=False)
class _Writer:
    """Rebuilds the list of nodes with Q/DQ in their places; a tensor read twice is quantised once."""

    graph: onnx.GraphProto
    ranges: Ranges
    excluded: set[str]
    decoded: dict[str, str] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)

    def write(self) -> None:
        constants = {tensor.name: tensor for tensor in self.graph.initializer}
        made_by = {output: node for node in self.graph.node for output in node.output}
        for node in self.graph.node:
            if node.name not in self.excluded:
                self._feed(node, constants, made_by)
            self.nodes.append(node)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        _drop_unread(self.graph)

    def _feed(
        self, node: onnx.NodeProto, constants: dict[str, onnx.TensorProto], made_by: dict[str, onnx.NodeProto]
    ) -> None:
        if node.op_type in WEIGHTED and node.input[1] in constants and bounds(self.ranges, node.input[0]):
            weight = numpy_helper.to_array(constants[node.input[1]])
            node.input[1] = self._weight(node.input[1], weight, _channel_axis(node, weight))
            node.input[0] = self._activation(node.input[0])
        elif node.op_type == "Add" and not constants.keys() & set(node.input):
            for position in _residual_inputs(node, made_by):
                if bounds(self.ranges, node.input[position]):
                    node.input[position] = self._activation(node.input[position])

    def _activation(self, name: str) -> str:
        if name not in self.decoded:
            low, high = bounds(self.ranges, name) or (0.0, 0.0)
            scale = np.float32(max(abs(low), abs(high), 1e-6) / STEPS)
            self._constant(f"{name}_scale", np.asarray(scale))
            self._constant(f"{name}_zero", np.asarray(0, np.int8))
            parameters = [f"{name}_scale", f"{name}_zero"]
            encode = helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}_int8"], f"{name}_encode")
            decode = helper.make_node(
                "DequantizeLinear", [f"{name}_int8", *parameters], [f"{name}_decoded"], f"{name}_decode"
            )
            self.nodes += [encode, decode]
            self.decoded[name] = f"{name}_decoded"
        return self.decoded[name]

    def _weight(self, name: str, weight: NDArray[np.float32], axis: int) -> str:
        if name not in self.decoded:
            others = tuple(i for i in range(weight.ndim) if i != axis)
            scale = np.maximum(np.abs(weight).max(axis=others), 1e-8).astype(np.float32) / np.float32(STEPS)
            shaped = scale.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
            self._constant(f"{name}_int8", np.clip(np.rint(weight / shaped), -STEPS, STEPS).astype(np.int8))
            self._constant(f"{name}_scale", scale)
            self._constant(f"{name}_zero", np.zeros(len(scale), np.int8))
            inputs = [f"{name}_int8", f"{name}_scale", f"{name}_zero"]
            self.nodes.append(
                helper.make_node("DequantizeLinear", inputs, [f"{name}_decoded"], f"{name}_decode", axis=axis)
            )
            self.decoded[name] = f"{name}_decoded"
        return self.decoded[name]

    def _constant(self, name: str, value: NDArray[np.generic]) -> None:
        self.graph.initializer.append(numpy_helper.from_array(value, name))


def _channel_axis(node: onnx.NodeProto, weight: NDArray[np.float32]) -> int:
    return weight.ndim - 1 if node.op_type == "MatMul" else WEIGHTED[node.op_type]


def _residual_inputs(node: onnx.NodeProto, made_by: dict[str, onnx.NodeProto]) -> Iterable[int]:
    """Positions of an addition's inputs to quantise: all but the one convolution that the addition fuses with."""
    convolved = [i for i, name in enumerate(node.input) if name in made_by and made_by[name].op_type == "Conv"]
    return [i for i in range(len(node.input)) if i not in convolved[-1:]]


def _drop_unread(graph: onnx.GraphProto) -> None:
    read = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)
