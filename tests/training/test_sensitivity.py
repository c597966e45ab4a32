from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
import onnx
import pytest

from inspector.bundle import MODEL_FILES
from training.conversion import convert
from training.export import export_onnx
from training.recipe import QuantiseRecipe
from training.sensitivity import Distance, Loss, find_sensitive
from training.shortfall import described

SIDE = 64
IMAGES = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
LAYERS = [f"layer{i}" for i in range(24)]


def loss_of(hurting: dict[str, float], calls: list[int]) -> Loss:
    def loss(kept: Sequence[str]) -> float:
        calls.append(len(kept))
        return 0.1 + sum(amount for name, amount in hurting.items() if name not in kept)

    return loss


def test_the_two_layers_that_hurt_are_found_with_fewer_looks_than_layers() -> None:
    calls: list[int] = []
    found = find_sensitive(LAYERS, loss_of({"layer5": 3.0, "layer17": 1.0}, calls), 100, count(0, 0).__next__)
    assert [one.nodes for one in found[:2]] == [("layer5",), ("layer17",)]
    assert found[0].gain == pytest.approx(3 / 4.1)
    assert sorted(node for one in found for node in one.nodes) == sorted(LAYERS)
    assert len(calls) < len(LAYERS)


def test_out_of_time_groups_are_what_there_is() -> None:
    found = find_sensitive(LAYERS, loss_of({"layer5": 3.0}, []), 0.5, count(1.0, 1.0).__next__)
    assert found[0].nodes == ("layer4", "layer5", "layer6", "layer7")
    assert len(found) == 6


def test_complaint_names_what_is_beyond_the_limits_and_only_that() -> None:
    recipe = QuantiseRecipe(int8_flips=0.2, max_drop=0.01)
    assert described(1, 10, 0, (0.9, 0.895), recipe) == ""
    assert "2 of 10 verdicts" in described(2, 10, 0, (0.9, 0.9), recipe)
    assert "falls from 0.9000 to 0.8000" in described(0, 10, 0, (0.9, 0.8), recipe)
    assert described(10, 10, 0, (0.9, 0.9), QuantiseRecipe(int8_flips=1)) == ""
    assert "1 sure defects" in described(0, 10, 1, (None, None), recipe)


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A float graph of which one convolution is fed an outlier: a channel a thousand times the others."""
    import torch

    from training.graph import StationGraph
    from training.heads import Network

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("graphs") / MODEL_FILES["float"]
    network = Network("compact", (SIDE, SIDE), 3, (1, 2)).eval()
    export_onnx(StationGraph(network), SIDE, SIDE, path, network.outputs)
    model = onnx.load(path)
    wide = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 4 and tensor.dims[1] >= 32}
    name = spoil(model, [node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in wide][1])
    onnx.save(model, path)
    return path, name


def spoil(model: onnx.ModelProto, conv: onnx.NodeProto) -> str:
    """Give the input of `conv` an outlier that its weights ignore: it costs the other channels their steps."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    weight = onnx.numpy_helper.to_array(constants[conv.input[1]]).copy()
    shift = np.zeros((1, weight.shape[1], 1, 1), np.float32)
    shift[0, 0] = 1000.0
    weight[:, 0] = 0
    constants[conv.input[1]].CopyFrom(onnx.numpy_helper.from_array(weight, conv.input[1]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(shift, "outlier"))
    add = onnx.helper.make_node("Add", [conv.input[0], "outlier"], ["shifted"], "shift")
    conv.input[0] = "shifted"
    model.graph.node.insert(list(model.graph.node).index(conv), add)
    return conv.name


class Strict:
    """Complains while the outputs are further than `limit` from the float graph's."""

    def __init__(self, float_path: Path, limit: float) -> None:
        self.distance, self.limit, self.asked = Distance(float_path, IMAGES), limit, 0

    def complaint(self, path: Path) -> str:
        self.asked += 1
        return "too far from float" if self.distance.of(path) > self.limit else ""


def test_a_layer_that_hurts_is_kept_in_float_listed_with_its_share_and_then_it_is_good_enough(
    spoilt: tuple[Path, str],
) -> None:
    path, name = spoilt
    distance = Distance(path, IMAGES)
    before = convert(path, IMAGES, QuantiseRecipe(images=8))
    bad = distance.of(before.paths["trt-int8"])
    after = convert(path, IMAGES, QuantiseRecipe(images=8, sensitivity_s=30), judge=Strict(path, bad / 2))
    hurt = {one.node: one.reason for one in after.kept if "sensitive" in one.reason and one.precision == "trt-int8"}
    assert name in hurt
    assert len(hurt) <= 4
    assert after.complaints["trt-int8"] == ""
    assert distance.of(after.paths["trt-int8"]) < bad / 2


def test_without_a_complaint_nothing_is_searched(spoilt: tuple[Path, str]) -> None:
    path, _ = spoilt
    judge = Strict(path, float("inf"))
    convert(path, IMAGES, QuantiseRecipe(images=8), judge=judge)
    assert judge.asked == 2
