from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from inspector.bundle import Lineage, Manifest, Parity
from inspector.calibration import Calibration, Platt
from inspector.errors import RuntimeFault
from inspector.heads import load_head
from inspector.heads.segment import longest_side
from inspector.preprocess import InputSpec, Placement
from inspector.values import Prediction
from inspector.verdict import Policy

PLACE = Placement(200, 100, 20, 10, 2.0, 0.5)
CALIBRATION = Calibration(temperature=1, platt=Platt(slope=1.0, intercept=0.0), n=10, n_defect=5)


def manifest(**reading: float) -> Manifest:
    return Manifest(
        task="segment",
        classes=("pit", "scratch"),
        good=("good",),
        input=InputSpec(height=64, width=64),
        output_names=("mask", "kinds", "score"),
        reading=reading,
        limits=Policy(pass_below=0.2, reject_above=0.8, origin="test"),
        lineage=Lineage(dataset="d", dataset_hash="h", code_version="0", seed=0, created_at=datetime.now(UTC)),
        parity=Parity(n=1, float_max_difference=0, float_flips=0, int8_max_difference=0, int8_flips=0),
    )


def outputs(score: float = 3.0) -> dict[str, np.ndarray]:
    """A scratch of 4 x 20 cells at the left and a pit of 3 x 3 cells at the right; a cell is 2 x 2 input px."""
    mask = np.zeros((1, 1, 32, 32), np.float32)
    mask[0, 0, 8:12, 2:22] = 0.9
    mask[0, 0, 20:23, 25:28] = 1.0
    kinds = np.zeros((1, 2, 16, 16), np.float32)
    kinds[0, 1, :, :12], kinds[0, 0, :, 12:] = 5.0, 5.0
    return {"mask": mask, "kinds": kinds, "score": np.array([score], np.float32)}


def predict(given: dict[str, np.ndarray], **reading: float) -> Prediction:
    return load_head(manifest(**reading), CALIBRATION).predict(given, [PLACE])[0]


def test_regions_are_measured_in_frame_pixels_and_named_by_the_kind_inside_them() -> None:
    scratch, pit = predict(outputs()).findings
    assert (scratch.label, pit.label) == ("scratch", "pit")
    assert (scratch.x, scratch.y, scratch.width, scratch.height) == pytest.approx((28, 18, 80, 4), abs=2)
    assert scratch.area_px == pytest.approx(4 * 20 * 4, rel=0.05)
    assert scratch.longest_px == pytest.approx(80, abs=2)
    assert pit.longest_px == pytest.approx(12, abs=2)
    assert pit.probability == pytest.approx(1.0)


def test_the_part_is_as_defective_as_its_score_says_whatever_the_mask_shows() -> None:
    seen = predict(outputs(-3.0))
    assert seen.defect_probability == pytest.approx(1 / (1 + np.exp(3.0)))
    assert (seen.label, seen.scores) == ("good", (-3.0,))
    assert len(seen.findings) == 2
    assert sum(seen.class_probabilities) == pytest.approx(seen.defect_probability)


def test_a_defective_part_is_called_what_most_of_its_mask_is() -> None:
    assert predict(outputs()).label == "scratch"


def test_what_is_below_the_limit_is_no_finding_and_small_regions_are_left_out() -> None:
    assert [finding.label for finding in predict(outputs(), mask_above=0.95).findings] == ["pit"]
    assert [finding.label for finding in predict(outputs(), least_px=100).findings] == ["scratch"]
    assert [finding.label for finding in predict(outputs(), most=1).findings] == ["scratch"]
    assert predict({**outputs(), "mask": np.zeros((1, 1, 32, 32), np.float32)}).findings == ()


def test_the_heat_is_the_mask_as_the_network_gives_it() -> None:
    heat = predict(outputs()).heat
    assert heat is not None
    assert heat.shape == (32, 32)
    assert heat[9, 10] == pytest.approx(0.9)


def test_a_mask_that_is_not_a_number_is_a_fault() -> None:
    given = outputs()
    given["mask"][0, 0, 0, 0] = np.nan
    with pytest.raises(RuntimeFault, match="mask"):
        predict(given)


def test_a_slanted_scratch_is_as_long_as_it_is_not_as_its_box() -> None:
    slanted = np.eye(30, dtype=np.uint8)
    assert longest_side(slanted, 1.0, 1.0) == pytest.approx(30 * 2**0.5, abs=0.1)
    assert longest_side(np.ones((1, 1), np.uint8), 3.0, 2.0) == pytest.approx(3.0)
