"""The last linear layers of an int8 graph: fitted to what is wanted of them, and to nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.readouts import find_readouts, fit_readouts, given, ridge

RNG = np.random.default_rng(3)
IMAGES = RNG.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
LOGITS, PLACE = RNG.normal(size=(4, 3)).astype(np.float32), RNG.normal(size=(3, 5)).astype(np.float32)


def write_graph(path: Path, shift: float = 0.0, *, place_bias: bool = True, alpha: float = 1.0) -> Path:
    """Mean colours -> a `Gemm` and a `MatMul` with `Add`; `shift` is what int8 layers would do to the colours."""
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "gain"], ["spoilt"], "spoil"),
        helper.make_node("ReduceMean", ["spoilt", "axes"], ["mean"], "mean", keepdims=0),
        helper.make_node("Gemm", ["mean", "weight", "bias"], ["logits"], "linear", transB=1, alpha=alpha),
        helper.make_node("MatMul", ["mean", "place"], ["product"], "place"),
        helper.make_node("Add", ["product", "origin" if place_bias else "product"], ["where"], "add"),
        helper.make_node("MatMul", ["logits", "weight"], ["back"], "back"),
    ]
    constants = {
        "gain": np.array([1 + shift, 1 - shift, 1], np.float32) / 255,
        "axes": np.array([1, 2], np.int64),
        "weight": LOGITS,
        "bias": np.zeros(4, np.float32),
        "place": PLACE,
        "origin": np.ones(5, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 8, 8, 3])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", n])
            for name, n in (("logits", 4), ("where", 5), ("back", 3))
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if place_bias or name != "origin"],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def spoilt(folder: Path) -> tuple[Path, Path]:
    return write_graph(folder / "float.onnx"), write_graph(folder / "int8.onnx", 0.1)


def fit(float_path: Path, int8_path: Path, images: NDArray[np.uint8] = IMAGES) -> None:
    readouts = find_readouts(onnx.load(float_path).graph)
    fit_readouts(int8_path, readouts, given(float_path, [one.gives for one in readouts], images), images)


def error(float_path: Path, int8_path: Path, name: str, images: NDArray[np.uint8] = IMAGES) -> float:
    one, other = (given(path, [name], images)[name] for path in (float_path, int8_path))
    return float(np.abs(one - other).mean())


def test_linear_layers_with_a_bias_are_found_by_what_they_read_and_give(tmp_path: Path) -> None:
    found = find_readouts(onnx.load(write_graph(tmp_path / "float.onnx")).graph)
    assert [(one.node, one.reads, one.gives, one.bias) for one in found] == [
        ("linear", "mean", "logits", "bias"),
        ("place", "mean", "where", "origin"),
    ]


@pytest.mark.parametrize(("options", "left"), [({"place_bias": False}, ["linear"]), ({"alpha": 2.0}, ["place"])])
def test_a_layer_without_a_plain_bias_is_left_alone(
    tmp_path: Path, options: dict[str, bool | float], left: list[str]
) -> None:
    path = write_graph(tmp_path / "float.onnx", **options)  # type: ignore[arg-type]
    assert [one.node for one in find_readouts(onnx.load(path).graph)] == left


@pytest.mark.parametrize("name", ["logits", "where"])
def test_what_int8_did_is_taken_back_on_pictures_that_were_not_looked_at(tmp_path: Path, name: str) -> None:
    paths = spoilt(tmp_path)
    others = RNG.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    before = error(*paths, name, others)
    fit(*paths)
    assert error(*paths, name, others) < 0.5 * before


def test_a_weight_that_another_layer_reads_too_stays_as_it_was_there(tmp_path: Path) -> None:
    paths = spoilt(tmp_path)
    fit(*paths)
    graph = onnx.load(paths[1]).graph
    values = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    readers = {node.name: values[node.input[1]] for node in graph.node if node.name in ("linear", "back")}
    assert np.array_equal(readers["back"], LOGITS)
    assert not np.array_equal(readers["linear"], LOGITS)


def test_weights_that_nobody_reads_any_more_are_gone(tmp_path: Path) -> None:
    paths = spoilt(tmp_path)
    fit(*paths)
    graph = onnx.load(paths[1]).graph
    assert {one.name for one in graph.initializer} <= {name for node in graph.node for name in node.input}


def test_a_graph_that_says_the_same_is_not_changed(tmp_path: Path) -> None:
    paths = write_graph(tmp_path / "float.onnx"), write_graph(tmp_path / "int8.onnx")
    fit(*paths)
    assert error(*paths, "where") < 1e-6


def test_pictures_that_are_all_alike_move_the_bias_alone(tmp_path: Path) -> None:
    paths = spoilt(tmp_path)
    alike = np.full((4, 8, 8, 3), 100, np.uint8)
    fit(*paths, alike)
    assert error(*paths, "logits", alike) < 1e-6
    graph = onnx.load(paths[1]).graph
    weight = next(numpy_helper.to_array(one) for one in graph.initializer if one.name == "weight_of_linear")
    np.testing.assert_array_equal(weight, LOGITS)


def test_the_ridge_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import Ridge

    from training.readouts import RIDGE

    read, missing = RNG.normal(size=(30, 50)), RNG.normal(size=(30, 3))
    away = read - read.mean(axis=0)
    reference = Ridge(alpha=RIDGE * float((away**2).sum()) / 30).fit(read, missing)
    slope, offset = ridge(read, missing)
    np.testing.assert_allclose(slope, reference.coef_.T, atol=1e-9)
    np.testing.assert_allclose(offset, reference.intercept_, atol=1e-9)
