"""Weights in whole steps: what a layer gives stays nearer than with each weight rounded on its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from training.conversion import convert
from training.export import export_onnx
from training.graph import StationGraph
from training.heads import Network
from training.recipe import QuantiseRecipe
from training.weight_steps import LEAST_STEP, filter_inputs, round_together, rounded_weights, with_weights

SIDE = 64
RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 256, (6, SIDE, SIDE, 3), dtype=np.uint8)


def nearest(weights: NDArray[np.float32]) -> NDArray[np.float64]:
    step = np.maximum(np.abs(weights).reshape(len(weights), -1).max(1) / 127, LEAST_STEP)
    step = step.reshape(-1, *[1] * (weights.ndim - 1))
    return np.asarray(np.round(weights / step) * step)


def error(weights: NDArray[np.float32], rounded: NDArray[np.floating], inputs: NDArray[np.floating]) -> float:
    """Mean square change of what filters of one group give for `inputs` (places, K)."""
    return float(np.mean(((rounded - weights).reshape(len(weights), -1) @ inputs.T) ** 2))


def test_inputs_that_go_together_are_rounded_together() -> None:
    weights = RNG.normal(size=(8, 27, 1, 1)).astype(np.float32)
    inputs = RNG.uniform(0, 255, (500, 1)) + RNG.normal(0, 4, (500, 27))
    rounded = round_together(weights, (inputs.T @ inputs)[None])
    assert error(weights, rounded, inputs) < 0.05 * error(weights, nearest(weights), inputs)


def test_no_rounding_is_worse_than_the_nearest_by_what_it_minimises() -> None:
    for _ in range(20):
        weights = RNG.normal(size=(4, 6, 1, 1)).astype(np.float32)
        inputs = RNG.normal(size=(50, 6))
        products = (inputs.T @ inputs)[None]
        damped = np.vstack([inputs, np.sqrt(0.01 * np.trace(products[0]) / 6) * np.eye(6)])
        found = error(weights, round_together(weights, products), damped)
        assert found <= error(weights, nearest(weights), damped) * (1 + 1e-5)


def test_steps_stay_as_they_were_and_every_weight_is_a_whole_number_of_them() -> None:
    weights = RNG.normal(size=(6, 4, 3, 3)).astype(np.float32)
    inputs = RNG.uniform(0, 6, (200, 36))
    rounded = round_together(weights, (inputs.T @ inputs)[None])
    greatest = np.abs(weights).reshape(6, -1).max(1)
    np.testing.assert_allclose(np.abs(rounded).reshape(6, -1).max(1), greatest, rtol=1e-6)
    whole = rounded / (greatest / 127).reshape(6, 1, 1, 1)
    np.testing.assert_allclose(whole, np.round(whole), atol=1e-4)


def test_a_channel_of_zeros_and_inputs_that_are_never_there_stay_numbers() -> None:
    weights = RNG.normal(size=(3, 4, 1, 1)).astype(np.float32)
    weights[1] = 0
    rounded = round_together(weights, np.zeros((1, 4, 4)))
    np.testing.assert_allclose(rounded, nearest(weights), rtol=1e-6)


@pytest.mark.parametrize(
    ("groups", "kernel", "stride", "padding", "dilation"),
    [(1, 3, 2, (1, 1), 1), (4, 3, 1, (1, 1), 1), (2, 5, 2, (2, 1), 1), (1, 1, 1, (0, 0), 1), (1, 3, 1, (2, 2), 2)],
)
def test_filters_read_what_the_convolution_reads(
    tmp_path: Path, groups: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int
) -> None:
    conv = nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups, bias=False).eval()
    given = torch.randn(1, 4, 17, 20)
    torch.onnx.export(conv, (given,), tmp_path / "conv.onnx", verbose=False)
    node = next(one for one in onnx.load(tmp_path / "conv.onnx").graph.node if one.op_type == "Conv")
    read = filter_inputs(node, tuple(conv.weight.shape), given.numpy())
    filters = conv.weight.detach().numpy().reshape(groups, 8 // groups, -1)
    with torch.no_grad():
        expected = conv(given)[0].reshape(8, -1).numpy()
    np.testing.assert_allclose((filters @ read).reshape(8, -1), expected, atol=1e-5)


@pytest.fixture(scope="module")
def float_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("graphs") / "model.onnx"
    export_onnx(StationGraph(Network("compact", (SIDE, SIDE), 3, ())).eval(), SIDE, SIDE, path, ("logits",))
    return path


def said(path: Path) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    logits: NDArray[np.float32] = session.run(["logits"], {"image": IMAGES})[0]
    return logits


def test_a_network_stays_nearer_to_itself(float_path: Path, tmp_path: Path) -> None:
    weights = rounded_weights(float_path, IMAGES)
    own = {one.name: numpy_helper.to_array(one) for one in onnx.load(float_path).graph.initializer}
    with_weights(float_path, tmp_path / "together.onnx", weights, ())
    plain = {name: nearest(own[name]).astype(np.float32) for name in weights}
    with_weights(float_path, tmp_path / "nearest.onnx", plain, ())
    exact, together, each = said(float_path), said(tmp_path / "together.onnx"), said(tmp_path / "nearest.onnx")
    assert np.abs(together - exact).mean() < 0.7 * np.abs(each - exact).mean()


def test_what_stays_float_keeps_its_own_weights(float_path: Path, tmp_path: Path) -> None:
    graph = onnx.load(float_path).graph
    kept = [node for node in graph.node if node.op_type == "Conv"][3]
    with_weights(float_path, tmp_path / "kept.onnx", rounded_weights(float_path, IMAGES), (kept.name,))
    before = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    after = {one.name: numpy_helper.to_array(one) for one in onnx.load(tmp_path / "kept.onnx").graph.initializer}
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert kept.input[1] not in changed
    assert len(changed) > 20


def test_the_int8_graph_holds_the_very_steps_that_were_chosen(float_path: Path) -> None:
    weights = rounded_weights(float_path, IMAGES)
    graph = onnx.load(convert(float_path, IMAGES, QuantiseRecipe(images=8)).paths["cpu-int8"]).graph
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    checked = 0
    for name, chosen in weights.items():
        if f"{name}_quantized" in constants:
            scale = constants[f"{name}_scale"].reshape(-1, 1, 1, 1)
            np.testing.assert_allclose(constants[f"{name}_quantized"] * scale, chosen, rtol=1e-5, atol=1e-7)
            checked += 1
    assert checked > 20
