"""ONNX operators as MIL operations, for tensors of fixed shape.

coremltools converts from torch and from MIL, no longer from ONNX, so this table says what each operator of our float
graphs becomes. Meanings: ONNX "Operators.md" (opset 18) and coremltools' reference of MIL operations, iOS 15 and 16.
What is not exactly the same is refused: an operator without a line here, or an attribute that MIL has no word for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from coremltools.converters.mil import Builder as mb  # noqa: N813

from training.coreml.graph import Array, Node

Value = Any
"""A MIL variable, or an array where it is known beforehand; None for an input that is left out."""
Operator = Callable[[Node, Sequence[Value]], Sequence[Value]]
_TYPES = {1: "fp32", 6: "int32", 7: "int32", 9: "bool"}
_END = 2**31 - 1


class NoMapping(Exception):
    """Why a node cannot be said in MIL."""


def convert_node(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    """Add the operations of a node to the program under construction and return its outputs; raise NoMapping."""
    if node.operator not in OPERATORS:
        raise NoMapping("has no counterpart in our table")
    return OPERATORS[node.operator](node, [narrowed(value) for value in inputs])


def narrowed(value: Value) -> Value:
    """MIL counts in int32 and computes in float32; ends of slices beyond it mean 'to the end' anyhow."""
    if not isinstance(value, np.ndarray) or value.dtype in (np.float32, np.bool_, np.int32):
        return value
    if np.issubdtype(value.dtype, np.integer):
        return np.clip(value, -_END, _END).astype(np.int32)
    return value.astype(np.float32)


def _require(fits: object, expected: str) -> None:
    if not fits:
        raise NoMapping(f"expected {expected}")


def _numbers(value: Value, what: str) -> list[int]:
    _require(isinstance(value, np.ndarray), f"{what} that are constant")
    return [int(number) for number in np.atleast_1d(value)]


# ---- arithmetic


def _one_to_one(name: str) -> Operator:
    """The same operation under MIL's name: inputs x, or x and y with NumPy's broadcasting."""

    def convert(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
        named = dict(zip(("x", "y"), inputs, strict=False))
        return [getattr(mb, name)(**named, name=node.name)]

    return convert


def _folded(name: str) -> Operator:
    """Max and Min take any number of inputs, MIL's two."""

    def convert(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
        found = inputs[0]
        for value in inputs[1:]:
            found = getattr(mb, name)(x=found, y=value, name=node.name)
        return [found]

    return convert


def _clip(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    x, low, high = [*inputs, None, None][:3]
    if low is not None and high is not None and (float(low), float(high)) == (0.0, 6.0):
        return [mb.relu6(x=x, name=node.name)]
    if low is not None:
        x = mb.maximum(x=x, y=low, name=f"{node.name}_low")
    if high is not None:
        x = mb.minimum(x=x, y=high, name=f"{node.name}_high")
    return [x]


def _cast(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    _require(node.attributes["to"] in _TYPES, "a cast to float32, int32, int64 or bool")
    return [mb.cast(x=inputs[0], dtype=_TYPES[node.attributes["to"]], name=node.name)]


def _where(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    """MIL takes the shape from the two values alone, so constants are spread over all of it first."""
    shape = np.broadcast_shapes(*(value.shape for value in inputs))
    a, b = (np.broadcast_to(value, shape) if isinstance(value, np.ndarray) else value for value in inputs[1:])
    _require(a.shape == shape or b.shape == shape, "a value of the full shape to choose from")
    return [mb.select(cond=inputs[0], a=a, b=b, name=node.name)]


def _reduce(name: str) -> Operator:
    def convert(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
        x, axes = [*inputs, None][:2]
        axes = node.attributes.get("axes") if axes is None else axes
        if axes is None or np.size(axes) == 0:
            _require(not node.attributes.get("noop_with_empty_axes"), "axes to reduce")
            axes = np.arange(x.rank)
        keep = bool(node.attributes.get("keepdims", 1))
        return [getattr(mb, name)(x=x, axes=_numbers(np.asarray(axes), "axes"), keep_dims=keep, name=node.name)]

    return convert


def _arg(name: str) -> Operator:
    def convert(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
        _require(not node.attributes.get("select_last_index"), "the first of equal ones")
        axis, keep = node.attributes.get("axis", 0), bool(node.attributes.get("keepdims", 1))
        return [getattr(mb, name)(x=inputs[0], axis=axis, keep_dims=keep, name=node.name)]

    return convert


def _softmax(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    return [mb.softmax(x=inputs[0], axis=node.attributes.get("axis", -1), name=node.name)]


# ---- layers with weights


def _conv(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    x, weight, bias = [*inputs, None][:3]
    _require(isinstance(weight, np.ndarray) and weight.ndim == 4, "constant weights of two dimensions")
    _require(node.attributes.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID"), "pads as numbers")
    options = {} if bias is None else {"bias": bias}
    found = mb.conv(
        x=x,
        weight=weight,
        strides=node.attributes.get("strides", [1, 1]),
        pad_type="custom",
        pad=_mil_pads(node.attributes.get("pads", [0, 0, 0, 0])),
        dilations=node.attributes.get("dilations", [1, 1]),
        groups=node.attributes.get("group", 1),
        name=node.name,
        **options,
    )
    return [found]


def _mil_pads(pads: Sequence[int]) -> list[int]:
    """ONNX: all that comes before, then all that comes after. MIL: before and after of each axis in turn."""
    half = len(pads) // 2
    return [int(pads[place]) for axis in range(half) for place in (axis, axis + half)]


def _gemm(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    x, weight, bias = [*inputs, None][:3]
    plain = (node.attributes.get("alpha", 1.0), node.attributes.get("beta", 1.0), node.attributes.get("transA", 0))
    _require(plain == (1.0, 1.0, 0) and isinstance(weight, np.ndarray), "alpha 1, beta 1, constant weights")
    weight = weight if node.attributes.get("transB", 0) else np.ascontiguousarray(weight.T)
    options = {} if bias is None else {"bias": np.broadcast_to(bias, weight.shape[:1])}
    return [mb.linear(x=x, weight=weight, name=node.name, **options)]


# ---- pictures


def _resize(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    x = inputs[0]
    _, _, scales, sizes = [*inputs, None, None, None][:4]
    wanted = np.asarray(sizes if scales is None or np.size(scales) == 0 else scales * np.array(x.shape))
    factors = wanted / np.array(x.shape)
    how = {key: node.attributes.get(key) for key in ("mode", "coordinate_transformation_mode", "nearest_mode")}
    _require((factors == np.round(factors)).all() and (factors[:2] == 1).all(), "whole factors of height and width")
    spread = {"scale_factor_height": int(factors[2]), "scale_factor_width": int(factors[3])}
    if how == {"mode": b"nearest", "coordinate_transformation_mode": b"asymmetric", "nearest_mode": b"floor"}:
        return [mb.upsample_nearest_neighbor(x=x, **spread, name=node.name)]
    linear = how["mode"] == b"linear" and how["coordinate_transformation_mode"] == b"half_pixel"
    _require(linear, "nearest (asymmetric, floor) or linear (half_pixel)")
    return [mb.upsample_bilinear(x=x, **spread, align_corners=False, name=node.name)]


def _pool_options(node: Node) -> dict[str, Any]:
    sides = len(node.attributes["kernel_shape"])
    dilations = node.attributes.get("dilations", [1] * sides)
    _require(set(dilations) == {1} and not node.attributes.get("ceil_mode"), "no dilation, sizes rounded down")
    _require(node.attributes.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID"), "pads as numbers")
    return {
        "kernel_sizes": node.attributes["kernel_shape"],
        "strides": node.attributes.get("strides", [1] * sides),
        "pad_type": "custom",
        "pad": _mil_pads(node.attributes.get("pads", [0, 0] * sides)),
        "name": node.name,
    }


def _max_pool(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    return [mb.max_pool(x=inputs[0], **_pool_options(node))]


def _average_pool(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    without = not node.attributes.get("count_include_pad", 0)
    return [mb.avg_pool(x=inputs[0], exclude_padding_from_average=without, **_pool_options(node))]


def _global_average(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    return [mb.reduce_mean(x=inputs[0], axes=list(range(2, inputs[0].rank)), keep_dims=True, name=node.name)]


def _depth_to_space(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    _require(node.attributes.get("mode", b"DCR") == b"CRD", "mode CRD")
    return [mb.pixel_shuffle(x=inputs[0], upscale_factor=node.attributes["blocksize"], name=node.name)]


def _pad(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    x, amounts, value = [*inputs, None][:3]
    modes = {b"constant": "constant", b"edge": "replicate", b"reflect": "reflect"}
    mode = node.attributes.get("mode", b"constant")
    _require(mode in modes and len(inputs) < 4, f"{', '.join(kind.decode() for kind in modes)} padding of all axes")
    pads = _mil_pads(_numbers(amounts, "amounts"))
    _require(min(pads) >= 0, "nothing cut off")
    if mode != b"constant":
        _require(not any(pads[:-4]), "edges of the last two axes")
        pads = pads[-4:]
    return [mb.pad(x=x, pad=pads, mode=modes[mode], constant_val=float(value or 0), name=node.name)]


# ---- shapes and places


def _transpose(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    backwards = list(range(inputs[0].rank))[::-1]
    return [mb.transpose(x=inputs[0], perm=node.attributes.get("perm", backwards), name=node.name)]


def _reshape(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    shape = _numbers(inputs[1], "sides")
    if not node.attributes.get("allowzero"):
        shape = [inputs[0].shape[axis] if side == 0 else side for axis, side in enumerate(shape)]
    return [mb.reshape(x=inputs[0], shape=shape, name=node.name)]


def _flatten(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    axis = node.attributes.get("axis", 1)
    return [mb.reshape(x=inputs[0], shape=[int(np.prod(inputs[0].shape[:axis])), -1], name=node.name)]


def _axes(node: Node, inputs: Sequence[Value]) -> list[int]:
    return _numbers(inputs[1] if len(inputs) > 1 else np.asarray(node.attributes["axes"]), "axes")


def _unsqueeze(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    return [mb.expand_dims(x=inputs[0], axes=_axes(node, inputs), name=node.name)]


def _squeeze(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    ones = [axis for axis, side in enumerate(inputs[0].shape) if side == 1]
    axes = _axes(node, inputs) if len(inputs) > 1 or "axes" in node.attributes else ones
    return [mb.squeeze(x=inputs[0], axes=axes, name=node.name)]


def _expand(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    shape = np.broadcast_shapes(inputs[0].shape, tuple(_numbers(inputs[1], "sides")))
    x = inputs[0]
    if len(shape) > x.rank:
        x = mb.expand_dims(x=x, axes=list(range(len(shape) - x.rank)), name=f"{node.name}_axes")
    reps = [wanted // side for wanted, side in zip(shape, x.shape, strict=True)]
    return [mb.tile(x=x, reps=reps, name=node.name)]


def _concat(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    return [mb.concat(values=list(inputs), axis=node.attributes["axis"], name=node.name)]


def _slice(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    """Ends are put in as Python's slices would, so that none is open; what runs backwards ends before the first."""
    x, starts, ends = inputs[:3]
    axes, steps = [*inputs[3:], None, None][:2]
    places = _numbers(starts, "starts")
    along = _numbers(axes, "axes") if axes is not None else list(range(len(places)))
    paces = _numbers(steps, "steps") if steps is not None else [1] * len(places)
    cuts = [slice(0, side, 1).indices(side) for side in x.shape]
    for axis, start, end, step in zip(along, places, _numbers(ends, "ends"), paces, strict=True):
        cuts[axis] = slice(start, end, step).indices(x.shape[axis])
    open_end = [stop < 0 for _, stop, _ in cuts]
    found = mb.slice_by_index(
        x=x,
        begin=[start for start, _, _ in cuts],
        end=[max(0, stop) for _, stop, _ in cuts],
        stride=[step for _, _, step in cuts],
        end_mask=open_end,
        name=node.name,
    )
    return [found]


def _gather(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    x, places = inputs
    axis = node.attributes.get("axis", 0)
    if isinstance(places, np.ndarray):
        places = np.where(places < 0, places + x.shape[axis], places).astype(np.int32)
    return [mb.gather(x=x, indices=places, axis=axis, name=node.name)]


def _gather_elements(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    return [mb.gather_along_axis(x=inputs[0], indices=inputs[1], axis=node.attributes.get("axis", 0), name=node.name)]


def _gather_nd(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    x, places = inputs
    _require(not node.attributes.get("batch_dims", 0), "no batch in the places")
    if isinstance(places, np.ndarray) and places.ndim == 2 and places.shape[1] == 1:
        return [mb.gather(x=x, indices=places[:, 0] % x.shape[0], axis=0, name=node.name)]
    return [mb.gather_nd(x=x, indices=places, name=node.name)]


def _top_k(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    (k,) = _numbers(inputs[1], "counts")
    least = not node.attributes.get("largest", 1)
    return mb.topk(x=inputs[0], k=k, axis=node.attributes.get("axis", -1), ascending=least, name=node.name)  # type: ignore[no-any-return]


def _identity(node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    return [mb.identity(x=inputs[0], name=node.name)]


def known_shape(node: Node, inputs: Sequence[Value]) -> Array | None:
    """Return what a Shape node says, as every shape is known beforehand; None for any other node."""
    if node.operator != "Shape":
        return None
    return np.asarray(inputs[0].shape[node.attributes.get("start", 0) : node.attributes.get("end")], np.int64)


OPERATORS: dict[str, Operator] = {
    "Add": _one_to_one("add"),
    "ArgMax": _arg("reduce_argmax"),
    "ArgMin": _arg("reduce_argmin"),
    "AveragePool": _average_pool,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "DepthToSpace": _depth_to_space,
    "Div": _one_to_one("real_div"),
    "Equal": _one_to_one("equal"),
    "Exp": _one_to_one("exp"),
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "Greater": _one_to_one("greater"),
    "GreaterOrEqual": _one_to_one("greater_equal"),
    "Identity": _identity,
    "Less": _one_to_one("less"),
    "LessOrEqual": _one_to_one("less_equal"),
    "Log": _one_to_one("log"),
    "MatMul": _one_to_one("matmul"),
    "Max": _folded("maximum"),
    "MaxPool": _max_pool,
    "Min": _folded("minimum"),
    "Mul": _one_to_one("mul"),
    "Pad": _pad,
    "Pow": _one_to_one("pow"),
    "ReduceL2": _reduce("reduce_l2_norm"),
    "ReduceMax": _reduce("reduce_max"),
    "ReduceMean": _reduce("reduce_mean"),
    "ReduceMin": _reduce("reduce_min"),
    "ReduceSum": _reduce("reduce_sum"),
    "Relu": _one_to_one("relu"),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _one_to_one("sigmoid"),
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": _one_to_one("softplus"),
    "Sqrt": _one_to_one("sqrt"),
    "Squeeze": _squeeze,
    "Sub": _one_to_one("sub"),
    "Transpose": _transpose,
    "TopK": _top_k,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
