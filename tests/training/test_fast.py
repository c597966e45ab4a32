"""The next bundle from a parent's: its features kept, or its weights gone on with."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch

from inspector.bundle import Bundle, load_bundle
from inspector.cli import main
from inspector.dataset import read_dataset
from inspector.errors import BundleError, DatasetError, RecipeError
from inspector.preprocess import InputSpec
from inspector.samples import Sample
from tests.training.conftest import SIDE, Trained
from training.budget import Budget
from training.classify import build_network
from training.export import export_onnx
from training.fast import STOPPED, Seen, best_change, fit_change
from training.graph import StationGraph
from training.loader import FitSteps
from training.material import load_material
from training.order import Order
from training.parent import kept_graph, like_parent, read_parent
from training.part_weights import MOST, part_weights, within_classes
from training.recipe import InputRecipe, TrainingRecipe


@pytest.fixture(scope="module")
def wider(surface: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The surface with a class that its bundle does not know, in five groups more."""
    folder = tmp_path_factory.mktemp("wider") / "surface"
    shutil.copytree(surface, folder)
    rng, rows = np.random.default_rng(3), []
    for number in range(10):
        image = rng.normal(120, 8, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
        image[::8] = 10
        cv2.imwrite(str(folder / f"ruled{number}.png"), image)
        rows.append((f"ruled{number}.png", "val" if number > 7 else "train", "ruled", f"ruled{number // 2}", ""))
    with (folder / "index.csv").open("a", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return folder


def order_of(
    folder: Path, out: Path, parent: Bundle, recipe: TrainingRecipe, **changes: object
) -> Order[TrainingRecipe]:
    order = Order(read_dataset(folder, splits=("train", "val")), out, recipe, 0, False, parent=parent, fast=True)
    return replace(order, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fast(
    wider: Path, trained: Trained, tmp_path_factory: pytest.TempPathFactory, tiny_recipe: Callable[..., TrainingRecipe]
) -> Bundle:
    from training.classify import train

    out = tmp_path_factory.mktemp("fast")
    order = order_of(wider, out, trained.bundle, tiny_recipe(), features=out / "features")
    return load_bundle(train(order, Budget.starting_now(None)))


def backbone(bundle: Bundle) -> dict[str, bytes]:
    graph = onnx.load(bundle.model_path("float")).graph
    return {one.name: one.raw_data for one in graph.initializer if "backbone" in one.name}


def test_a_fast_candidate_keeps_the_features_to_the_last_bit_and_names_its_parent(
    fast: Bundle, trained: Trained
) -> None:
    assert backbone(fast) == backbone(trained.bundle)
    assert read_parent(fast).features_key == read_parent(trained.bundle).features_key
    assert fast.manifest.lineage.parent == trained.bundle.id
    assert (fast.manifest.training["stopped"], fast.manifest.training["epochs"]) == (STOPPED, 0)
    assert fast.manifest.input == trained.bundle.manifest.input
    assert set(fast.calibrations) == {"float", "cpu-int8", "trt-int8"}


def test_a_fast_candidate_knows_the_new_class_and_has_forgotten_none(fast: Bundle, wider: Path) -> None:
    from inspector.evaluation import judge
    from inspector.inspection import Inspector

    assert fast.manifest.classes == ("good", "ruled", "scratch", "stain")
    parts = judge(Inspector(fast), read_dataset(wider, splits=("train",)).select("train"), lambda done: None)
    right = {
        label: [one.verdict.label == label for one in parts if one.sample.label == label]
        for label in ("ruled", "scratch", "stain")
    }
    assert all(np.mean(found) > 0.7 for found in right.values()), right


def test_features_are_kept_by_picture_and_serve_the_next_generation(
    fast: Bundle, wider: Path, tiny_recipe: Callable[..., TrainingRecipe], capsys: pytest.CaptureFixture[str]
) -> None:
    from training.fast import fit_fast

    parent, kept = read_parent(fast), fast.path.parent / "features"
    recipe = like_parent(tiny_recipe(), parent, fast=True)
    material = load_material(read_dataset(wider, splits=("train", "val")), recipe, 0, parent.classes)
    again = fit_fast(parent, material, recipe, kept)
    assert ", 0 of them not kept" in capsys.readouterr().err
    afresh = fit_fast(parent, material, recipe, None)
    assert ", 0 of them not kept" not in capsys.readouterr().err
    for one, other in zip(again.graph.state_dict().values(), afresh.graph.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_kept_file_that_is_torn_is_made_anew(
    fast: Bundle,
    wider: Path,
    tmp_path: Path,
    tiny_recipe: Callable[..., TrainingRecipe],
    capsys: pytest.CaptureFixture[str],
) -> None:
    from training.fast import fit_fast

    kept = tmp_path / "features"
    shutil.copytree(fast.path.parent / "features", kept)
    for path in sorted(kept.rglob("*.npz"))[:3]:
        path.write_bytes(path.read_bytes()[:100])
    parent = read_parent(fast)
    recipe = like_parent(tiny_recipe(), parent, fast=True)
    material = load_material(read_dataset(wider, splits=("train", "val")), recipe, 0, parent.classes)
    fit_fast(parent, material, recipe, kept)
    assert ", 3 of them not kept" in capsys.readouterr().err


def test_a_warm_start_begins_as_the_parent_ended(trained: Trained, tiny_recipe: Callable[..., TrainingRecipe]) -> None:
    parent = read_parent(trained.bundle)
    recipe = like_parent(tiny_recipe(), parent, fast=False)
    material = load_material(read_dataset(trained.folder, splits=("train", "val")), recipe, 0, parent.classes)
    mapped = tuple(material.classes.index(name) for name in parent.mapped)
    warm = StationGraph(build_network(material, recipe, mapped, parent)).eval()
    kept = kept_graph(parent, material.classes)
    pictures = torch.from_numpy(material.validation.nhwc())
    with torch.no_grad():
        assert torch.allclose(warm(pictures)[0], kept(pictures)[0], atol=1e-3)


def test_the_network_of_a_bundle_exports_to_the_same_weights(trained: Trained, tmp_path: Path) -> None:
    parent = read_parent(trained.bundle)
    graph = kept_graph(parent, parent.classes)
    export_onnx(graph, SIDE, SIDE, tmp_path / "again.onnx", ("logits", "heat"))
    again = {one.name: one.raw_data for one in onnx.load(tmp_path / "again.onnx").graph.initializer}
    assert {name: again[name] for name in backbone(trained.bundle)} == backbone(trained.bundle)


def test_another_size_or_backbone_than_the_parents_is_refused(trained: Trained) -> None:
    parent = read_parent(trained.bundle)
    with pytest.raises(RecipeError, match="input, level_light: expected the parent's, 64 x 64 px"):
        like_parent(TrainingRecipe(backbone="compact", input=InputRecipe(height=96, width=96)), parent, fast=True)
    with pytest.raises(RecipeError, match="backbone: expected the parent's, compact, got efficientnet-lite0"):
        like_parent(TrainingRecipe(), parent, fast=True)


def test_a_bundle_of_another_make_is_no_parent(trained: Trained, tmp_path: Path) -> None:
    from inspector.bundle import write_bundle
    from tests.conftest import brightness_network, bundle_files, manifest

    strange = load_bundle(write_bundle(tmp_path, manifest(), bundle_files(brightness_network())))
    with pytest.raises(BundleError, match="not those of a classifier that was trained here"):
        read_parent(strange)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--task", "classify", "--fast"], "--fast, --features: expected --parent"),
        (["--task", "detect", "--parent", "x"], "--parent: expected --task classify, got detect"),
        (["--task", "segment", "--parent", "x", "--fast"], "--parent --fast: expected --task classify or anomaly"),
    ],
)
def test_a_start_that_cannot_be_is_refused(
    words: list[str], expected: str, surface: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["train", str(surface), "--out", str(tmp_path), *words]) == 2
    assert expected in capsys.readouterr().err


def rows(read: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Seen:
    tensors = (torch.from_numpy(read), torch.zeros(len(read), 2, dtype=torch.float64), torch.from_numpy(labels))
    return Seen(*tensors, torch.from_numpy(weights / weights.sum()))


def test_the_last_layer_is_what_an_independent_solver_finds() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    read = rng.normal(size=(60, 3))
    labels = (read[:, 0] + rng.normal(size=60) > 0).astype(np.int64)
    weights = rng.uniform(0.5, 2, 60)
    seen = rows(read, labels, weights)
    ours = fit_change(seen, torch.zeros(2, 4, dtype=torch.float64), 0.1, 0.0)
    theirs = LogisticRegression(C=2 / 0.1, tol=1e-9, max_iter=1000).fit(read, labels, weights / weights.sum())
    slope = ours[1] - ours[0]
    assert np.allclose(slope[:-1], theirs.coef_[0], atol=1e-3)
    assert np.isclose(float(slope[-1]), theirs.intercept_[0], atol=1e-3)


def test_a_weight_moves_the_last_layer_towards_its_part() -> None:
    read, labels = np.array([[1.0], [1.0]]), np.array([0, 1])
    for weights, likelier in ((np.array([1.0, 5.0]), 1), (np.array([5.0, 1.0]), 0)):
        change, _ = best_change(rows(read, labels, weights), rows(read, labels, weights), 0.0)
        assert int((change[:, 0] + change[:, 1]).argmax()) == likelier


def sample(label: str, weight: str = "", origin: str = "stopped") -> Sample:
    extra = {"weight": weight, "origin": origin} if weight else {}
    return Sample("a.png", Path("a.png"), "train", label, "g", None, None, extra)


def test_a_weight_sets_how_often_a_part_is_drawn_within_its_class() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    factors = within_classes(labels, np.array([1.0, 1.0, 4.0, 7.0, 7.0]))
    assert factors.tolist() == [0.5, 0.5, 2.0, 1.0, 1.0]


def test_no_part_is_drawn_as_often_as_its_weight_says_beyond_the_limit() -> None:
    weights = np.ones(1000)
    weights[0] = 1e6
    factors = within_classes(np.zeros(1000, np.int64), weights)
    assert factors.mean() == pytest.approx(1.0)
    assert factors[0] / np.delete(factors, 0).mean() <= MOST * weights.mean()


def test_only_the_index_of_a_snapshot_weighs_parts(
    trained: Trained, tiny_recipe: Callable[..., TrainingRecipe]
) -> None:
    assert part_weights([sample("good", "4"), sample("good"), sample("good", "4", origin="")]).tolist() == [4, 1, 1]
    for words in ("heavy", "0", "-1", "inf", "nan"):
        with pytest.raises(DatasetError, match="weight: expected a number above 0"):
            part_weights([sample("good", words)])


def test_the_full_path_draws_by_weight_too(trained: Trained, tiny_recipe: Callable[..., TrainingRecipe]) -> None:
    material = load_material(read_dataset(trained.folder, splits=("train", "val")), tiny_recipe(), 0)
    plain = FitSteps(material.fit, material.good_columns, tiny_recipe(), 0)
    first = replace(material.fit.samples[0], extra={"weight": "3", "origin": "audited pass"})
    heavier = replace(material.fit, samples=(first, *material.fit.samples[1:]))
    steps = FitSteps(heavier, material.good_columns, tiny_recipe(), 0)
    mine = material.fit.labels == material.fit.labels[0]
    assert steps.weights[0] > 1.5 * plain.weights[0]
    assert steps.weights[mine].sum() == pytest.approx(plain.weights[mine].sum())


def test_the_learning_curve_is_of_growing_groups_on_parts_that_were_not_fitted(trained: Trained) -> None:
    from training.growth import learning_points

    dataset = read_dataset(trained.folder, splits=("train", "val"))
    points = learning_points(trained.bundle, dataset)
    counts = [point.groups for point in points]
    assert counts == sorted(set(counts))
    assert len(counts) >= 3
    assert {point.wrong.n for point in points} == {8}
    assert points[-1].wrong.count <= points[0].wrong.count


def test_a_bank_among_a_parents_features_is_of_its_kind_and_size() -> None:
    from tests.conftest import manifest
    from training.anomaly.recipe import DEEP, AnomalyRecipe
    from training.anomaly.task import like_parent as like_bank

    parent = manifest(task="anomaly", input=InputSpec(height=256, width=256), training={"bank": 1})
    assert like_bank(AnomalyRecipe(), parent).banks == (DEEP,)
    with pytest.raises(RecipeError, match="expected the parent's, 256 x 256 px, bank 1"):
        like_bank(AnomalyRecipe(input=InputRecipe(height=320, width=320)), parent)
    with pytest.raises(RecipeError, match="expected a parent with a bank of good places"):
        like_bank(AnomalyRecipe(), manifest(task="anomaly", training={"learnt": "defects drawn on good parts"}))
