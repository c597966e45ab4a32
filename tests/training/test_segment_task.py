"""`inspector train --task segment` on a tiny surface, from the folder to a bundle that inspects."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundle import Bundle, load_bundle
from inspector.dataset import Dataset, read_dataset
from inspector.errors import DatasetError
from inspector.evaluation import judge
from inspector.figures import load_figures
from inspector.inspection import Inspector
from inspector.recipe import Recipe
from inspector.values import Frame, Outcome
from training.budget import Budget
from training.order import Order
from training.segment.recipe import SegmentRecipe
from training.segment.task import train


def tiny() -> SegmentRecipe:
    return SegmentRecipe.model_validate(
        {
            "backbone": "compact",
            "golden_per_bundle": 3,
            "input": {"height": 64, "width": 64},
            "decoder": {"channels": 8},
            "augment": {"geometry": 0.3, "light": 0.2, "noise": 0.2},
            "fit": {
                "epochs": 26,
                "batch_size": 8,
                "threads": 1,
                "learning_rate": 0.01,
                "backbone_rate_share": 1.0,
                "averaging": 0.8,
                "good_share": 0.3,
            },
            "quantise": {"images": 8, "float_flips": 1.0, "int8_flips": 1.0, "max_drop": 1.0},
        }
    )


def order(dataset: Dataset, out: Path) -> Order[SegmentRecipe]:
    return Order(dataset, out, tiny(), 0, False)


@pytest.fixture(scope="module")
def dataset(surface: Path) -> Dataset:
    return read_dataset(surface, splits=("train", "val"))


@pytest.fixture(scope="module")
def bundle(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("segment")
    return load_bundle(train(order(dataset, out), Budget.starting_now(None)))


def test_the_bundle_says_what_its_outputs_are(bundle: Bundle) -> None:
    assert bundle.manifest.task == "segment"
    assert bundle.manifest.classes == ("scratch", "stain")
    assert bundle.manifest.good == ("good",)
    assert bundle.manifest.output_names == ("mask", "kinds", "score", "distance")
    assert 0.2 <= bundle.manifest.reading["mask_above"] <= 0.8
    assert "dice" in (bundle.path / "card.md").read_text()


@pytest.mark.parametrize("precision", ["float", "cpu-int8"])
def test_every_precision_passes_its_self_test_and_finds_the_defects(
    bundle: Bundle, dataset: Dataset, precision: str
) -> None:
    inspector = Inspector(bundle, Recipe.model_validate({"precision": precision}))
    assert inspector.self_test() > 0
    parts = judge(inspector, dataset.select("val"), lambda _: None)
    figures = load_figures("segment").figures(parts, bundle.manifest)
    dice = figures["dice"]
    assert isinstance(dice, float)
    assert dice > 0.3, "a network that marks nothing, or everything, has less"


@pytest.mark.parametrize("precision", ["float", "cpu-int8"])
def test_a_picture_of_something_else_goes_to_review_whatever_its_score(bundle: Bundle, precision: str) -> None:
    lenient = {"policy": {"pass_below": 1.0, "reject_above": 1.0}, "precision": precision}
    strange = np.random.default_rng(5).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    inspector = Inspector(bundle, Recipe.model_validate(lenient))
    part = inspector.inspect([Frame(strange, "top", 0, datetime.now(UTC))])
    assert part.verdict.outcome is Outcome.REVIEW
    assert "unlike all that is known" in part.verdict.reasons[0]


def test_a_folder_without_a_mask_is_refused(tmp_path: Path) -> None:
    rows = [("path", "split", "label", "group")]
    for number in range(16):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((64, 64), 10 * number, np.uint8))
        rows.append((f"{number}.png", "train", ("good", "pit")[number % 2], f"part{number}"))
    with (tmp_path / "index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    with pytest.raises(DatasetError, match="mask_path"):
        train(order(read_dataset(tmp_path), tmp_path / "out"), Budget.starting_now(None))


def test_a_recipe_rejects_by_size_what_its_policy_would_pass(bundle: Bundle, dataset: Dataset) -> None:
    lenient = {"policy": {"pass_below": 1.0, "reject_above": 1.0, "review_novelty": 1.0}, "mm_per_px": 0.5}
    demanding = {**lenient, "rules": [{"measure": "longest_mm", "above": 2.0}]}
    defective = [sample for sample in dataset.select("val") if sample.label != "good"]
    passed, ruled = (
        judge(Inspector(bundle, Recipe.model_validate(recipe)), defective, lambda _: None)
        for recipe in (lenient, demanding)
    )
    assert {part.verdict.outcome for part in passed} == {Outcome.PASS}
    large = [any((finding.longest_px or 0) > 4 for finding in part.prediction.findings) for part in ruled]
    assert any(large), "no part shows a defect; the claim would be empty"
    assert [part.verdict.outcome is Outcome.REJECT for part in ruled] == large
    assert all("longest" in part.verdict.reasons[0] for part, is_large in zip(ruled, large, strict=True) if is_large)
