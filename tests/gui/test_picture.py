from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gui.picture import CLOSEST, Placement, Tones, fitted, pyramid, render

BEHIND = (1, 2, 3)
numbers = st.floats(-5000, 5000)


@given(st.floats(0.01, 40), numbers, numbers, st.floats(0.2, 5), st.floats(0, 2000), st.floats(0, 2000))
def test_what_lies_under_the_pointer_stays_there_when_one_zooms(
    scale: float, x: float, y: float, factor: float, at_x: float, at_y: float
) -> None:
    before = Placement(scale, x, y)
    after = before.zoomed(factor, at_x, at_y, 0.01)
    assert after.to_picture(at_x, at_y) == pytest.approx(before.to_picture(at_x, at_y), rel=1e-6, abs=1e-3)
    assert 0.01 <= after.scale <= CLOSEST


@given(numbers, numbers, st.floats(0.01, 40), numbers, numbers)
def test_to_the_view_and_back_is_the_same_place(x: float, y: float, scale: float, dx: float, dy: float) -> None:
    place = Placement(scale, dx, dy)
    assert place.to_picture(*place.to_view(x, y)) == pytest.approx((x, y), abs=1e-3)


def test_a_picture_is_shown_whole_in_the_middle_in_its_colours() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[:] = (10, 100, 200)  # BGR
    shown = render(pyramid(image), fitted((200, 100), (400, 300)), (400, 300), Tones(), BEHIND)
    assert shown.shape == (300, 400, 3)
    assert tuple(shown[150, 200]) == (200, 100, 10)
    assert tuple(shown[10, 200]) == BEHIND
    assert (shown[52:248, 2:398] == (200, 100, 10)).all()


def test_a_large_picture_looks_the_same_from_any_level() -> None:
    """A step edge lies where it should, whichever level it is shown from."""
    image = np.zeros((3000, 4001), np.uint8)
    image[:, 2000:] = 255
    levels = pyramid(image)
    assert len(levels.levels) > 2
    for scale in (0.07, 0.2, 0.5, 1.0, 4.0):
        place = Placement(scale, 320 - scale * 2000, 0)
        shown = render(levels, place, (640, 16), Tones(), BEHIND)[4, :, 0].astype(int)
        assert shown[310] < 60, scale
        assert shown[330] > 195, scale


def test_a_pixel_close_up_is_a_square_of_one_colour() -> None:
    image = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3
    shown = render(pyramid(image), Placement(10.0), (80, 80), Tones(), BEHIND)
    assert (shown[30:40, 50:60] == image[3, 5]).all()


def test_tones_change_the_picture_and_not_what_lies_behind_it() -> None:
    image = np.full((50, 50), 100, np.uint8)
    shown = render(pyramid(image), Placement(1.0, 25, 25), (100, 100), Tones(1.0, 2.0), BEHIND)
    assert shown[50, 50, 0] == round(255 * (100 / 255) ** 0.5)
    assert tuple(shown[5, 5]) == BEHIND


@given(st.floats(1 / 3, 3), st.floats(1 / 3, 3))
def test_tones_keep_the_order_of_grey_levels(contrast: float, gamma: float) -> None:
    assert (np.diff(Tones(contrast, gamma).table().astype(int)) >= 0).all()


def test_plain_tones_leave_a_picture_as_it_is() -> None:
    assert (Tones().table() == np.arange(256)).all()
