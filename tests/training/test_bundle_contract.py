"""What a trained bundle holds, and that it says what the network said."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import onnxruntime
import pytest

from inspector.bundle import Bundle, load_bundle
from inspector.dataset import read_dataset
from inspector.inspection import Inspector
from inspector.preprocess import preprocess, read_image
from inspector.recipe import Recipe
from training import conversion
from training.conversion import WRITERS
from training.material import load_material
from training.outputs import ParityBroken
from training.recipe import TrainingRecipe


class Trained(Protocol):
    folder: Path
    out: Path
    bundle: Bundle


def session_of(bundle: Bundle, precision: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(bundle.model_path(precision), providers=["CPUExecutionProvider"])  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["float", "cpu-int8", "trt-int8"])
def test_graph_takes_bgr_bytes_in_any_batch_and_gives_logits(trained: Trained, precision: str) -> None:
    session = session_of(trained.bundle, precision)
    (taken,), (given, heat, distance) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape[1:]) == ("image", "tensor(uint8)", [64, 64, 3])
    assert isinstance(taken.shape[0], str)
    assert (given.name, given.type) == ("logits", "tensor(float)")
    assert (heat.name, distance.name) == ("heat", "distance")
    pictures = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    together = session.run(None, {"image": pictures})[0]
    alone = np.concatenate([session.run(None, {"image": pictures[i : i + 1]})[0] for i in range(5)])
    assert together.shape == (5, 3)
    np.testing.assert_allclose(together, alone, atol=1e-3)


def test_float_graph_pads_in_its_convolutions_and_computes_no_shapes(trained: Trained) -> None:
    graph = onnx.load(trained.bundle.model_path("float")).graph
    assert not {node.op_type for node in graph.node} & {"Pad", "Shape", "BatchNormalization", "Gather"}
    (as_float,) = (node.output[0] for node in graph.node if node.op_type == "Cast")
    assert [node.op_type for node in graph.node if as_float in node.input] == ["Conv"]


def test_int8_graph_has_uint8_activations_and_int8_weights_per_channel(trained: Trained) -> None:
    graph = onnx.load(trained.bundle.model_path("cpu-int8")).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    activations = [constants[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]
    assert activations
    assert {zero.dtype for zero in activations} == {np.dtype(np.uint8)}
    decoded = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    weights = [decoded[node.input[1]] for node in convolutions]
    assert {constants[node.input[0]].dtype for node in weights} == {np.dtype(np.int8)}
    assert all(constants[node.input[1]].shape == (constants[node.input[0]].shape[0],) for node in weights)


def test_int8_graph_starts_from_the_bytes_of_the_picture(trained: Trained) -> None:
    kinds = [node.op_type for node in onnx.load(trained.bundle.model_path("cpu-int8")).graph.node]
    assert "Cast" not in kinds


def test_training_sees_exactly_what_the_line_sees(trained: Trained, tiny_recipe: Callable[..., TrainingRecipe]) -> None:
    material = load_material(read_dataset(trained.folder, splits=("train", "val")), tiny_recipe(), 0)
    for row, sample in zip(material.validation.nhwc(), material.validation.samples, strict=True):
        np.testing.assert_array_equal(row, preprocess(read_image(sample.path), trained.bundle.manifest.input))


def test_golden_samples_pass_the_self_test_at_every_precision(trained: Trained) -> None:
    assert len({sample.label for sample in trained.bundle.golden}) == 3
    for precision in ("float", "cpu-int8", "trt-int8"):
        assert Inspector(trained.bundle, Recipe(precision=precision)).self_test() == 4


def test_manifest_tells_where_the_bundle_comes_from(trained: Trained) -> None:
    manifest = trained.bundle.manifest
    assert manifest.classes == ("good", "scratch", "stain")
    assert manifest.good == ("good",)
    assert manifest.lineage.dataset_hash == read_dataset(trained.folder, splits=("train", "val")).content_hash
    assert manifest.parity.n == 8
    assert manifest.parity.float_flips == 0
    assert manifest.parity.float_max_difference < 1e-4
    assert manifest.parity.trt_int8_flips is not None
    assert {kept.precision for kept in manifest.kept_float} == {"cpu-int8", "trt-int8"}
    assert "not certified" in manifest.limits.origin


def test_card_gives_every_rate_with_its_count_and_bound(trained: Trained) -> None:
    card = (trained.bundle.path / "card.md").read_text()
    assert "| validation | 8 | 4 |" in card
    assert card.count("at most") >= 6
    assert card.count("ECE of the defect probability, 8 parts in ") == 3
    assert card.count("too few parts for a choice") == 3
    assert "What it must not be used for" in card
    assert "## Certificate\n\nNone: certificate refused: " in card


def test_calibration_is_fitted_on_each_precision_apart(trained: Trained) -> None:
    each = [trained.bundle.calibration(precision) for precision in ("float", "cpu-int8", "trt-int8")]
    assert {one.n for one in each} == {trained.bundle.manifest.training["calibration_images"]}
    assert len({(one.temperature, one.platt) for one in each}) == 3


def test_both_compact_graphs_together_stay_below_2_5_megabytes(trained: Trained) -> None:
    sizes = [trained.bundle.model_path(name).stat().st_size for name in ("float", "cpu-int8")]  # type: ignore[arg-type]
    assert sum(sizes) < 2_500_000


def test_images_of_test_may_be_absent(
    trained: Trained, tmp_path: Path, train: Callable[..., Bundle], tiny_recipe: Callable[..., TrainingRecipe]
) -> None:
    folder = tmp_path / "surface"
    shutil.copytree(trained.folder, folder)
    with (folder / "index.csv").open(encoding="utf-8") as stream:
        hidden = [row["path"] for row in csv.DictReader(stream) if row["split"] == "test"]
    assert len(hidden) == 4
    for name in hidden:
        (folder / name).unlink()
    assert train(folder, tmp_path / "out", recipe=tiny_recipe(epochs=1)).manifest.parity.n == 8


def test_the_same_seed_and_moment_of_making_give_the_same_bundle_id_and_another_seed_another_network(
    trained: Trained, tmp_path: Path, train: Callable[..., Bundle]
) -> None:
    def model(bundle: Bundle) -> bytes:
        return bundle.model_path("cpu-int8").read_bytes()

    again = train(trained.folder, tmp_path / "again")
    assert again.id == trained.bundle.id
    assert "Made 2026-01-02 12:00 UTC" in (again.path / "card.md").read_text()
    assert model(train(trained.folder, tmp_path / "other", seed=1)) != model(trained.bundle)


def test_a_graph_that_changes_too_many_decisions_is_refused(
    trained: Trained,
    tmp_path: Path,
    train: Callable[..., Bundle],
    monkeypatch: pytest.MonkeyPatch,
    tiny_recipe: Callable[..., TrainingRecipe],
) -> None:
    """The quantiser is replaced by one that swaps the classes, which nothing takes back."""
    monkeypatch.setitem(WRITERS, "cpu-int8", swap_classes)  # type: ignore[arg-type]
    monkeypatch.setattr(conversion, "fit_readouts", lambda *_: None)
    with pytest.raises(ParityBroken, match=r"parity: the int8 graph changes \d of 8 decisions .* at most 10 %"):
        train(trained.folder, tmp_path / "out", recipe=tiny_recipe(int8_flips=0.1, epochs=1))
    assert not (tmp_path / "out" / "LATEST").exists()


def swap_classes(float_path: Path, int8_path: Path, ranges: object, keep: object) -> None:
    model = onnx.load(float_path)
    last = model.graph.node[-1]
    logits, last.output[0] = last.output[0], "inward"
    model.graph.node.append(onnx.helper.make_node("Neg", ["inward"], [logits]))
    onnx.save(model, int8_path)


def test_the_folder_given_as_out_serves_as_a_bundle(trained: Trained) -> None:
    assert load_bundle(trained.out).id == trained.bundle.id
    assert not list(trained.out.glob("*.ckpt"))
