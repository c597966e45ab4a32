"""A network written as a MIL program, node by node, and compiled into a Core ML package.

The package takes one picture at a time as an 8-bit image (Core ML's image input, BGR), and a second one, `template`,
where the network compares with a golden template. Its outputs have the bundle's names and are float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import coremltools
import numpy as np
from coremltools.converters.mil import Builder as mb  # noqa: N813
from coremltools.converters.mil.mil import Function, Program, curr_block, types

from inspector.documents import Document
from inspector.errors import BundleError
from training.coreml.graph import Graph, Node
from training.coreml.library import quietly
from training.coreml.operators import NoMapping, Value, convert_node, known_shape

Compute = Literal["float16", "float32"]
TARGET = coremltools.target.macOS13
TEMPLATE = "template"
_CHANGE_WEIGHTS = {
    "common::fuse_conv_batchnorm",
    "common::fuse_conv_bias",
    "common::fuse_conv_scale",
    "common::fuse_linear_bias",
    "common::fuse_matmul_weight_bias",
}
"""Passes that are left out, so that each weight of the network can be found again in the package."""


class Account(Document):
    """What became of one ONNX node."""

    node: str
    operator: str
    became: tuple[str, ...]
    """MIL operations, without constants; none: it was computed beforehand."""


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A program and where each of its operations comes from."""

    program: Any
    accounts: tuple[Account, ...]


def write_program(graph: Graph) -> Written:
    """Write every node in MIL for one picture.

    Raises:
        BundleError: a node that MIL cannot say, named with the reason.
    """
    height, width, _ = graph.picture
    names = image_names(graph)
    pictures = {name: mb.placeholder(shape=(1, 3, height, width), dtype=types.fp32) for name in names}
    with quietly(), Function(pictures, opset_version=TARGET) as function:
        values: dict[str, Value] = dict(graph.constants)
        values[graph.input_name] = _as_the_bundle_takes_it([function.inputs[name] for name in names])
        accounts = tuple(_write(graph, node, values) for node in graph.nodes)
        function.set_outputs([_named(values[name], name) for name in graph.outputs])
    program = Program()
    program.add_function("main", function)
    return Written(program, accounts)


def image_names(graph: Graph) -> tuple[str, ...]:
    """Return the names of the package's inputs: the picture, and the golden template where there is one."""
    return (graph.input_name, TEMPLATE)[: graph.picture[2] // 3]


def compile_package(written: Written, graph: Graph, compute: Compute, path: Path) -> None:
    """Write the package (a folder that must not be there yet, `.mlpackage`).

    In float16 are the layers up to the last convolution on each way; what follows reads their outputs (distances,
    boxes, probabilities) and stays float32. A convolution of one channel is no layer: it smooths a map of distances.
    """
    height, width, _ = graph.picture
    images = [
        coremltools.ImageType(name=name, shape=(1, 3, height, width), color_layout=coremltools.colorlayout.BGR)
        for name in image_names(graph)
    ]
    passes = coremltools.PassPipeline.DEFAULT
    passes.remove_passes(_CHANGE_WEIGHTS)
    half = coremltools.transform.FP16ComputePrecision(op_selector=_feeds_layer)
    with quietly():
        coremltools.convert(
            written.program,
            inputs=images,
            convert_to="mlprogram",
            minimum_deployment_target=TARGET,
            compute_precision=half if compute == "float16" else coremltools.precision.FLOAT32,
            pass_pipeline=passes,
            skip_model_load=True,  # only macOS can
            package_dir=str(path),
        )


def _feeds_layer(operation: Any) -> bool:
    """Is it a convolution of several channels, or does one come after it?"""
    waiting, seen = [operation], set()
    while waiting:
        one = waiting.pop()
        if one.op_type == "conv" and one.inputs["weight"].shape[0] > 1:
            return True
        if id(one) not in seen:
            seen.add(id(one))
            waiting += [after for output in one.outputs for after in output.child_ops]
    return False


def _as_the_bundle_takes_it(images: Sequence[Any]) -> Any:
    """(1, 3, H, W) images -> (1, H, W, 3k), which is what the graph's first node reads."""
    together = images[0] if len(images) == 1 else mb.concat(values=list(images), axis=1, name="pictures")
    return mb.transpose(x=together, perm=[0, 2, 3, 1], name="rows_of_pixels")


def _write(graph: Graph, node: Node, values: dict[str, Value]) -> Account:
    inputs = [values[name] if name else None for name in node.inputs]
    outputs, became = _outputs(graph, node, inputs)
    values.update(zip(node.outputs, outputs, strict=False))
    return Account(node=node.name, operator=node.operator, became=became)


def _outputs(graph: Graph, node: Node, inputs: Sequence[Value]) -> tuple[Sequence[Value], tuple[str, ...]]:
    if (shape := known_shape(node, inputs)) is not None:
        return [shape], ()
    given = {name: value for name, value in zip(node.inputs, inputs, strict=True) if name}
    if all(isinstance(value, np.ndarray) for value in given.values()):
        return graph.fold(node, given), ()
    before = len(list(curr_block().operations))
    try:
        outputs = convert_node(node, inputs)
    except (NoMapping, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BundleError(f"node {node.name!r} ({node.operator}) cannot be written for Core ML: {reason}") from error
    added = [op.op_type for op in list(curr_block().operations)[before:] if op.op_type != "const"]
    return outputs, tuple(added)


def _named(value: Value, name: str) -> Any:
    return mb.identity(x=value, name=name)
