"""Fits the last linear layers of an int8 graph to what the int8 layers before them give.

What stands behind the pooling stays float, but reads what int8 has changed. A part of that change shows in what is
read, so it can be taken back: a ridge regression, on fitting pictures, of what the float graph's layer gives on what
the int8 graph's layer reads, drawn towards the weights as they were. It costs the line nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from training.quantise import head_nodes

Floats = NDArray[np.float64]
Given = Mapping[str, Floats]
"""What tensors hold on pictures, (N, ...) by name."""

RIDGE = 0.3
"""Of the mean square of what is read: with less, 160 pictures are learnt by heart."""


@dataclass(frozen=True, slots=True)
class Readout:
    """A linear layer behind the pooling, with a bias: names of its node and tensors, and of the node that adds."""

    node: str
    reads: str
    gives: str
    weight: str
    bias: str
    adds: str
    transposed: bool
    """Whether the weight is (outputs, inputs), as a `Gemm` may have it."""


def find_readouts(graph: onnx.GraphProto) -> tuple[Readout, ...]:
    """Return the linear layers with constant weights behind the pooling of a float graph."""
    constants = {one.name for one in graph.initializer}
    behind = set(head_nodes(graph))
    return tuple(
        found
        for node in graph.node
        if node.name in behind and node.op_type in ("Gemm", "MatMul") and node.input[1] in constants
        for found in _with_bias(graph, node, constants)
    )


def _with_bias(graph: onnx.GraphProto, node: onnx.NodeProto, constants: set[str]) -> Iterator[Readout]:
    reads, weight = node.input[0], node.input[1]
    if node.op_type == "Gemm":
        said = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        plain = said.get("alpha", 1.0) == said.get("beta", 1.0) == 1.0 and not said.get("transA", 0)
        if plain and len(node.input) == 3 and node.input[2] in constants:
            turned = bool(said.get("transB", 0))
            yield Readout(node.name, reads, node.output[0], weight, node.input[2], node.name, turned)
        return
    readers = [one for one in graph.node if node.output[0] in one.input]
    if len(readers) == 1 and readers[0].op_type == "Add" and (biases := constants & set(readers[0].input)):
        yield Readout(node.name, reads, readers[0].output[0], weight, biases.pop(), readers[0].name, transposed=False)


def given(path: Path, names: Sequence[str], images: NDArray[np.uint8]) -> Given:
    """Return what the named tensors of a graph hold on `images` (N, H, W, 3k), seen one by one as on the line."""
    model = onnx.load(path)
    known = {one.name for one in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names) if name not in known)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    seen = [session.run(list(names), {"image": images[i : i + 1]}) for i in range(len(images))]
    return {name: np.concatenate([one[k] for one in seen]).astype(np.float64) for k, name in enumerate(names)}


def fit_readouts(path: Path, readouts: Sequence[Readout], wanted: Given, images: NDArray[np.uint8]) -> None:
    """Have the `readouts` of the int8 graph in `path` give, as nearly as may be, what is `wanted` of each on `images`.

    None of them may read what another gives.
    """
    if not readouts:
        return
    found = given(path, [name for one in readouts for name in (one.reads, one.gives)], images)
    model = onnx.load(path)
    for one in readouts:
        slope, offset = ridge(found[one.reads], wanted[one.gives] - found[one.gives])
        _change(model.graph, one, slope, offset)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def ridge(read: Floats, missing: Floats) -> tuple[Floats, Floats]:
    """Return slope (F, D) and offset (D,) that foretell `missing` (N, D) from `read` (N, F), the slope small.

    Solved among the N pictures, of which there are fewer than features.
    """
    centre, mean = read.mean(axis=0), missing.mean(axis=0)
    away = read - centre
    alike = away @ away.T
    strength = RIDGE * np.trace(alike) / len(read)
    if strength == 0:
        return np.zeros((read.shape[1], missing.shape[1])), mean
    slope = away.T @ np.linalg.solve(alike + strength * np.eye(len(read)), missing - mean)
    return slope, mean - centre @ slope


def _change(graph: onnx.GraphProto, readout: Readout, slope: Floats, offset: Floats) -> None:
    """Give the layer weights of its own: others may read the ones it had."""
    values = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    nodes = {node.name: node for node in graph.node}
    turned = slope.T if readout.transposed else slope
    for node, name, change in ((readout.node, readout.weight, turned), (readout.adds, readout.bias, offset)):
        fitted = f"{name}_of_{readout.node}"
        graph.initializer.append(numpy_helper.from_array((values[name] + change).astype(np.float32), fitted))
        place = list(nodes[node].input).index(name)
        nodes[node].input[place] = fitted
    read = {name for node in graph.node for name in node.input}
    for left in [one for one in graph.initializer if one.name not in read]:
        graph.initializer.remove(left)
