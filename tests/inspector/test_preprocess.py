from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import UnreadableImage
from inspector.preprocess import InputSpec, Roi, preprocess
from inspector.values import Image

NETWORK = InputSpec(height=224, width=224)
SETS = ("bsd_wear", "cookies", "deeppcb", "mt_tiles", "neu_steel")
FRAME = (1280, 1024)


def area_average(image: Image, width: int, height: int) -> Image:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def difference(image: Image) -> float:
    """Mean distance from the exact area average, grey levels."""
    exact = area_average(image, NETWORK.width, NETWORK.height)
    return float(np.abs(preprocess(image, NETWORK).astype(int) - exact).mean())


def real_frames(folder: Path, most: int = 8) -> Iterator[Image]:
    names = sorted(path for path in folder.rglob("*.jpg") if "temp" not in path.name)
    for path in names[:: max(1, len(names) // most)][:most]:
        image = cv2.imread(str(path))
        yield np.asarray(cv2.resize(image, FRAME, interpolation=cv2.INTER_CUBIC), np.uint8)


def texture(rows: int, columns: int, seed: int = 0, noise: float = 3.0) -> Image:
    """A smooth surface with a sensor's noise, (rows, columns, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(40, 210, (rows // 64 + 2, columns // 64 + 2, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, noise, smooth.shape), 0, 255).astype(np.uint8)


@pytest.mark.data
def test_real_frames_come_out_within_half_a_grey_level_of_the_area_average(real_data: Path) -> None:
    differences = [difference(image) for name in SETS for image in real_frames(real_data / name / "images")]
    assert len(differences) == 8 * len(SETS)
    assert float(np.mean(differences)) <= 0.5
    assert max(differences) <= 1.0, "the coarsest texture, biscuits stretched to twice their width"


@pytest.mark.parametrize(("columns", "rows"), [(1280, 1024), (1920, 1200), (2448, 2048), (640, 480), (225, 300)])
def test_a_smooth_noisy_frame_comes_out_within_half_a_grey_level(columns: int, rows: int) -> None:
    assert difference(texture(rows, columns)) <= 0.5


def test_every_source_pixel_counts() -> None:
    """White noise is what a way of sampling that skips pixels gives itself away on: 15 grey levels, not 5."""
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1280, 3)).astype(np.uint8)
    assert difference(noise) <= 5


def test_the_answer_does_not_depend_on_what_was_seen_before() -> None:
    frames = [texture(rows, columns, seed=seed) for seed, (rows, columns) in enumerate([(1024, 1280), (900, 1280)] * 2)]
    first = [preprocess(frame, NETWORK) for frame in frames]
    kept = [picture.copy() for picture in first]
    for frame in reversed(frames):
        preprocess(frame, NETWORK)
    for picture, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(picture, copy)


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_a_frame_of_a_size_seen_before_allocates_nothing(fit: Literal["stretch", "letterbox"]) -> None:
    spec = InputSpec(height=224, width=224, fit=fit)
    frame, out = texture(1024, 1280), np.empty((224, 224, 3), np.uint8)
    expected = preprocess(frame, spec)
    tracemalloc.start()
    returned = preprocess(frame, spec, out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert returned is out
    np.testing.assert_array_equal(out, expected)
    assert peak < 10_000, "arrays are counted; the smallest intermediate one has 150,000 bytes"


@pytest.mark.parametrize("shape", [(224, 224), (1024, 1280), (96, 128), (100, 1280)])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_the_input_goes_where_it_is_asked_for(shape: tuple[int, int], channels: tuple[int, ...]) -> None:
    frame = texture(*shape)[:, :, 0].reshape(*shape, 1).repeat(3 if channels == (3,) else 1, axis=2)
    frame = frame.reshape(*shape, *channels)
    for fit in ("stretch", "letterbox"):
        spec, out = InputSpec(height=224, width=224, fit=fit), np.zeros((224, 224, 3), np.uint8)
        assert preprocess(frame, spec, out=out) is out
        np.testing.assert_array_equal(out, preprocess(frame, spec))


def test_fine_stripes_do_not_alias() -> None:
    stripes = np.zeros((1024, 1280, 3), np.uint8)
    stripes[:, ::2] = 255
    assert preprocess(stripes, NETWORK).std() <= 1.0


def test_a_wide_low_frame_is_averaged_where_it_shrinks() -> None:
    line_scan = np.random.default_rng(0).integers(0, 256, (64, 4096, 3)).astype(np.uint8)
    exact = area_average(line_scan, 224, 64)
    assert preprocess(line_scan, NETWORK).std() == pytest.approx(cv2.resize(exact, (224, 224)).std(), rel=0.01)


def test_a_smaller_frame_is_enlarged_without_overshoot() -> None:
    small = texture(96, 128)
    large = preprocess(small, NETWORK)
    assert large.shape == (224, 224, 3)
    assert small.min() <= large.min()
    assert large.max() <= small.max()


def test_a_frame_of_the_networks_size_is_unchanged() -> None:
    image = texture(224, 224)
    assert np.array_equal(preprocess(image, NETWORK), image)


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("shape", [(1024, 1280), (300, 200), (100, 90), (224, 224)])
def test_grey_in_any_layout_equals_the_same_grey_in_colour(shape: tuple[int, int], fit: str) -> None:
    spec = InputSpec(height=224, width=224, fit=fit)  # type: ignore[arg-type]
    grey = texture(*shape)[:, :, 0].copy()
    colour = np.repeat(grey[:, :, None], 3, axis=2)
    expected = preprocess(colour, spec)
    assert np.array_equal(preprocess(grey, spec), expected)
    assert np.array_equal(preprocess(grey[:, :, None], spec), expected)


@given(
    rows=st.integers(1, 700),
    columns=st.integers(1, 700),
    channels=st.sampled_from([0, 1, 3]),
    fit=st.sampled_from(["stretch", "letterbox"]),
)
def test_any_8_bit_frame_gives_a_contiguous_uint8_input(rows: int, columns: int, channels: int, fit: str) -> None:
    image = np.full((rows, columns, channels) if channels else (rows, columns), 77, np.uint8)
    spec = InputSpec(height=48, width=64, fit=fit)  # type: ignore[arg-type]
    picture = preprocess(image, spec)
    assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)
    assert picture.flags["C_CONTIGUOUS"]
    assert set(np.unique(picture)) <= {77, spec.pad_value}


def test_a_strided_view_equals_its_copy() -> None:
    frame = texture(512, 640)
    for view in (frame[::-1], frame[:, ::-1], frame[::2, ::2], frame[:, :, ::-1]):
        assert np.array_equal(preprocess(view, NETWORK), preprocess(view.copy(), NETWORK))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 10), np.uint16),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3, 1), np.uint8),
        np.zeros((0, 10, 3), np.uint8),
        np.zeros(10, np.uint8),
    ],
    ids=["16 bit", "float", "4 channels", "4 axes", "empty", "1 axis"],
)
def test_what_is_no_8_bit_picture_is_refused(image: Image) -> None:
    with pytest.raises(UnreadableImage, match="expected"):
        preprocess(image, NETWORK)


def test_only_the_region_of_interest_is_seen() -> None:
    frame = np.zeros((400, 500, 3), np.uint8)
    frame[100:300, 200:420] = 200
    assert (preprocess(frame, NETWORK, Roi(x=200, y=100, width=220, height=200)) == 200).all()


def test_a_region_over_the_edge_is_clipped_to_the_frame() -> None:
    frame = texture(400, 500)
    over = preprocess(frame, NETWORK, Roi(x=450, y=300, width=1000, height=1000))
    assert np.array_equal(over, preprocess(frame[300:, 450:], NETWORK))


def test_a_region_outside_the_frame_is_refused_by_size_and_place() -> None:
    with pytest.raises(UnreadableImage, match=r"region of interest 50x60 at \(600, 0\) lies outside the 500x400 frame"):
        preprocess(texture(400, 500), NETWORK, Roi(x=600, y=0, width=50, height=60))


@pytest.mark.parametrize(("rows", "columns"), [(1024, 1280), (300, 900), (900, 300), (20, 10), (64, 4096)])
def test_letterbox_keeps_the_aspect_and_pads_evenly(rows: int, columns: int) -> None:
    spec = InputSpec(height=224, width=224, fit="letterbox", pad_value=0)
    inside = preprocess(np.full((rows, columns, 3), 255, np.uint8), spec)[:, :, 0] == 255
    down, across = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert (down.size, across.size) == (
        max(1, round(224 * min(1, rows / columns))),
        max(1, round(224 * min(1, columns / rows))),
    )
    for filled in (down, across):
        before, after = filled[0], 223 - filled[-1]
        assert 0 <= after - before <= 1
