"""The race of runtimes: who is compared with whom, and that anomalib's inferencer runs the same network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

pytest.importorskip("torch", reason="the benchmark needs open-inspector[training]")

import torch

from benchmarks.anomalib_inferencer import anomalib_contender, as_anomalib_exports
from benchmarks.reference_networks import ReferenceNetwork
from benchmarks.runtimes import _compare
from inspector.peaks import Peaks
from inspector.runtimes import RuntimeSettings, load_runtime

SIDE = 16
NETWORK = ReferenceNetwork("made", {}, torch.nn.Identity(), macs=1_000_000)
PEAKS = Peaks(threads=1, float_macs_per_s=1e11, int8_macs_per_s=1e12, bytes_per_s=1e10)


def ms(*values: float) -> list[list[float]]:
    """A turn of three runs for each value."""
    return [[value / 1e3] * 3 for value in values]


def test_each_runtime_of_ours_at_its_best_is_held_against_each_of_the_others() -> None:
    turns = {
        "onnxruntime_float": ms(8),
        "onnxruntime_int8": ms(5),
        "openvino_int8": ms(2),
        "torch_eager": ms(24),
        "torch_compile": ms(12),
        "anomalib": ms(4),
        "anomalib_float": ms(16),
    }
    figures = _compare(NETWORK, turns, PEAKS)
    assert figures["onnxruntime_at_its_best"] == "onnxruntime_int8"
    assert figures["onnxruntime_over_torch_compile_ratio"] == pytest.approx(12 / 5)
    assert figures["onnxruntime_over_anomalib_ratio"] == pytest.approx(4 / 5)
    assert figures["onnxruntime_float_over_anomalib_float_ratio"] == pytest.approx(16 / 8)
    assert figures["least_runtime_over_others_ratio"] == pytest.approx(4 / 5)
    assert figures["best_runtime_over_others_ratio"] == pytest.approx(4 / 2)
    assert figures["fastest"] == "openvino_int8"


def test_others_are_never_the_fastest_of_ours() -> None:
    turns = {"onnxruntime_float": ms(8), "onnxruntime_int8": ms(4), "torch_eager": ms(9), "anomalib": ms(1)}
    figures = _compare(NETWORK, turns, PEAKS)
    assert figures["fastest"] == "onnxruntime_int8"
    assert figures["best_runtime_over_others_ratio"] == pytest.approx(1 / 4)


def test_a_turn_in_which_the_machine_was_busy_does_not_move_a_ratio() -> None:
    turns = {"onnxruntime_float": ms(8, 80, 8), "onnxruntime_int8": ms(4, 40, 4), "torch_eager": ms(20, 200, 900)}
    figures = _compare(NETWORK, turns, PEAKS)
    assert figures["int8_over_float_ratio"] == pytest.approx(2)
    assert figures["onnxruntime_over_torch_eager_ratio"] == pytest.approx(5)
    assert figures["int8_roofline_share_ratio"] == pytest.approx(1e6 / 4e-3 / 1e12)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Bytes in, `logits` and `heat` out, with a convolution that tells the colours apart."""
    weights = np.random.default_rng(0).normal(size=(2, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Transpose", ["image"], ["turned"], "turn", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["turned"], ["x"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Conv", ["x", "weights"], ["cells"], "conv"),
        helper.make_node("ReduceMean", ["cells", "places"], ["logits"], "mean", keepdims=0),
        helper.make_node("ReduceMax", ["cells", "channels"], ["heat"], "most", keepdims=0),
    ]
    outputs = {"logits": ["N", 2], "heat": ["N", SIDE - 2, SIDE - 2]}
    constants = {"weights": weights, "places": np.array([2, 3]), "channels": np.array([1])}
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_the_network_behind_anomalibs_input_has_the_same_weights_and_a_free_batch(network: Path) -> None:
    before = onnx.load(network)
    after = as_anomalib_exports(onnx.load(network))
    assert {one.name: one for one in before.graph.initializer}["weights"] in after.graph.initializer
    assert [one.op_type for one in after.graph.node] == ["Mul", "Conv", "ReduceMean", "ReduceMax"]
    shape = after.graph.input[0].type.tensor_type.shape.dim
    assert [one.dim_param or one.dim_value for one in shape] == ["N", 3, SIDE, SIDE]


@pytest.mark.filterwarnings("ignore")  # anomalib's own, of which there are many
def test_anomalibs_inferencer_says_what_our_runtime_says(network: Path) -> None:
    pytest.importorskip("inspector.runtimes.openvino", reason="needs open-inspector[openvino]")
    pytest.importorskip("anomalib", reason="needs open-inspector[anomalib]")
    before = sorted(Path.cwd().iterdir())
    batch = np.random.default_rng(1).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
    expected = load_runtime(network, RuntimeSettings(threads=1)).run(batch)
    for exact in (True, False):
        said = anomalib_contender(network, batch, threads=1, exact=exact)()
        share = 1e-6 if exact else 2**-6  # bfloat16 has 8 bits
        for found, name in ((said.pred_score, "logits"), (said.anomaly_map, "heat")):
            np.testing.assert_allclose(found, expected[name], atol=share * np.abs(expected[name]).max())
    assert sorted(Path.cwd().iterdir()) == before
