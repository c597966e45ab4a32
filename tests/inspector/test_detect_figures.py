"""Average precision against a reference that is written from the definition, with loops and maxima."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from inspector.figures.detect import OVERLAPS, Scene, average_precision, missed, scene_of
from inspector.values import Finding

COLUMNS = {"pit": 0, "scratch": 1}


def overlap_of(a: Sequence[float], b: Sequence[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def reference(scenes: Sequence[Scene], kind: int, limit: float) -> float:
    """Mean over 101 recalls of the best precision at that recall or more; matching is done one finding at a time."""
    truths = [[b for b, k in zip(s.true_boxes.tolist(), s.true_kinds, strict=True) if k == kind] for s in scenes]
    ranked = sorted(
        (
            (score, -number, box)
            for number, s in enumerate(scenes)
            for score, box, k in zip(s.scores.tolist(), s.boxes.tolist(), s.kinds, strict=True)
            if k == kind
        ),
        key=lambda entry: -entry[0],
    )
    taken: set[tuple[int, int]] = set()
    points = []
    right = 0
    for rank, (_, minus_number, box) in enumerate(ranked, start=1):
        number = -minus_number
        free = [(overlap_of(box, t), i) for i, t in enumerate(truths[number]) if (number, i) not in taken]
        best = max(free, default=(0.0, -1))
        if best[0] >= limit:
            taken.add((number, best[1]))
            right += 1
        points.append((right / sum(map(len, truths)), right / rank))
    return float(
        np.mean([max((p for r, p in points if r >= recall), default=0.0) for recall in np.linspace(0, 1, 101)])
    )


def random_scene(rng: np.random.Generator) -> Scene:
    truth = rng.uniform(0, 80, (rng.integers(0, 6), 2))
    true_boxes = np.concatenate([truth, truth + rng.uniform(5, 30, truth.shape)], 1)
    true_kinds = rng.integers(0, 2, len(truth))
    near = true_boxes + rng.normal(0, 3, true_boxes.shape)
    stray = rng.uniform(0, 80, (3, 2))
    boxes = np.concatenate([near, near + 1, np.concatenate([stray, stray + 15], 1)])
    kinds = np.concatenate([true_kinds, true_kinds, rng.integers(0, 2, 3)])
    findings = [
        Finding(list(COLUMNS)[kind], float(rng.uniform()), x1, y1, x2 - x1, y2 - y1)
        for kind, (x1, y1, x2, y2) in zip(kinds, boxes.tolist(), strict=True)
    ]
    return scene_of(true_boxes, true_kinds.tolist(), findings, COLUMNS)


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_agrees_with_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scenes = [random_scene(rng) for _ in range(12)]
    for kind in (0, 1):
        for overlap in OVERLAPS:
            assert average_precision(scenes, kind, overlap) == pytest.approx(
                reference(scenes, kind, overlap), abs=1e-12
            )


def one_scene(*findings: Finding) -> Scene:
    return scene_of(np.array([[10, 10, 20, 20.0], [50, 50, 60, 60]]), [0, 0], findings, COLUMNS)


def test_a_perfect_detector_scores_one_and_a_silent_one_nothing() -> None:
    perfect = one_scene(Finding("pit", 0.9, 10, 10, 10, 10), Finding("pit", 0.8, 50, 50, 10, 10))
    assert average_precision([perfect], 0, 0.95) == 1.0
    assert average_precision([one_scene()], 0, 0.5) == 0.0
    assert average_precision([perfect], 1, 0.5) is None


def test_a_box_found_twice_counts_once() -> None:
    double = one_scene(Finding("pit", 0.9, 10, 10, 10, 10), Finding("pit", 0.8, 10, 10, 10, 10))
    assert average_precision([double], 0, 0.5) == pytest.approx(51 / 101)


def test_a_finding_of_another_class_is_wrong_but_the_box_is_not_missed() -> None:
    confused = one_scene(Finding("scratch", 0.9, 10, 10, 10, 10), Finding("pit", 0.4, 50, 50, 10, 10))
    assert average_precision([confused], 0, 0.5) == pytest.approx(51 / 101)
    assert missed([confused]) == (1, 2)  # the second is found below the probability that is shown
