"""A bundle's float network as a list of nodes over named values, read from ONNX for one picture at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from inspector.documents import read_bytes
from inspector.errors import BundleError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One ONNX node; an input that is left out has the name ''."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    source: onnx.NodeProto


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Nodes in the order in which they run, with the constants that they read."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    picture: tuple[int, int, int]
    """Height, width, channels of the one input, which is uint8 (N, H, W, 3k)."""
    input_name: str
    outputs: tuple[str, ...]
    opset: int

    def fold(self, node: Node, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        """Return what a node computes from constants, by ONNX's own reference."""
        read, made = ([onnx.ValueInfoProto(name=name) for name in names] for names in (inputs, node.outputs))
        body = onnx.helper.make_graph([node.source], "folded", read, made)
        model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", self.opset)])
        return tuple(np.asarray(value) for value in ReferenceEvaluator(model).run(None, dict(inputs)))


def read_graph(path: Path) -> Graph:
    """Read an ONNX file.

    Raises:
        BundleError: no network, or one whose input is not one batch of pictures of fixed size, uint8.
    """
    try:
        model = onnx.load_from_string(read_bytes(path, BundleError))
    except DecodeError as error:
        raise BundleError(f"{path}: no ONNX network ({error})") from error
    body = model.graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in body.initializer}
    inputs = [value for value in body.input if value.name not in constants]
    return Graph(
        nodes=tuple(_node(node, number) for number, node in enumerate(body.node)),
        constants=constants,
        picture=_picture(inputs, path),
        input_name=inputs[0].name,
        outputs=tuple(value.name for value in body.output),
        opset=next((one.version for one in model.opset_import if one.domain == ""), 18),
    )


def _node(node: onnx.NodeProto, number: int) -> Node:
    attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    name = node.name or f"{node.op_type}_{number}"
    return Node(name, node.op_type, tuple(node.input), tuple(node.output), attributes, node)


def _picture(inputs: list[onnx.ValueInfoProto], path: Path) -> tuple[int, int, int]:
    kinds = [value.type.tensor_type for value in inputs]
    sides = tuple(side.dim_value for side in kinds[0].shape.dim)[1:] if kinds else ()
    if len(kinds) != 1 or kinds[0].elem_type != onnx.TensorProto.UINT8 or len(sides) != 3 or 0 in sides:
        raise BundleError(f"{path}: expected one input, uint8 (N, H, W, channels), found {len(kinds)} with {sides}")
    if sides[2] % 3:
        raise BundleError(f"{path}: {sides[2]} channels; expected 3, or 6 with the golden template")
    return sides
