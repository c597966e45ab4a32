from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.preprocess import InputSpec, Roi, heat_to_frame, placement, preprocess

FITS = st.sampled_from(["stretch", "letterbox"])
SIDES = st.integers(40, 300)


@st.composite
def looks(draw: st.DrawFn) -> tuple[tuple[int, int], InputSpec, Roi | None]:
    height, width = draw(SIDES), draw(SIDES)
    spec = InputSpec(height=draw(st.integers(32, 128)), width=draw(st.integers(32, 128)), fit=draw(FITS))
    corner = st.integers(0, 20)
    roi = draw(st.none() | st.builds(Roi, x=corner, y=corner, width=st.integers(20, 400), height=st.integers(20, 400)))
    return (height, width), spec, roi


@given(looks(), st.floats(0, 1), st.floats(0, 1))
def test_a_box_goes_to_the_input_and_back(
    look: tuple[tuple[int, int], InputSpec, Roi | None], u: float, v: float
) -> None:
    shape, spec, roi = look
    place = placement(shape, spec, roi)
    x, y = u * (shape[1] - 8), v * (shape[0] - 8)
    box = np.array([[x, y, x + 8, y + 8]])
    assert place.boxes_to_frame(place.boxes_to_input(box)) == pytest.approx(box, abs=1e-6)


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("roi", [None, Roi(x=40, y=20, width=200, height=120)])
def test_a_bright_square_lies_where_the_placement_says(fit: str, roi: Roi | None) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[60:100, 120:170] = 255
    spec = InputSpec(height=128, width=96, fit=fit, pad_value=0)  # type: ignore[arg-type]
    picture = preprocess(image, spec, roi)
    rows, columns = np.nonzero(picture[:, :, 0] > 127)
    seen = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]])
    place = placement(image.shape, spec, roi)
    assert place.boxes_to_frame(seen)[0] == pytest.approx([120, 60, 170, 100], abs=2.1)


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("stride", [1, 4, 8])
def test_heat_falls_on_the_frame_where_the_picture_was(fit: str, stride: int) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[80:160, 160:240] = 255
    spec = InputSpec(height=64, width=128, fit=fit, pad_value=0)  # type: ignore[arg-type]
    roi = Roi(x=32, y=16, width=256, height=200)
    picture = preprocess(image, spec, roi)[:, :, 0].astype(np.float32) / 255
    heat = picture.reshape(64 // stride, stride, 128 // stride, stride).mean((1, 3))
    frame = heat_to_frame(heat, placement(image.shape, spec, roi), spec)
    truth = image[:, :, 0] > 127
    found = frame > 0.5
    assert frame.shape == (240, 320)
    assert (truth & found).sum() / (truth | found).sum() > 0.85
    assert not frame[:16].any()
    assert not frame[:, :32].any()
    assert not frame[216:].any()
