"""The grain of a surface: lines along x, along y and aslant, told apart from noise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.grain import Grain, measure_grain

NONE = Grain(0.0, 0.0, 0.0)


def noise(shape: tuple[int, ...] = (256, 320, 3), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(120, 8, shape).clip(0, 255).astype(np.uint8)


def rows(seed: int = 0) -> np.ndarray:
    """Each row has one grey level of its own: lines along x."""
    levels = np.random.default_rng(seed).integers(0, 255, (256, 1)).astype(np.uint8)
    return np.repeat(levels, 320, axis=1)


def slanted() -> np.ndarray:
    """Lines from top left to bottom right."""
    levels = np.random.default_rng(0).integers(0, 255, 600).astype(np.uint8)
    down, across = np.mgrid[:256, :320]
    return np.asarray(levels[across - down + 256])


def test_noise_has_a_quarter_along_both_axes_and_no_slant() -> None:
    grain = measure_grain(noise((1024, 1280, 3)))
    assert (grain.along_x, grain.along_y) == (pytest.approx(0.25, abs=0.01), pytest.approx(0.25, abs=0.01))
    assert grain.aslant == pytest.approx(0, abs=0.01)


def test_rows_are_lines_along_x_and_columns_along_y() -> None:
    assert measure_grain(rows()) == Grain(1.0, 0.0, 0.0)
    assert measure_grain(np.ascontiguousarray(rows().T)) == Grain(0.0, 1.0, 0.0)


def test_slanted_lines_have_the_sign_of_their_direction() -> None:
    assert measure_grain(slanted()).aslant == 1.0
    assert measure_grain(np.ascontiguousarray(slanted()[:, ::-1])).aslant == -1.0


def test_a_slight_brushing_shows_among_parts_of_very_different_looks() -> None:
    """Parts differ in light and contrast by far more than the brushing does, and not in their grain."""
    lines = cv2.GaussianBlur(np.random.default_rng(1).normal(size=(256, 320)), (0, 0), sigmaX=12, sigmaY=0.8)
    lines *= 2 / lines.std()
    plain, brushed = [], []
    for seed in range(20):
        part = noise(seed=seed).astype(float) * np.random.default_rng(seed).uniform(0.3, 1.5)
        plain.append(measure_grain(part.clip(0, 255).astype(np.uint8)).along_x)
        brushed.append(measure_grain((part + lines[:, :, None]).clip(0, 255).astype(np.uint8)).along_x)
    assert min(brushed) > max(plain)


@pytest.mark.parametrize("image", [np.zeros((64, 64, 3), np.uint8), np.full((300, 200), 80, np.uint8)])
def test_a_picture_without_structure_has_no_grain(image: np.ndarray) -> None:
    assert measure_grain(image) == NONE


@pytest.mark.parametrize("shape", [(15, 400, 3), (400, 15), (1, 1, 3)])
def test_a_frame_smaller_than_a_block_has_no_grain(shape: tuple[int, ...]) -> None:
    assert measure_grain(noise(shape)) == NONE


@pytest.mark.parametrize("shape", [(16, 16), (31, 700, 3), (64, 64, 1), (65, 33, 3)])
def test_small_and_grey_frames_are_measured_on_the_bands_they_have(shape: tuple[int, ...]) -> None:
    grain = measure_grain(noise(shape))
    assert 0 < grain.along_x < 0.6
    assert 0 < grain.along_y < 0.6
    assert -0.5 < grain.aslant < 0.5


def test_a_colour_picture_has_the_grain_of_its_grey_one_whatever_the_contrast() -> None:
    colour = noise((64, 160, 3)) // 40
    grey = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)
    assert measure_grain(colour) == measure_grain(grey) == measure_grain(grey[:, :, None])
    assert measure_grain(grey).along_x > 0


def test_grain_is_measured_all_over_the_frame() -> None:
    """Lines in one quarter of the height count as one band of four."""
    for band in range(4):
        image = noise((256, 320))
        image[64 * band : 64 * (band + 1)] = rows()[:64]
        assert measure_grain(image).along_x > 0.5


@given(st.integers(0, 2**32 - 1), st.integers(16, 80), st.integers(16, 80))
def test_mirroring_turns_the_slant_and_a_quarter_turn_swaps_the_axes(seed: int, height: int, width: int) -> None:
    image = np.random.default_rng(seed).integers(0, 255, (height, width // 16 * 16)).astype(np.uint8)
    grain, mirrored = measure_grain(image), measure_grain(np.ascontiguousarray(image[:, ::-1]))
    assert mirrored.along_x == pytest.approx(grain.along_x, abs=1e-5)
    assert mirrored.along_y == pytest.approx(grain.along_y, abs=1e-5)
    assert mirrored.aslant == pytest.approx(-grain.aslant, abs=1e-5)
    square = image[:16, :16]
    turned = measure_grain(np.ascontiguousarray(square.T))
    assert (turned.along_x, turned.along_y) == pytest.approx(
        (measure_grain(square).along_y, measure_grain(square).along_x), abs=1e-5
    )


def test_the_middle_rows_of_each_band_count_and_whole_blocks_of_columns() -> None:
    """A frame of 256 rows has four bands of 64, of which the rows 24 to 39 are measured."""
    image = noise((256, 79))
    other = noise((256, 79), seed=1)
    measured = np.arange(256) % 64 // 8
    middle = (measured == 3) | (measured == 4)
    other[middle] = image[middle]
    assert measure_grain(other) == measure_grain(image) == measure_grain(np.ascontiguousarray(image[:, :64]))


def test_the_slightest_structure_has_a_grain() -> None:
    assert measure_grain(rows() // 250) == Grain(1.0, 0.0, 0.0)
