"""Measured limits, the work of a network, and how near a time comes to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.peaks import FLOAT, INT32, UINT8, Peaks, bound, measure_peaks, product_network
from inspector.preprocess import InputSpec
from inspector.steps import allocated_bytes, measure_steps
from inspector.work import Work, count_work

PEAKS = Peaks(threads=1, float_macs_per_s=50e9, int8_macs_per_s=200e9, bytes_per_s=10e9)


@pytest.mark.parametrize(
    ("operator", "weights", "left", "out"),
    [("MatMul", np.float32, FLOAT, np.float32), ("MatMulInteger", np.int8, UINT8, np.int32)],
)
def test_the_product_that_is_timed_is_a_sound_network_and_a_product(
    operator: str, weights: type, left: int, out: type
) -> None:
    right = np.random.default_rng(0).integers(-100, 100, (24, 24)).astype(weights)
    content = product_network(operator, right, left, FLOAT if out is np.float32 else INT32)
    onnx.checker.check_model(onnx.load_from_string(content))
    pictures = np.random.default_rng(1).integers(0, 100, (24, 24)).astype(np.float32 if left == FLOAT else np.uint8)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"a": pictures})[0], pictures.astype(out) @ right.astype(out))


def test_limits_are_of_this_machine() -> None:
    peaks = measure_peaks(1)
    assert 1e8 < peaks.float_macs_per_s < 1e14
    assert 1e8 < peaks.int8_macs_per_s < 1e14
    assert 1e8 < peaks.bytes_per_s < 1e13


def test_a_time_is_held_against_whichever_limit_takes_longer() -> None:
    by_work = bound(1e9, 1e6, 0.010, "cpu-int8", PEAKS)
    assert (by_work.bound_by, by_work.share) == ("arithmetic", pytest.approx(0.5))
    by_memory = bound(1e6, 50e6, 0.010, "float", PEAKS)
    assert (by_memory.bound_by, by_memory.share) == ("memory", pytest.approx(0.5))


def test_the_work_of_a_network_is_counted_from_its_own_shapes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["turned"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["x", "full"], ["a"]),
        helper.make_node("Conv", ["a", "alone"], ["b"], group=8),
        helper.make_node("ConvTranspose", ["b", "up"], ["c"], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "last"], ["y"]),
    ]
    shapes = {"full": (8, 3, 3, 3), "alone": (8, 1, 3, 3), "up": (8, 4, 2, 2), "last": (4, 5)}
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 16, 16, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in shapes.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    work = count_work(tmp_path / "model.onnx", np.zeros((1, 16, 16, 3), np.uint8))
    alone = 8 * 12 * 12 * 9
    assert (work.macs, work.depthwise_macs) == (8 * 14 * 14 * 27 + alone + 8 * 12 * 12 * 16 + 20, alone)
    assert isinstance(work, Work)
    assert work.activation_bytes > 4 * (8 * 14 * 14 + 8 * 12 * 12)


def test_preprocessing_allocates_no_picture_once_it_is_warm() -> None:
    steps = measure_steps(InputSpec(height=224, width=224))
    assert steps["preprocess_allocated_bytes"] < 2048  # small objects; a row of the frame has 3,840
    assert all(value > 0 for name, value in steps.items() if name.endswith("_ms"))
    assert allocated_bytes(lambda: np.zeros(100_000, np.uint8)) >= 100_000
