from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from inspector.drawn import Box, Drawing, Polygon, Stroke, mask


def test_a_box_covers_its_pixels_and_no_other() -> None:
    painted = mask(Drawing(width_px=10, height_px=8, shapes=(Box(x=2, y=3, width=4, height=2),)))
    # OpenCV fills the outline as well, half a pixel wide.
    assert painted[3:5, 2:6].all()
    assert not painted[:2].any()
    assert not painted[:, :1].any()
    assert painted.dtype == np.uint8


def test_what_is_erased_later_is_gone_and_what_is_drawn_later_is_there() -> None:
    everything = Polygon(points=((0, 0), (40, 0), (40, 40), (0, 40)))
    hole = Stroke(points=((20, 20),), radius_px=8, erases=True)
    dot = Stroke(points=((20, 20), (22, 20)), radius_px=2)
    painted = mask(Drawing(width_px=40, height_px=40, shapes=(everything, hole, dot)))
    assert painted[1, 1] == 255
    assert painted[20, 27] == 0
    assert painted[20, 21] == 255
    assert np.count_nonzero(painted == 0) == pytest.approx(np.pi * 8**2 - np.pi * 2**2, rel=0.15)


def test_a_shape_beyond_the_picture_is_cut_off() -> None:
    painted = mask(Drawing(width_px=5, height_px=5, shapes=(Box(x=-10, y=-10, width=100, height=100),)))
    assert painted.all()


@pytest.mark.parametrize(
    "shape",
    [
        {"kind": "polygon", "points": [[0, 0], [1, 1]]},
        {"kind": "box", "x": 0, "y": 0, "width": 0, "height": 1},
        {"kind": "star"},
    ],
)
def test_no_shape_without_an_area(shape: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Drawing.model_validate({"width_px": 5, "height_px": 5, "shapes": [shape]})
