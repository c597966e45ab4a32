"""A tiny surface with scratches, stains, both or neither: each label is learnt as a yes or no of its own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundle import Bundle, load_bundle
from inspector.cli import main
from inspector.dataset import read_dataset
from inspector.errors import DatasetError
from inspector.inspection import Inspector
from inspector.recipe import Recipe
from training.recipe import TrainingRecipe

SIDE = 64
CELLS = ("good", "scratch", "stain", "stain|scratch")
RECIPE = {
    "backbone": "compact",
    "golden_per_bundle": 4,
    "input": {"height": SIDE, "width": SIDE},
    "augment": {"geometry": 0.2, "light": 0.1, "noise": 0.1},
    "fit": {
        "epochs": 12,
        "batch_size": 8,
        "threads": 1,
        "learning_rate": 0.01,
        "backbone_rate_share": 1.0,
        "averaging": 0.9,
    },
    "quantise": {"images": 8, "float_flips": 1.0, "int8_flips": 1.0, "max_drop": 1.0},
}


def draw(cell: str, rng: np.random.Generator) -> np.ndarray:
    image = rng.normal(120, 6, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
    if "scratch" in cell:
        x = int(rng.integers(10, SIDE - 10))
        cv2.line(image, (x, 4), (x, SIDE - 4), 240, 3)
    if "stain" in cell:
        cv2.circle(image, tuple(int(v) for v in rng.integers(14, SIDE - 14, 2)), 10, 30, -1)
    return image


def draw_surfaces(folder: Path, cells: tuple[str, ...] = CELLS) -> Path:
    rng = np.random.default_rng(2)
    rows = []
    for number in range(72):
        cell = cells[number % len(cells)]
        cv2.imwrite(str(folder / f"{number:02d}.png"), draw(cell, rng))
        rows.append((f"{number:02d}.png", "train" if number < 56 else "val", cell, f"g{number}"))
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("path", "split", "label", "group"), *rows])
    return folder


def move_labels(surfaces: Path, folder: Path) -> Path:
    """The same surfaces as a detector's folder has them: a label per picture, and all its classes in `classes`."""
    for picture in surfaces.glob("*.png"):
        (folder / picture.name).write_bytes(picture.read_bytes())
    with (surfaces / "index.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*rows[0], "classes"])
        writer.writeheader()
        for row in rows:
            good = row["label"] == "good"
            told = {"label": "good" if good else "defective", "classes": "" if good else row["label"]}
            writer.writerow({**row, **told})
    return folder


def train(folder: Path, out: Path) -> Bundle:
    from training.budget import Budget
    from training.classify import train as train_classifier
    from training.order import Order

    dataset = read_dataset(folder, splits=("train", "val"))
    order = Order(dataset, out, TrainingRecipe.model_validate(RECIPE), 0, False)
    return load_bundle(train_classifier(order, Budget.starting_now(None)))


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_surfaces(tmp_path_factory.mktemp("surfaces"))


@pytest.fixture(scope="module")
def bundle(surfaces: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return train(surfaces, tmp_path_factory.mktemp("labels"))


def test_both_labels_of_a_part_are_given(
    bundle: Bundle, surfaces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle.manifest.several
    assert bundle.manifest.classes == ("scratch", "stain")
    recipe, out = tmp_path / "recipe.toml", tmp_path / "figures.json"
    recipe.write_text("[quality]\nmin_focus = 0\n")
    words = ["evaluate", bundle.path, surfaces, "--split", "val", "--recipe", recipe, "--json", out]
    assert main([str(word) for word in words]) == 0
    figures = json.loads(out.read_text())
    assert figures["mean_ap"] > 0.9
    assert figures["macro_f1"] > 0.8
    assert figures["auroc"] > 0.9
    assert figures["per_label"]["scratch"]["n"] == 8
    assert figures["several"]["n"] == 4
    assert figures["several"]["exact"] >= 3
    assert "of 4 parts with several labels exactly right" in capsys.readouterr().out


def test_labels_of_another_column_are_learnt_and_evaluated(
    bundle: Bundle, surfaces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "parts").mkdir()
    folder, path, out = move_labels(surfaces, tmp_path / "parts"), tmp_path / "recipe.toml", tmp_path / "out"
    small = {**RECIPE, "label_column": "classes", "fit": {**RECIPE["fit"], "epochs": 1}}  # type: ignore[dict-item]
    recipe = TrainingRecipe.model_validate(small)
    from training.budget import Budget
    from training.classify import train as train_classifier
    from training.order import Order

    order = Order(read_dataset(folder, splits=("train", "val")), out, recipe, 0, False)
    made = load_bundle(train_classifier(order, Budget.starting_now(None)))
    assert (made.manifest.label_column, made.manifest.classes) == ("classes", bundle.manifest.classes)
    path.write_text("[quality]\nmin_focus = 0\n")
    words = ["evaluate", out, folder, "--split", "val", "--recipe", path, "--json", tmp_path / "figures.json"]
    assert main([str(word) for word in words]) == 0
    assert json.loads((tmp_path / "figures.json").read_text())["per_label"]["stain"]["n"] == 8


def test_the_bundle_has_the_guard_the_heat_and_a_self_test(bundle: Bundle) -> None:
    inspector = Inspector(bundle, Recipe())
    assert inspector.self_test() == 4
    prediction = inspector._own_model.predict([np.full((SIDE, SIDE, 3), 120, np.uint8)])[0]
    assert prediction.novelty is not None
    assert prediction.heat is not None


def test_a_good_part_with_a_defect_is_refused(tmp_path: Path) -> None:
    folder = draw_surfaces(tmp_path, ("good", "scratch", "stain", "good|stain"))
    with pytest.raises(DatasetError, match=r"label: expected good or defect labels, found 'good\|stain'"):
        train(folder, tmp_path / "out")
