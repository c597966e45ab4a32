from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector import metrics
from inspector.bundle import Manifest
from inspector.figures import JudgedPart
from inspector.figures.anomaly import figures, lines
from inspector.figures.pixels import pixel_auroc
from inspector.preprocess import Placement
from inspector.samples import Sample
from inspector.values import Outcome, Prediction, Verdict
from tests.conftest import manifest as bundle_manifest

SIDE = 40
PLACE = Placement(SIDE, SIDE, 0, 0, 1.0, 1.0)


def manifest() -> Manifest:
    spec = bundle_manifest().input.model_copy(update={"height": SIDE, "width": SIDE})
    return bundle_manifest(task="anomaly", classes=("pit", "stain"), good=("good",), input=spec)


def part(folder: Path, name: str, label: str, truth: np.ndarray | None, heat: np.ndarray, score: float) -> JudgedPart:
    cv2.imwrite(str(folder / f"{name}.png"), np.zeros((SIDE, SIDE), np.uint8))
    mask_path = None
    if truth is not None:
        mask_path = folder / f"{name}_mask.png"
        cv2.imwrite(str(mask_path), truth.astype(np.uint8) * 255)
    sample = Sample(name, folder / f"{name}.png", "val", label, name, mask_path, None, {})
    prediction = Prediction("defect", (score,), min(1.0, score), (score,), heat=heat.astype(np.float32))
    return JudgedPart(sample, Verdict(Outcome.PASS), prediction, label != "good", 0.0, PLACE)


def square() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[10:20, 10:20] = True
    return mask


def test_a_map_that_is_highest_on_the_mask_is_perfect_and_one_that_is_lowest_there_is_not(tmp_path: Path) -> None:
    quiet = np.zeros((SIDE, SIDE))
    good = part(tmp_path, "g", "good", None, quiet, 0.1)
    right = figures([good, part(tmp_path, "a", "pit", square(), square() * 0.9, 0.8)], manifest())
    assert right["pixel_auroc"] == right["aupro"] == right["image_auroc"] == pytest.approx(1.0)
    wrong = figures([good, part(tmp_path, "b", "pit", square(), ~square() * 0.9, 0.05)], manifest())
    assert wrong["image_auroc"] == 0.0
    assert isinstance(wrong["pixel_auroc"], float)
    assert wrong["pixel_auroc"] < 0.5


def test_a_defective_part_without_a_mask_counts_for_the_image_figures_only(tmp_path: Path) -> None:
    loud = np.ones((SIDE, SIDE))
    parts = [
        part(tmp_path, "g", "good", None, loud * 0, 0.1),
        part(tmp_path, "a", "pit", square(), square() * 0.9, 0.8),
        part(tmp_path, "u", "stain", None, loud, 0.05),
        part(tmp_path, "e", "stain", np.zeros((SIDE, SIDE), bool), loud, 0.9),
    ]
    found = figures(parts, manifest())
    assert (found["aupro"], found["masked"]) == (pytest.approx(1.0), 1)
    assert found["image_auroc"] == pytest.approx(2 / 3)
    assert found["per_class"] == {"pit": {"n": 1, "image_auroc": 1.0}, "stain": {"n": 2, "image_auroc": 0.5}}


def test_good_parts_alone_leave_every_figure_undefined_and_the_lines_say_so(tmp_path: Path) -> None:
    found = figures([part(tmp_path, "g", "good", None, np.zeros((SIDE, SIDE)), 0.1)], manifest())
    assert [found[name] for name in ("image_auroc", "image_ap", "pixel_auroc", "aupro")] == [None] * 4
    assert all("undefined" in line for line in lines(found))


def test_pixel_auroc_is_that_of_all_pixels_put_together() -> None:
    rng = np.random.default_rng(0)
    pairs = [(rng.integers(0, 6, (SIDE, SIDE)).astype(np.float32) + square(), square()) for _ in range(3)]
    values = np.concatenate([heat.ravel() for heat, _ in pairs]).astype(np.float64)
    masks = np.concatenate([mask.ravel() for _, mask in pairs])
    assert pixel_auroc(pairs) == pytest.approx(metrics.auroc(values, masks), abs=1e-12)
