from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.bundle import Tiles, load_bundle, write_bundle
from inspector.calibration import Calibration, Platt
from inspector.errors import UnreadableImage
from inspector.heads import load_head
from inspector.inspection import Inspector
from inspector.model import Model
from inspector.preprocess import InputSpec, Roi
from inspector.tiling import merge, windows
from inspector.values import Finding, Frame, Prediction
from tests.conftest import brightness_network, bundle_files, manifest

TILES = Tiles(width=100, height=100, overlap=30)
FRAME = (100, 170, 3)
IDENTITY = Calibration(temperature=1, platt=Platt(slope=1, intercept=0), n=2, n_defect=1)
PAIR = (Roi(x=0, y=0, width=100, height=100), Roi(x=70, y=0, width=100, height=100))


def predicted(*findings: Finding, defective: float = 0.9) -> Prediction:
    return Prediction("pit", (defective, 0.1), defective, (defective,), findings)


@given(st.integers(20, 400), st.integers(20, 400), st.integers(0, 60))
def test_tiles_cover_every_pixel_and_neighbours_share_the_overlap(height: int, width: int, overlap: int) -> None:
    tiles = windows((height, width), Tiles(width=90, height=70, overlap=overlap))
    seen = np.zeros((height, width), int)
    for tile in tiles:
        seen[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
        assert tile.x + tile.width <= width
        assert tile.y + tile.height <= height
    assert seen.min() >= 1
    starts = sorted({tile.x for tile in tiles})
    assert all(later - earlier <= 90 - overlap for earlier, later in itertools.pairwise(starts))


def test_a_region_of_interest_is_tiled_and_nothing_outside_it() -> None:
    tiles = windows((500, 500), TILES, Roi(x=40, y=60, width=150, height=80))
    assert [(tile.x, tile.y, tile.width, tile.height) for tile in tiles] == [(40, 60, 100, 80), (90, 60, 100, 80)]


def test_the_example_frame_is_two_tiles() -> None:
    assert windows(FRAME, TILES) == PAIR


def test_a_defect_in_the_overlap_is_found_once() -> None:
    merged = merge(
        [predicted(Finding("pit", 0.8, 75, 40, 10, 10)), predicted(Finding("pit", 0.9, 75, 41, 10, 10))], PAIR
    )
    assert merged.findings == (Finding("pit", 0.9, 75, 41, 10, 10),)


def test_the_cut_half_of_a_whole_finding_goes_even_when_it_scores_higher() -> None:
    whole, half = Finding("pit", 0.6, 80, 40, 30, 10), Finding("pit", 0.9, 80, 40, 20, 10)
    assert merge([predicted(half), predicted(whole)], PAIR).findings == (whole,)


def test_a_defect_longer_than_the_overlap_is_put_together() -> None:
    left, right = Finding("scratch", 0.7, 20, 40, 80, 6), Finding("scratch", 0.8, 70, 41, 90, 6)
    (joined,) = merge([predicted(left), predicted(right)], PAIR).findings
    assert joined == Finding("scratch", 0.8, 20, 40, 140, 7)


def test_two_kinds_and_two_places_stay_apart() -> None:
    found = predicted(Finding("pit", 0.8, 75, 40, 10, 10), Finding("pit", 0.5, 10, 10, 10, 10))
    merged = merge([found, predicted(Finding("scratch", 0.7, 75, 40, 10, 10))], PAIR)
    assert [finding.probability for finding in merged.findings] == [0.8, 0.7, 0.5]


def test_a_finding_at_the_frames_own_edge_is_whole() -> None:
    at_edge = Finding("pit", 0.8, 0, 40, 10, 10)
    assert merge([predicted(at_edge), predicted()], PAIR).findings == (at_edge,)


def test_a_frame_is_as_defective_as_its_worst_tile() -> None:
    merged = merge([predicted(defective=0.2), predicted(defective=0.7)], PAIR)
    assert (merged.defect_probability, merged.class_probabilities) == (0.7, (0.7, 0.1))


def test_as_many_predictions_as_tiles() -> None:
    with pytest.raises(ValueError, match="one prediction for each tile"):
        merge([predicted()], PAIR)


def test_a_frame_of_which_the_region_leaves_nothing_cannot_be_tiled() -> None:
    with pytest.raises(UnreadableImage, match="left to cut in tiles"):
        windows(FRAME, TILES, Roi(x=168, y=0, width=50, height=50))


def test_the_inspection_judges_every_tile_and_reports_in_frame_pixels(tmp_path: Path) -> None:
    """A dark spot in the last tile only: the network, which finds what is dark, says where in the frame it is."""
    tiled = manifest(
        task="detect",
        classes=("pit",),
        input=InputSpec(height=32, width=32),
        output_names=("boxes", "scores"),
        tiles=Tiles(width=64, height=64, overlap=16),
    )
    folder = write_bundle(tmp_path, tiled, bundle_files(brightness_network()))
    model = Model(DarkSpots(), load_head(tiled, IDENTITY), "float")
    image = np.full((64, 160, 3), 200, np.uint8)
    image[20:30, 130:140] = 10
    inspected = Inspector(load_bundle(folder), model=model).inspect([Frame(image, "camera", 0, datetime.now(UTC))])
    prediction = inspected.views[0].prediction
    assert prediction is not None
    (found,) = prediction.findings
    assert (found.label, found.x, found.y, found.width, found.height) == ("pit", 130, 20, 10, 10)
    assert prediction.defect_probability > 0.8


class DarkSpots:
    """Gives the box around the pixels darker than 100, in px of the input."""

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        boxes, scores = np.zeros((len(batch), 1, 4)), np.zeros((len(batch), 1, 1))
        for row, picture in enumerate(batch):
            y, x = np.nonzero(picture[:, :, 0] < 100)
            if len(x):
                boxes[row, 0] = (x.min(), y.min(), x.max() + 1, y.max() + 1)
                scores[row] = 0.9
        return {"boxes": boxes, "scores": scores}

    def describe(self) -> dict[str, str]:
        return {}


def test_a_frame_is_as_strange_as_its_strangest_tile() -> None:
    tiles = [replace(predicted(), p_value=p_value) for p_value in (0.4, 0.02)]
    assert merge(tiles, PAIR).p_value == 0.02
    assert merge([predicted(), predicted()], PAIR).p_value is None
