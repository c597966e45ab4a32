"""Colour, grain and position of a camera's pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from inspector.grain import Grain
from inspector.imaging import BINS, PARTS_LEARNT, REACH_BINS, Imaging, Register, measure

PLAIN = Grain(0.25, 0.25, 0.0)


def picture(seed: int = 0, shape: tuple[int, ...] = (240, 512, 3), noise: float = 3.0) -> np.ndarray:
    """A part of bands and a bar, with noise."""
    rng = np.random.default_rng(seed)
    image = np.full(shape, 90.0)
    image[40:200, 60:420] += 60
    image[90:120, 150:170] -= 40
    image += rng.normal(0, noise, shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def moved(image: np.ndarray, x: float, y: float) -> np.ndarray:
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return np.asarray(cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]), borderMode=cv2.BORDER_REPLICATE))


def learnt() -> Register:
    register = Register()
    for seed in range(PARTS_LEARNT):
        assert register.place(measure(picture(seed))) is None
    return register


def test_colour_is_the_share_of_red_and_blue() -> None:
    image = np.zeros((50, 60, 3), np.uint8)
    image[:] = (20, 30, 50)
    measured = measure(image)
    assert (measured.redness, measured.blueness) == (pytest.approx(0.5), pytest.approx(0.2))


@pytest.mark.parametrize(
    "image", [picture(shape=(100, 120)), picture(shape=(100, 120, 1)), np.zeros((64, 64, 3), np.uint8)]
)
def test_grey_and_black_pictures_have_no_colour(image: np.ndarray) -> None:
    measured = measure(image)
    assert (measured.redness, measured.blueness) == (pytest.approx(1 / 3), pytest.approx(1 / 3))


@pytest.mark.parametrize("shape", [(16, 16), (31, 700, 3), (1024, 1280, 3)])
def test_profiles_have_one_length_whatever_the_frame(shape: tuple[int, ...]) -> None:
    measured = measure(picture(1, (max(shape[0], 240), max(shape[1], 512), *shape[2:]))[: shape[0], : shape[1]])
    assert measured.along_x.shape == measured.along_y.shape == (BINS - 1,)
    assert (measured.width_px, measured.height_px) == (shape[1], shape[0])
    for profile in (measured.along_x, measured.along_y):
        assert np.linalg.norm(profile) == pytest.approx(1) or not profile.any()


@pytest.mark.parametrize(("x", "y"), [(0, 0), (3, 0), (-3, 0), (0, 3), (6, -5), (1.5, 0)])
def test_a_moved_picture_is_found_where_it_lies(x: float, y: float) -> None:
    register = learnt()
    places = [register.place(measure(moved(picture(100 + n), x, y))) for n in range(10)]
    found = np.median(np.array(places, float), axis=0)
    assert found == pytest.approx([x, y], abs=0.6)


def test_a_picture_beyond_reach_is_at_its_end() -> None:
    register = learnt()
    place = register.place(measure(moved(picture(9), 120, 0)))
    assert place is not None
    assert abs(place[0]) <= REACH_BINS * 512 / BINS


def test_a_picture_at_the_end_of_reach_has_no_parabola() -> None:
    reference = np.zeros(BINS - 1)
    reference[100] = 1.0
    register = Register((tuple(reference), tuple(reference)), PARTS_LEARNT)
    at_end = np.zeros(BINS - 1)
    at_end[100 + REACH_BINS] = 1.0
    assert register.place(Imaging(1 / 3, 1 / 3, PLAIN, at_end, reference, BINS, BINS)) == (REACH_BINS, 0.0)
    at_end = np.roll(at_end, -2 * REACH_BINS)
    assert register.place(Imaging(1 / 3, 1 / 3, PLAIN, at_end, reference, BINS, BINS)) == (-REACH_BINS, 0.0)


def test_a_peak_between_bins_is_placed_by_a_parabola() -> None:
    reference = np.zeros(BINS - 1)
    reference[100] = 1.0
    register = Register((tuple(reference), tuple(reference)), PARTS_LEARNT)
    profile = np.zeros(BINS - 1)
    profile[100:103] = (0.2, 0.9, 0.4)
    place = register.place(Imaging(1 / 3, 1 / 3, PLAIN, profile, reference, 2 * BINS, BINS))
    before, at, after = 0.2, 0.9, 0.4
    assert place == (pytest.approx(2 * (1 + (before - after) / (2 * (before - 2 * at + after)))), 0.0)


def test_an_even_peak_lies_in_its_first_bin() -> None:
    reference = np.zeros(BINS - 1)
    reference[100] = 1.0
    register = Register((tuple(reference), tuple(reference)), PARTS_LEARNT)
    flat = np.zeros(BINS - 1)
    flat[99:103] = 0.5
    place = register.place(Imaging(1 / 3, 1 / 3, PLAIN, flat, reference, BINS, BINS))
    assert place == (pytest.approx(-0.5), 0.0)


def test_a_picture_without_edges_has_not_moved() -> None:
    flat = measure(np.full((100, 100, 3), 50, np.uint8))
    assert not flat.along_x.any()
    assert learnt().place(flat) == (0.0, 0.0)


def test_a_register_goes_on_from_its_state() -> None:
    whole, first = Register(), Register()
    for seed in range(40):
        whole.place(measure(picture(seed)))
        first.place(measure(picture(seed)))
    second = Register(first.state(), first.parts)
    for seed in range(40, PARTS_LEARNT):
        whole.place(measure(picture(seed)))
        second.place(measure(picture(seed)))
    assert whole.parts == second.parts == PARTS_LEARNT
    probe = measure(moved(picture(500), 4, 2))
    assert whole.place(probe) == second.place(probe) == Register(whole.state(), whole.parts).place(probe)
