"""Rounds convolutions' weights to int8 steps so that what the layers give stays, not each weight.

Rounding every weight to its nearest step is most of what int8 loses: the errors of a filter add up, worst where the
picture is smooth and all of its inputs are alike. So a filter's weights are rounded together: least squares over what
the layer reads on fitting pictures (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", ICML
2020, section 3), searched by coordinate descent over whole steps. The steps themselves stay as they were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

Floats = NDArray[np.float64]
Weights = Mapping[str, NDArray[np.float32]]
"""By the name that they have in the graph."""

STEPS = 127
LOOKED_AT = 32
"""Pictures; twice as many change the rounding little."""
PLACES = 4096
"""Of each picture, where a layer is looked at."""
DAMPING = 0.01
"""Of the inputs' mean square: what the pictures leave open is kept near the weights."""
SWEEPS = 4
LEAST_STEP = 1e-12


def rounded_weights(float_path: Path, images: NDArray[np.uint8]) -> Weights:
    """Return the weights of the graph's convolutions as whole multiples of their channels' steps, max/127.

    `images` (N, H, W, 3k) are fitting pictures; at most 32 of them are looked at.
    """
    graph = onnx.load(float_path).graph
    constants = {one.name: one for one in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "Conv" and node.input[1] in constants]
    weights = {node.input[1]: numpy_helper.to_array(constants[node.input[1]]) for node in nodes}
    products: dict[str, Any] = dict.fromkeys(weights, 0.0)
    for given in _inputs(float_path, nodes, images[:: -(-len(images) // LOOKED_AT)]):
        for node in nodes:
            name = node.input[1]
            products[name] = products[name] + _products(node, weights[name].shape, given[node.input[0]])
    return {name: round_together(weights[name], products[name]) for name in weights}


def with_weights(float_path: Path, path: Path, weights: Weights, left_out: Collection[str]) -> None:
    """Write the graph with `weights` in place of its own, but for those that a node named in `left_out` reads."""
    model = onnx.load(float_path)
    own = {name for node in model.graph.node if node.name in left_out for name in node.input}
    for one in model.graph.initializer:
        if one.name in weights and one.name not in own:
            one.CopyFrom(numpy_helper.from_array(weights[one.name], one.name))
    onnx.save(model, path)


def round_together(weights: NDArray[np.float32], products: Floats) -> NDArray[np.float32]:
    """Return weights (O, I, kH, kW) in whole steps whose outputs are near; `products` (groups, K, K) of K inputs.

    Starts from the nearest steps; each move of a weight by whole steps makes the square error smaller. A channel's
    greatest weight stays, and with it the step.
    """
    groups, inputs = products.shape[:2]
    exact = weights.astype(np.float64).reshape(groups, -1, inputs)
    greatest = np.abs(exact).max(2, keepdims=True)
    step = np.maximum(greatest / STEPS, LEAST_STEP)
    free = np.abs(exact) < greatest
    squares = products + DAMPING * _mean_square(products) * np.eye(inputs)
    whole = np.round(exact / step)
    for _ in range(SWEEPS):
        before = whole.copy()
        _sweep(whole, (whole * step - exact) @ squares, squares, step, free)
        if np.array_equal(before, whole):
            break
    return np.asarray((whole * step).reshape(weights.shape), np.float32)


def _sweep(whole: Floats, slope: Floats, squares: Floats, step: Floats, free: NDArray[np.bool_]) -> None:
    """Move every free weight once, to the whole step where the square error is least while the others stay.

    `whole`, `slope` (of half the error) and `free` are (groups, O, K), `squares` (groups, K, K), `step` (groups, O, 1).
    """
    for i in range(whole.shape[2]):
        wanted = np.round(slope[..., i] / squares[:, None, i, i] / step[..., 0])
        move = np.clip(whole[..., i] - wanted, -STEPS, STEPS) - whole[..., i]
        move[~free[..., i]] = 0.0
        whole[..., i] += move
        slope += (move * step[..., 0])[..., None] * squares[:, None, i, :]


def _mean_square(products: Floats) -> Floats:
    """(groups, 1, 1) mean of the diagonals, never 0."""
    mean: Floats = np.einsum("gii->g", products) / products.shape[1]
    return np.maximum(mean, LEAST_STEP)[:, None, None]


def _inputs(
    float_path: Path, nodes: list[onnx.NodeProto], images: NDArray[np.uint8]
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """What the nodes read, picture by picture, by the tensors' names."""
    model = onnx.load(float_path)
    names = list(dict.fromkeys(node.input[0] for node in nodes))
    given = {one.name for one in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in given)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for number in range(len(images)):
        yield dict(zip(names, session.run(names, {"image": images[number : number + 1]}), strict=True))


def _products(node: onnx.NodeProto, shape: tuple[int, ...], given: NDArray[np.float32]) -> Floats:
    """(groups, K, K) sums over places of products of the K inputs of a filter; `given` (1, C, H, W)."""
    taps = filter_inputs(node, shape, given)
    return np.asarray(taps @ taps.transpose(0, 2, 1) / taps.shape[2], np.float64)


def filter_inputs(node: onnx.NodeProto, shape: tuple[int, ...], given: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (groups, K, places): what a convolution's filters of `shape` (O, I, kH, kW) read of `given` (1, C, H, W).

    Places are those of the output, or every so-manyth row and column of them where there are more than `PLACES`.
    """
    said = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    (down, across), (tall, wide) = said.get("strides", (1, 1)), said.get("dilations", (1, 1))
    top, left, bottom, right = said.get("pads", (0, 0, 0, 0))
    rows, columns = shape[2:]
    padded = np.pad(given[0], ((0, 0), (top, bottom), (left, right)))
    high = (padded.shape[1] - tall * (rows - 1) - 1) // down + 1
    broad = (padded.shape[2] - wide * (columns - 1) - 1) // across + 1
    leap = int(np.ceil(np.sqrt(high * broad / PLACES)))
    taps = np.stack(
        [
            padded[
                :, tall * i : tall * i + down * high : down * leap, wide * j : wide * j + across * broad : across * leap
            ]
            for i in range(rows)
            for j in range(columns)
        ],
        axis=1,
    )
    return taps.reshape(said.get("group", 1), shape[1] * rows * columns, -1)
