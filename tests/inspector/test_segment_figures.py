from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector import metrics
from inspector.bundle import Manifest
from inspector.figures import JudgedPart
from inspector.figures.segment import figures, lines
from inspector.preprocess import Placement
from inspector.samples import Sample
from inspector.values import Outcome, Prediction, Verdict
from tests.conftest import manifest as bundle_manifest

SIDE = 40
PLACE = Placement(SIDE, SIDE, 0, 0, 1.0, 1.0)


def manifest() -> Manifest:
    spec = bundle_manifest().input.model_copy(update={"height": SIDE, "width": SIDE})
    return bundle_manifest(task="segment", classes=("pit", "stain"), good=("good",), input=spec)


def part(folder: Path, name: str, label: str, truth: np.ndarray, found: np.ndarray, score: float) -> JudgedPart:
    cv2.imwrite(str(folder / f"{name}.png"), np.zeros((SIDE, SIDE), np.uint8))
    mask_path = None
    if label != "good":
        mask_path = folder / f"{name}_mask.png"
        cv2.imwrite(str(mask_path), truth.astype(np.uint8) * 255)
    sample = Sample(name, folder / f"{name}.png", "val", label, name, mask_path, None, {})
    prediction = Prediction(label, (score, 0.0), score, (score,), heat=found.astype(np.float32))
    return JudgedPart(sample, Verdict(Outcome.PASS), prediction, label != "good", 0.0, PLACE)


def square(top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top : top + side, left : left + side] = True
    return mask


@pytest.fixture
def parts(tmp_path: Path) -> list[JudgedPart]:
    nothing = np.zeros((SIDE, SIDE), bool)
    return [
        part(tmp_path, "a", "pit", square(5, 5, 4), square(5, 5, 4), 0.9),
        part(tmp_path, "b", "stain", square(10, 10, 20), square(10, 20, 20), 0.8),
        part(tmp_path, "c", "stain", nothing, square(0, 0, 3), 0.2),
        part(tmp_path, "d", "good", nothing, nothing, 0.3),
    ]


def test_dice_is_the_mean_over_the_parts_with_a_mask(parts: list[JudgedPart]) -> None:
    shown = figures(parts, manifest())
    assert (shown["dice"], shown["dice_n"]) == (pytest.approx(0.75), 2)
    assert shown["per_class"] == {"pit": {"n": 1, "dice": 1.0}, "stain": {"n": 1, "dice": pytest.approx(0.5)}}


def test_a_defective_part_with_an_empty_mask_counts_for_the_image_figures(parts: list[JudgedPart]) -> None:
    shown = figures(parts, manifest())
    assert shown["image_auroc"] == pytest.approx(2 / 3)
    assert shown["image_ap"] == pytest.approx((1 + 1 + 3 / 4) / 3)


def test_miou_counts_all_pixels_together(parts: list[JudgedPart]) -> None:
    both, either = 16 + 200, 16 + 600 + 9
    sound = 4 * SIDE * SIDE
    expected = (both / either + (sound - either) / (sound - both)) / 2
    assert figures(parts, manifest())["miou"] == pytest.approx(expected)


def test_good_parts_alone_have_no_figures_and_the_lines_say_so(parts: list[JudgedPart]) -> None:
    shown = figures(parts[3:], manifest())
    assert [shown[name] for name in ("dice", "miou", "aupro", "image_auroc", "image_ap")] == [None] * 5
    assert "undefined" in lines(shown)[0]
    assert any(line.startswith("  pit") for line in lines(figures(parts, manifest())))


def test_average_precision_counts_equal_scores_together() -> None:
    scores, truth = np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])
    assert metrics.average_precision(scores, truth) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    with pytest.raises(ValueError, match="defective"):
        metrics.average_precision(scores, ~np.ones(4, bool))
