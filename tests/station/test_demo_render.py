"""The renderer is deterministic, honest about its truth, and draws its defects where its masks say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.dataset import read_dataset
from inspector.errors import DatasetError
from inspector.preprocess import read_image
from station.demo.dataset import Order, main, write_dataset
from station.demo.plan import DEFECTS, GOOD, HARMLESS, PartPlan, plan_part, truth_label
from station.demo.render import render, render_plan
from station.demo.surface import build_plant

SEED = 11


def parts_with(label: str, many: int) -> list[PartPlan]:
    plans = (plan_part(SEED, index, 0.5) for index in range(400))
    return [plan for plan in plans if plan.label == label][:many]


def test_same_seed_and_index_give_the_same_pixels() -> None:
    before = render(SEED, 7)
    build_plant.cache_clear()
    after = render(SEED, 7)
    assert np.array_equal(before.image, after.image)
    assert before.image.shape == (1024, 1280, 3)


def test_another_index_or_seed_is_another_part() -> None:
    one = render(SEED, 7).image
    assert not np.array_equal(one, render(SEED, 8).image)
    assert not np.array_equal(one, render(SEED + 1, 7).image)


def test_share_of_defects_is_as_asked() -> None:
    labels = Counter(truth_label(SEED, index) for index in range(4000))
    share = 1 - labels[GOOD] / 4000
    assert abs(share - 0.12) < 4 * (0.12 * 0.88 / 4000) ** 0.5
    assert all(labels[defect] > 70 for defect in DEFECTS)


def test_truth_does_not_need_the_rest_of_the_plan() -> None:
    assert [truth_label(SEED, i) for i in range(200)] == [plan_part(SEED, i).label for i in range(200)]


@pytest.mark.parametrize("label", DEFECTS)
def test_defect_changes_the_picture_inside_its_mask_and_nowhere_else(label: str) -> None:
    for plan in parts_with(label, 6):
        part, twin = render_plan(SEED, plan), render_plan(SEED, replace(plan, label=GOOD, defect=None))
        assert part.mask is not None
        assert twin.mask is None
        difference = cv2.absdiff(part.image, twin.image).max(axis=2)
        assert difference[part.mask == 0].max() <= 1
        assert difference[part.mask > 0].mean() > 1.5
        assert 40 < np.count_nonzero(part.mask) < 0.15 * part.mask.size


def test_harmless_marks_are_weaker_than_every_defect() -> None:
    plans = [plan_part(SEED, index) for index in range(1500)]
    strongest_mark = max(mark.severity for plan in plans for mark in plan.marks)
    weakest_defect = min(plan.defect.severity for plan in plans if plan.defect)
    assert strongest_mark < weakest_defect
    assert {mark.kind for plan in plans for mark in plan.marks} == set(HARMLESS)


def test_light_drifts_slowly_and_stays_off_the_limits() -> None:
    means = np.array([render(SEED, index).image.mean() for index in range(0, 900, 60)])
    assert means.max() / means.min() > 1.08
    saturated = render(SEED, 5).image >= 251
    assert saturated.mean() < 0.02


def test_without_drift_the_light_is_steady() -> None:
    exposures = [plan_part(SEED, index, drift=0.0).light.exposure for index in range(0, 900, 10)]
    assert np.std(exposures) < 0.03


def test_data_set_reads_back_with_masks_and_one_group_a_part(tmp_path: Path) -> None:
    counts = write_dataset(Order(tmp_path / "parts", 12, SEED, defect_share=0.5, halved=True))
    dataset = read_dataset(tmp_path / "parts")
    assert len(dataset.rows) == 12
    assert len({row.group for row in dataset.rows}) == 12
    assert Counter(row.label for row in dataset.rows) == counts
    assert {row.split for row in dataset.rows} == {"train", "val"}
    assert all((row.mask_path is None) == (row.label == GOOD) for row in dataset.rows)
    assert all(int(row.extra["defect_px"]) > 10 for row in dataset.rows if row.mask_path)
    assert read_image(dataset.rows[0].path).shape == (512, 640, 3)


def test_data_set_is_not_written_over_another(tmp_path: Path) -> None:
    write_dataset(Order(tmp_path, 2, SEED, halved=True))
    with pytest.raises(DatasetError, match="there already"):
        write_dataset(Order(tmp_path, 2, SEED, halved=True))


def test_data_set_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(tmp_path / "parts"), "--parts", "3", "--seed", str(SEED), "--defect-share", "1", "--halved"]
    assert main(arguments) == 0
    assert "good" not in capsys.readouterr().out
    assert main(arguments) == 2
    assert "there already" in capsys.readouterr().err
