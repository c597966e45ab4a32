from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.duplicates import fingerprints, joined, near_pairs, small_picture
from inspector.preprocess import read_image


def textures(count: int) -> list[np.ndarray]:
    """Pictures (120, 160) of one fixture, each with blotches of its own."""
    rng = np.random.default_rng(3)
    fixture = np.zeros((120, 160), np.float32)
    cv2.rectangle(fixture, (20, 20), (140, 100), 120, 6)
    cv2.circle(fixture, (80, 60), 25, 90, 4)
    blotches = [cv2.resize(rng.normal(0, 25, (30, 40)).astype(np.float32), (160, 120)) for _ in range(count)]
    return [np.clip(80 + fixture + each, 0, 255).astype(np.uint8) for each in blotches]


def pairs(images: list[np.ndarray]) -> list[tuple[int, int]]:
    small = np.array([small_picture(image) for image in images])
    return [(i, j) for i, j, _ in near_pairs(fingerprints(small))]


def test_a_copy_encoded_again_and_brightened_is_found_among_parts_of_one_fixture() -> None:
    images = textures(60)
    jpeg = cv2.imencode(".jpg", images[7], [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    copy = cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE)
    assert pairs([*images, cv2.convertScaleAbs(copy, alpha=0.8, beta=20)]) == [(7, 60)]


def test_the_fixture_alone_makes_no_near_duplicates_though_the_raw_pictures_correlate() -> None:
    images = textures(60)
    raw = np.corrcoef([cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).ravel() for image in images])
    assert raw[~np.eye(60, dtype=bool)].mean() > 0.9
    assert pairs(images) == []


def test_flat_pictures_resemble_nothing() -> None:
    assert pairs([np.full((50, 50), level, np.uint8) for level in (10, 10, 200)]) == []


def test_two_equal_pictures_are_a_pair_and_two_others_are_not() -> None:
    one, two = textures(2)
    assert pairs([one, one]) == [(0, 1)]
    noise = np.random.default_rng(0).integers(0, 255, two.shape, np.uint8)
    assert pairs([one, noise]) == []


def test_groups_join_by_way_of_others() -> None:
    assert joined(6, [(4, 2), (1, 4), (5, 3)]) == [0, 1, 1, 3, 1, 3]


@pytest.mark.data
def test_tiles_photographed_under_several_exposures_are_found_and_other_tiles_are_not(real_data: Path) -> None:
    """By groups of the index, 120 pictures: of the pairs found nearly all are one tile, and those are many."""
    from inspector.dataset import read_dataset

    rows = read_dataset(real_data / "mt_tiles").rows[:120]
    found = pairs([read_image(row.path) for row in rows])
    right = sum(rows[i].group == rows[j].group for i, j in found)
    assert right >= 20
    assert right == len(found)
