"""The graph for TensorRT, walked node by node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from inspector.bundle import MODEL_FILES
from training.conversion import ASKED, Converted, convert
from training.export import export_onnx
from training.kept import BEHIND_POOLING, LAYERS, STEM
from training.recipe import QuantiseRecipe

SIDE = 64
IMAGES = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def float_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from training.graph import StationGraph
    from training.heads import Network

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("graphs") / MODEL_FILES["float"]
    export_onnx(StationGraph(Network("compact", (SIDE, SIDE), 3, (1, 2))).eval(), SIDE, SIDE, path)
    return path


@pytest.fixture(scope="module")
def converted(float_path: Path) -> Converted:
    return convert(float_path, IMAGES, QuantiseRecipe(images=8))


@pytest.fixture(scope="module")
def graph(converted: Converted) -> onnx.GraphProto:
    return onnx.load(converted.paths["trt-int8"]).graph


def test_every_layer_is_int8_on_both_sides_or_listed_with_its_reason(
    converted: Converted, graph: onnx.GraphProto
) -> None:
    decoded = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    layers = [node for node in graph.node if node.op_type in LAYERS]
    loose = {node.name for node in layers if not decoded.issuperset(node.input[:2])}
    kept = {one.node: one.reason for one in converted.kept if one.precision == "trt-int8"}
    assert loose == set(kept)
    assert set(kept.values()) == {STEM, BEHIND_POOLING}
    assert len(kept) == 2
    assert len(layers) > 30


def test_no_bias_is_quantised_and_no_zero_point_is_other_than_zero(graph: onnx.GraphProto) -> None:
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    pairs = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    zeros = [constants[node.input[2]] for node in pairs]
    assert {zero.dtype for zero in zeros} == {np.dtype(np.int8)}
    assert not any(zero.any() for zero in zeros)
    biases = [constants[node.input[2]] for node in graph.node if node.op_type == "Conv" and len(node.input) == 3]
    assert biases
    assert {bias.dtype for bias in biases} == {np.dtype(np.float32)}


def test_bytes_become_floats_first_and_no_shape_is_computed(graph: onnx.GraphProto) -> None:
    readers = [node.op_type for node in graph.node if "image" in node.input]
    assert readers == ["Cast"]
    assert not {node.op_type for node in graph.node} & {"Shape", "Pad", "Gather", "Slice"}


def test_nothing_stands_between_a_convolution_and_its_activation(graph: onnx.GraphProto) -> None:
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    clips = [node for node in graph.node if node.op_type == "Clip"]
    assert {made_by[node.input[0]] for node in clips} == {"Conv"}


def test_graph_says_nearly_what_the_float_graph_says(converted: Converted) -> None:
    said = []
    for precision in ("float", "trt-int8"):
        session = onnxruntime.InferenceSession(converted.paths[precision], providers=["CPUExecutionProvider"])
        said.append(session.run(None, {"image": IMAGES})[0])
    spread = said[0].std() + 1e-6
    assert np.abs(said[0] - said[1]).max() < spread


def test_a_layer_that_the_task_keeps_is_float_in_both_graphs_and_listed(float_path: Path, tmp_path: Path) -> None:
    copied = tmp_path / float_path.name
    copied.write_bytes(float_path.read_bytes())
    name = [node.name for node in onnx.load(copied).graph.node if node.op_type == "Conv"][-1]
    converted = convert(copied, IMAGES, QuantiseRecipe(images=8), lambda graph: (name,))
    assert {(one.precision, one.node) for one in converted.kept if one.reason == ASKED} == {
        ("cpu-int8", name),
        ("trt-int8", name),
    }
