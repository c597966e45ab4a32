from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.dataset import Dataset, read_dataset
from inspector.errors import DatasetError
from training.leaks import require_no_leak


def dataset(folder: Path, copies: int, *, val: bool = True) -> Dataset:
    """30 pictures of noise, 10 of them val (or none); the first `copies` of val are pictures of train, brightened."""
    lines = ["path,split,label,group"]
    for number in range(30):
        seed = number - 20 if 20 <= number < 20 + copies else number
        image = cv2.GaussianBlur(np.random.default_rng(seed).integers(0, 255, (60, 80), np.uint8), (0, 0), 2)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.convertScaleAbs(image, beta=10 if seed != number else 0))
        lines.append(f"{number}.png,{'val' if val and number >= 20 else 'train'},good,g{number}")
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
    return read_dataset(folder)


def test_a_split_by_parts_passes(tmp_path: Path) -> None:
    require_no_leak(dataset(tmp_path, copies=0), allowed=False)


def test_a_split_that_leaks_is_refused_with_an_example_and_the_way_round(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        require_no_leak(dataset(tmp_path, copies=3), allowed=False)
    assert "3 of 10 pictures for validation are near-duplicates" in str(caught.value)
    assert "0.png and 20.png" in str(caught.value)
    assert "--allow-leaks" in str(caught.value)


def test_a_leak_that_is_allowed_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    require_no_leak(dataset(tmp_path, copies=3), allowed=True)
    assert "3 of 10 pictures for validation" in caplog.text


def test_one_pair_may_be_chance(tmp_path: Path) -> None:
    require_no_leak(dataset(tmp_path, copies=1), allowed=False)


def test_without_val_look_alikes_in_two_groups_are_refused_and_in_one_group_are_fine(tmp_path: Path) -> None:
    apart = dataset(tmp_path, copies=3, val=False)
    with pytest.raises(DatasetError, match="6 of 30 pictures for validation"):
        require_no_leak(apart, allowed=False)
    require_no_leak(replace(apart, rows=tuple(replace(row, group="one") for row in apart.rows)), allowed=False)


@pytest.mark.data
def test_tiles_cut_by_part_are_not_refused(real_data: Path) -> None:
    folder = read_dataset(real_data / "mt_tiles", splits=())
    require_no_leak(replace(folder, rows=folder.rows[:300]), allowed=False)
