"""Post-training quantisation for processors: QDQ, uint8 activations, int8 weights per channel.

Symmetric int8 activations would be slower than float in ONNX Runtime on x86; uint8 ones are about twice as fast.
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from training.pictures import Pictures
from training.recipe import QuantiseRecipe

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}
QUANTISED = ["Conv", "Clip", "Relu", "Add", "Resize"]
"""Convolutions and what stands between them. What follows the pooling stays float: it is cheap and decides."""
BATCH = 4


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.batches = iter([images[start : start + BATCH] for start in range(0, len(images), BATCH)])

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch}


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
    graph = onnx.load(float_path).graph
    as_float = _only(node for node in graph.node if node.op_type == "Cast").output[0]
    exactly_bytes = {"scale": np.array(1, np.float32), "zero_point": np.array(0, np.uint8)}
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # the quantiser logs advice through the root logger
    try:
        with tempfile.TemporaryDirectory() as folder:
            shaped = Path(folder) / "shaped.onnx"
            onnx.save(onnx.shape_inference.infer_shapes(onnx.load(float_path)), shaped)
            quantize_static(
                shaped,
                int8_path,
                _Reader(images),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=QUANTISED,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=[*head_nodes(graph), *keep_float],
                calibrate_method=METHODS[recipe.method],
                extra_options={
                    "ActivationSymmetric": False,
                    "WeightSymmetric": True,
                    "TensorQuantOverrides": {as_float: [exactly_bytes]},
                },
            )
    finally:
        root.setLevel(level)
    onnx.save(start_from_bytes(onnx.load(int8_path)), int8_path)


def start_from_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Feed the stem the picture's own bytes, which have scale 1 and zero point 0, not bytes -> float -> bytes."""
    graph = model.graph
    cast = _only(node for node in graph.node if node.op_type == "Cast")
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
    """At most `count` pictures, as many of each class as there are, (N, H, W, 3)."""
    order = np.random.default_rng(seed).permutation(len(pictures)).tolist()
    seen: Counter[int] = Counter()
    ranked = []
    for index in order:
        label = int(pictures.labels[index])
        ranked.append((seen[label], index))
        seen[label] += 1
    chosen = sorted(index for _, index in sorted(ranked, key=lambda pair: pair[0])[:count])
    return np.ascontiguousarray(pictures.images[chosen].permute(0, 2, 3, 1).numpy())
