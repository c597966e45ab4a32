"""From a tiny set of woven cloths to a bundle that tells their weaves apart, also those that it never saw."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundle import Bundle, load_bundle
from inspector.calibration import sigmoid
from inspector.cli import main
from inspector.dataset import read_dataset
from inspector.errors import DatasetError
from inspector.inspection import Inspector
from inspector.matching import similarities
from inspector.recipe import Recipe
from training.embed.recipe import EmbedRecipe

SIDE = 64
WEAVES = {"plain": (0, 4), "twill": (45, 4), "rib": (90, 8), "broad": (0, 10), "fine": (135, 3)}
"""Direction in degrees and period in pixels of the stripes."""
RECIPE = {
    "backbone": "compact",
    "left_out": ["broad", "fine"],
    "golden_per_bundle": 4,
    "input": {"height": SIDE, "width": SIDE},
    "metric": {"dimensions": 16, "varied_views": 1},
    "augment": {"quarter_turns": False, "geometry": 0.2, "light": 0.2, "noise": 0.2, "paste_share": 0},
    "fit": {"threads": 1, "epochs": 1, "batch_size": 8},
    "quantise": {"images": 8, "float_flips": 1.0, "int8_flips": 1.0, "max_drop": 1.0},
}


def draw_cloth(degrees: float, period: float, rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    angle = np.deg2rad(degrees + rng.normal(0, 2))
    phase = (columns * np.cos(angle) + rows * np.sin(angle)) * 2 * np.pi / period
    cloth = 120 + 40 * np.sin(phase + rng.uniform(0, 6)) + rng.normal(0, 8, (SIDE, SIDE))
    return cloth.clip(0, 255).astype(np.uint8)


def draw_cloths(folder: Path) -> Path:
    """20 pictures of each weave in groups of two: 14 train, 6 val."""
    rng = np.random.default_rng(5)
    rows = []
    for label, weave in WEAVES.items():
        for number in range(20):
            name = f"{label}{number:02d}.png"
            cv2.imwrite(str(folder / name), draw_cloth(*weave, rng))
            rows.append((name, "train" if number < 14 else "val", label, f"{label}{number // 2}"))
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("path", "split", "label", "group"), *rows])
    return folder


def train(folder: Path, out: Path, **changes: object) -> Bundle:
    from training.budget import Budget
    from training.embed.task import train as train_embedding
    from training.order import Order

    recipe = EmbedRecipe.model_validate({**RECIPE, **changes})
    order = Order(read_dataset(folder, splits=("train", "val")), out, recipe, 0, False)
    return load_bundle(train_embedding(order, Budget.starting_now(None)))


@pytest.fixture(scope="module")
def cloths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_cloths(tmp_path_factory.mktemp("cloths"))


@pytest.fixture(scope="module")
def bundle(cloths: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return train(cloths, tmp_path_factory.mktemp("embedding"))


def test_what_is_left_out_is_neither_a_variant_nor_fitted_on(bundle: Bundle) -> None:
    assert bundle.manifest.classes == ("plain", "rib", "twill")
    calibration = bundle.calibration("cpu-int8")
    assert set(calibration.references) == {"plain", "rib", "twill"}
    assert 0 < calibration.n_defect < calibration.n
    assert bundle.manifest.training["left_out"] == "broad, fine"


@pytest.mark.parametrize("precision", ["float", "cpu-int8"])
def test_weaves_that_it_never_saw_are_told_apart(
    bundle: Bundle, cloths: Path, tmp_path: Path, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = tmp_path / "recipe.toml", tmp_path / "figures.json"
    recipe.write_text("[quality]\nmin_focus = 0\n")
    words = ["evaluate", bundle.path, cloths, "--split", "val", "--precision", precision, "--recipe", recipe]
    assert main([str(word) for word in [*words, "--json", out]]) == 0
    figures = json.loads(out.read_text())
    assert figures["task"] == "embed"
    assert figures["unseen"] == ["broad", "fine"]
    assert figures["auroc"] > 0.9
    assert figures["auroc_unseen"] > 0.8
    assert "auroc_unseen" in capsys.readouterr().out


def test_parts_of_unseen_weaves_match_references_of_their_own_and_not_of_the_other(
    bundle: Bundle, cloths: Path
) -> None:
    rows = [row for row in read_dataset(cloths).select("val") if row.label in ("broad", "fine")]
    inspector = Inspector(bundle, Recipe())
    embeddings = np.array([one.scores for one in inspector._own_model.predict([cv2.imread(str(r.path)) for r in rows])])
    labels = np.array([row.label for row in rows])
    references = {name: embeddings[labels == name][:3] for name in ("broad", "fine")}
    asked = np.concatenate([np.flatnonzero(labels == name)[3:] for name in references])
    platt = bundle.calibration("cpu-int8").platt
    assert platt is not None
    match = sigmoid(platt.slope * similarities(embeddings[asked], references) + platt.intercept)
    same = labels[asked][:, None] == np.array(list(references))
    assert match[same].mean() > match[~same].mean() + 0.15


def test_the_bundle_passes_its_own_self_test_also_with_other_variants_enrolled(bundle: Bundle) -> None:
    assert Inspector(bundle, Recipe()).self_test() == 4
    assert Inspector(bundle, Recipe(expected="rib")).self_test() == 4


def test_the_same_seed_gives_the_same_metric(bundle: Bundle, cloths: Path, tmp_path: Path) -> None:
    again = train(cloths, tmp_path)
    assert again.calibrations == bundle.calibrations


def test_fine_tuning_ends_with_a_metric_of_what_came_out(cloths: Path, tmp_path: Path) -> None:
    tuned = train(cloths, tmp_path, metric={"dimensions": 16, "varied_views": 0, "fine_tune": True})
    assert tuned.manifest.training["epochs"] == 1
    assert "contrastive" in str(tuned.manifest.training["learnt"])


def test_an_unknown_label_to_leave_out_is_named(cloths: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="left_out: no label velvet"):
        train(cloths, tmp_path, left_out=["velvet"])


def test_one_variant_is_too_few(cloths: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"at least two variants to fit on, found \['twill'\]"):
        train(cloths, tmp_path, left_out=["plain", "rib", "broad", "fine"])
