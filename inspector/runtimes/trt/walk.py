"""A parsed, strongly typed network walked: which convolutions and matrix products will run in int8, and how much."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from inspector.documents import Document
from inspector.errors import BundleError
from inspector.runtimes.trt.parsing import Parsed


class WeightedLayer(Document):
    """A convolution or a matrix product."""

    name: str
    kind: str
    macs: int
    """Multiply-accumulates of one picture."""
    reason: str | None
    """Why it is float; None: both sides come from int8."""


def walk(parsed: Parsed, reasons: Mapping[str, str]) -> tuple[WeightedLayer, ...]:
    """Return every layer with weights, in the network's order; `reasons` by node name say more of float ones.

    In a strongly typed network the types are the graph's: a layer both of whose sides are decoded from int8 is fused
    with that decoding and runs in int8, and no other does.

    Raises:
        BundleError: a layer's size is known only while it runs.
    """
    kinds = parsed.library.api.LayerType
    made_by = {tensor.name: layer for layer in parsed.layers() for tensor in _outputs(layer)}
    counts = {
        kinds.CONVOLUTION: _convolution_macs,
        kinds.DECONVOLUTION: _deconvolution_macs,
        kinds.MATRIX_MULTIPLY: _product_macs,
    }
    found = []
    for layer in parsed.layers():
        if layer.type in counts:
            macs = counts[layer.type](parsed.library.api, layer)
            reason = _why_float(parsed, layer, made_by, reasons)
            kind = str(layer.type).rpartition(".")[2].lower()
            found.append(WeightedLayer(name=_node(layer), kind=kind, macs=macs, reason=reason))
    return tuple(found)


def int8_share(layers: tuple[WeightedLayer, ...]) -> float:
    """Share of the multiply-accumulates that run in int8."""
    total = sum(layer.macs for layer in layers)
    if not total:
        raise ValueError("a share of multiply-accumulates needs a layer with weights")
    return sum(layer.macs for layer in layers if layer.reason is None) / total


def _node(layer: Any) -> str:
    """Name of the ONNX node that a layer comes from; a node that becomes several layers gives them numbered names."""
    found = re.search(r"\[ONNX Layer: (.+?)\]", layer.metadata or "")
    return found[1] if found else str(layer.name)


def _outputs(layer: Any) -> Iterator[Any]:
    return (layer.get_output(i) for i in range(layer.num_outputs))


def _why_float(parsed: Parsed, layer: Any, made_by: Mapping[str, Any], reasons: Mapping[str, str]) -> str | None:
    sides = ["input", "weights"]
    tensors = [layer.get_input(i) if i < layer.num_inputs else None for i in range(2)]
    loose = [side for side, tensor in zip(sides, tensors, strict=True) if not _from_int8(parsed, tensor, made_by)]
    if not loose:
        return None
    return reasons.get(_node(layer)) or f"its {' and '.join(loose)} come from no int8"


def _from_int8(parsed: Parsed, tensor: Any, made_by: Mapping[str, Any]) -> bool:
    api = parsed.library.api
    maker = made_by.get(tensor.name) if tensor is not None else None
    if maker is not None and maker.type in (api.LayerType.SHUFFLE, api.LayerType.CAST):
        return _from_int8(parsed, maker.get_input(0), made_by)
    return (
        maker is not None and maker.type == api.LayerType.DEQUANTIZE and maker.get_input(0).dtype == api.DataType.INT8
    )


def _convolution_macs(api: Any, layer: Any) -> int:
    layer.__class__ = api.IConvolutionLayer
    inward = _fixed(layer, layer.get_input(0))[0] // layer.num_groups
    return prod(_fixed(layer, layer.get_output(0))) * int(inward) * prod(map(int, layer.kernel_size_nd))


def _deconvolution_macs(api: Any, layer: Any) -> int:
    layer.__class__ = api.IDeconvolutionLayer
    outward = layer.num_output_maps // layer.num_groups
    return prod(_fixed(layer, layer.get_input(0))) * int(outward) * prod(map(int, layer.kernel_size_nd))


def _product_macs(api: Any, layer: Any) -> int:
    layer.__class__ = api.IMatrixMultiplyLayer
    left = tuple(layer.get_input(0).shape)
    inner = left[-2] if layer.op0 == api.MatrixOperation.TRANSPOSE else left[-1]
    return prod(_fixed(layer, layer.get_output(0))) * max(1, int(inner))


def _fixed(layer: Any, tensor: Any) -> tuple[int, ...]:
    """Shape without the batch, which alone may be free."""
    shape = tuple(tensor.shape)[1:]
    if any(side < 0 for side in shape):
        raise BundleError(
            f"node {_node(layer)!r}: its shape {tuple(tensor.shape)} is computed while it runs; pad and resize by "
            "constants for the fixed input size"
        )
    return shape
