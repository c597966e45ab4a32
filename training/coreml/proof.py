"""A written Core ML package read back and held against the network that it was made from, on any machine.

Checked are its ports, the number of its layers, and every weight. What it computes can only be seen on macOS.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import coremltools
import numpy as np
from coremltools.converters.mil.frontend.milproto.load import load
from coremltools.proto.FeatureTypes_pb2 import ArrayFeatureType, ImageFeatureType

from inspector.documents import Document
from inspector.errors import BundleError
from inspector.runtimes import RuntimeSettings, load_runtime
from training.coreml.graph import Array, Graph, Node
from training.coreml.library import quietly
from training.coreml.program import Account, Compute, image_names

LAYERS: Mapping[str, str] = {"Conv": "conv", "Gemm": "linear", "MatMul": "matmul"}
_HALF_STEP, _HALF_LEAST = 2.0**-11, 2.0**-24
"""Rounding to float16: half of the last of 11 bits, and the least number (IEEE 754-2019, 3.6)."""


class Port(Document):
    """An input or output of a package."""

    name: str
    kind: str
    shape: tuple[int, ...]


class CoreMlProof(Document):
    """What was written from what."""

    bundle: str
    model_sha256: str
    compute: Compute
    library: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operations: dict[str, int]
    """Of the package, after coremltools' own simplifying; without constants."""
    half_operations: int
    """How many of them compute in float16."""
    nodes: tuple[Account, ...]
    weights: int
    """Numbers of the network's layers that were found again in the package."""
    largest_weight_difference: float
    package_bytes: int
    model_bytes: int


def prove_package(package: Path, graph: Graph, model: Path, accounts: tuple[Account, ...]) -> Mapping[str, Any]:
    """Read a package back and return the proof's fields that tell of it.

    Raises:
        BundleError: ports, layers or weights that are not the network's.
    """
    with quietly():
        spec = coremltools.utils.load_spec(str(package))
        weights = package / "Data" / "com.apple.CoreML" / "weights"
        program = load(spec, spec.specificationVersion, str(weights))
    operations = [op for op in program.functions["main"].operations if op.op_type != "const"]
    found, difference = _compare_weights(graph, {_plain_name(op.name): op for op in operations}, accounts, package)
    return {
        "inputs": _inputs(spec, graph, package),
        "outputs": _outputs(spec, _shapes(model, graph), package),
        "operations": dict(Counter(op.op_type for op in operations)),
        "half_operations": sum(_is_half(op) for op in operations),
        "nodes": accounts,
        "weights": found,
        "largest_weight_difference": difference,
        "package_bytes": sum(file.stat().st_size for file in package.rglob("*") if file.is_file()),
        "model_bytes": model.stat().st_size,
    }


def _inputs(spec: Any, graph: Graph, package: Path) -> tuple[Port, ...]:
    height, width, _ = graph.picture
    ports = []
    for one in spec.description.input:
        image = one.type.imageType
        bgr = image.colorSpace == ImageFeatureType.ColorSpace.BGR
        ports.append(Port(name=one.name, kind="BGR image" if bgr else "other", shape=(image.height, image.width)))
    wanted = tuple(Port(name=name, kind="BGR image", shape=(height, width)) for name in image_names(graph))
    if tuple(ports) != wanted:
        raise BundleError(f"{package}: takes {ports}; expected {list(wanted)}")
    return wanted


def _outputs(spec: Any, shapes: Mapping[str, tuple[int, ...]], package: Path) -> tuple[Port, ...]:
    ports = []
    for one in spec.description.output:
        array = one.type.multiArrayType
        single = array.dataType == ArrayFeatureType.ArrayDataType.FLOAT32
        ports.append(Port(name=one.name, kind="float32" if single else "other", shape=tuple(array.shape)))
    wanted = tuple(Port(name=name, kind="float32", shape=shape) for name, shape in shapes.items())
    if tuple(ports) != wanted:
        raise BundleError(f"{package}: gives {ports}; expected {list(wanted)}")
    return wanted


def _shapes(model: Path, graph: Graph) -> dict[str, tuple[int, ...]]:
    """What ONNX Runtime gives for one picture, by output."""
    outputs = load_runtime(model, RuntimeSettings(threads=1)).run(np.full((1, *graph.picture), 128, np.uint8))
    return {name: outputs[name].shape for name in graph.outputs}


def _compare_weights(
    graph: Graph, operations: Mapping[str, Any], accounts: tuple[Account, ...], package: Path
) -> tuple[int, float]:
    """Return how many weights were compared and by how much one differs at most."""
    folded = {one.node for one in accounts if not one.became}
    layers = [node for node in graph.nodes if node.operator in LAYERS and node.name not in folded]
    kinds = Counter(op.op_type for op in operations.values() if op.op_type in LAYERS.values())
    wanted = Counter(LAYERS[node.operator] for node in layers)
    if kinds != wanted:
        raise BundleError(f"{package}: has layers {dict(kinds)}; expected {dict(wanted)}")
    compared = [
        pair for node in layers for pair in _pairs(graph, node, operations.get(_plain_name(node.name)), package)
    ]
    for name, ours, theirs in compared:
        if ours.shape != theirs.shape or not (abs(ours - theirs) <= _rounding(ours, theirs)).all():
            raise BundleError(f"{package}: the weights of {name!r} are not those of the network")
    differences = [float(abs(ours - theirs).max(initial=0)) for _, ours, theirs in compared]
    return sum(ours.size for _, ours, _ in compared), max(differences, default=0.0)


def _rounding(ours: Array, theirs: Array) -> Array | float:
    return abs(ours) * _HALF_STEP + _HALF_LEAST if theirs.dtype == np.float16 else 0.0


def _pairs(graph: Graph, node: Node, operation: Any, package: Path) -> Iterator[tuple[str, Array, Array]]:
    """Constants of a layer with those of the operation of its name; a product's may stand on either side."""
    if operation is None:
        raise BundleError(f"{package}: has no operation of the name {node.name!r}")
    for place, name in enumerate(node.inputs):
        if name not in graph.constants:
            continue
        ours, theirs = graph.constants[name], _constant(operation, _places(node)[place])
        if node.operator == "Gemm" and place == 1 and not node.attributes.get("transB", 0):
            ours = ours.T
        if place == 2 and ours.size == 1 and theirs.size:  # ONNX spreads a single bias
            ours = np.broadcast_to(ours, theirs.shape)
        yield node.name, ours, theirs


def _places(node: Node) -> tuple[str, ...]:
    return ("x", "y") if node.operator == "MatMul" else ("x", "weight", "bias")


def _constant(operation: Any, place: str) -> Array:
    value = operation.inputs.get(place)
    return np.zeros(0, np.float32) if value is None or value.val is None else np.asarray(value.val)


def _plain_name(name: str) -> str:
    """Names in packages have letters, digits and _ alone, and an ending where the operation was turned to float16."""
    return re.sub(r"\W", "_", name).removesuffix("_cast_fp16")


def _is_half(operation: Any) -> bool:
    return any(output.dtype.__name__ == "fp16" for output in operation.outputs)
