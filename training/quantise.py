"""Post-training quantisation for processors: QDQ, uint8 activations, int8 weights per channel.

Symmetric int8 activations would be slower than float in ONNX Runtime on x86; uint8 ones are about twice as fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from training.coverage import cover
from training.pictures import Pictures
from training.ranges import Ranges, measure_ranges, quiet
from training.recipe import QuantiseRecipe

QUANTISED = ["Conv", "Clip", "Relu", "Add", "Resize", "MatMul"]
"""Convolutions and what stands between them. What follows the pooling stays float: it is cheap and decides."""
GIVES_FLOAT = ["MatMul"]
"""Multiply int8, and give the sums as they are: 8 bits of a distance would not tell the near from the nearest."""


def quantise(
    float_path: Path,
    int8_path: Path,
    images: NDArray[np.uint8],
    recipe: QuantiseRecipe,
    keep_float: Sequence[str] = (),
) -> None:
    """Write the int8 graph, the nodes named in `keep_float` as they are.

    `images` (N, H, W, 3k) are fitting pictures; no other part may set the ranges.
    """
    write_uint8(float_path, int8_path, measure_ranges(float_path, images, recipe.method), keep_float)


def write_uint8(float_path: Path, int8_path: Path, ranges: Ranges, keep_float: Sequence[str] = ()) -> None:
    """Write the int8 graph with ranges that have been measured."""
    model = onnx.shape_inference.infer_shapes(onnx.load(float_path))
    as_float = _only(node for node in model.graph.node if node.op_type == "Cast").output[0]
    exactly_bytes = {"scale": np.array(1, np.float32), "zero_point": np.array(0, np.uint8)}
    options = {
        "ActivationSymmetric": False,
        "WeightSymmetric": True,
        "OpTypesToExcludeOutputQuantization": GIVES_FLOAT,
        "TensorQuantOverrides": {as_float: [exactly_bytes]},
    }
    with quiet():
        quantiser = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=ranges,
            nodes_to_quantize=[],
            nodes_to_exclude=[*head_nodes(model.graph), *keep_float],
            op_types_to_quantize=QUANTISED,
            extra_options=options,
        )
        quantiser.quantize_model()
    quantiser.model.topological_sort()
    onnx.save(start_from_bytes(quantiser.model.model), int8_path)


def start_from_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Feed the stem the picture's own bytes, which have scale 1 and zero point 0, not bytes -> float -> bytes.

    A stem that is kept in float reads the floats.
    """
    graph = model.graph
    cast = _only(node for node in graph.node if node.op_type == "Cast")
    if not any(node.op_type == "QuantizeLinear" and node.input[0] == cast.output[0] for node in graph.node):
        return model
    encode = _only(node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == cast.output[0])
    decode = _only(node for node in graph.node if node.input[0] == encode.output[0])
    decode.input[0] = cast.input[0]
    graph.node.remove(encode)
    graph.node.remove(cast)
    onnx.checker.check_model(model)
    return model


def _only(nodes: Iterator[onnx.NodeProto]) -> onnx.NodeProto:
    found = list(nodes)
    if len(found) != 1:
        raise ValueError(f"expected one node that takes the picture in, found {len(found)}")
    return found[0]


def head_nodes(graph: onnx.GraphProto) -> Iterator[str]:
    """Names of the nodes behind the pooling: all that a `ReduceMean` or `ReduceMax` leads to."""
    reached: set[str] = set()
    for node in graph.node:
        if node.op_type in ("ReduceMean", "ReduceMax", "GlobalAveragePool") or reached.intersection(node.input):
            reached.update(node.output)
            yield node.name


def spread(pictures: Pictures, count: int, seed: int) -> NDArray[np.uint8]:
    """At most `count` pictures that cover what there is, as many of each class as there are, (N, H, W, 3)."""
    images = pictures.images.permute(0, 2, 3, 1).numpy()
    return np.ascontiguousarray(images[cover(images, pictures.labels.numpy(), count, seed)])
