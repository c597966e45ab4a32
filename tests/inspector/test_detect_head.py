from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from inspector.bundle import Lineage, Manifest, Parity
from inspector.calibration import Calibration, Platt
from inspector.errors import RuntimeFault
from inspector.heads import load_head
from inspector.preprocess import InputSpec, Placement
from inspector.values import Prediction
from inspector.verdict import Policy

PLACE = Placement(200, 100, 20, 10, 2.0, 0.5)
CALIBRATION = Calibration(temperature=1, platt=Platt(slope=1.0, intercept=0.0), n=10, n_defect=5)
NOTHING = np.zeros((1, 3, 2))


def manifest(**reading: float) -> Manifest:
    return Manifest(
        task="detect",
        classes=("pit", "scratch"),
        good=("good",),
        input=InputSpec(height=64, width=64),
        output_names=("boxes", "scores"),
        reading=reading,
        limits=Policy(pass_below=0.2, reject_above=0.8, origin="test"),
        lineage=Lineage(dataset="d", dataset_hash="h", code_version="0", seed=0, created_at=datetime.now(UTC)),
        parity=Parity(n=1, float_max_difference=0, float_flips=0, int8_max_difference=0, int8_flips=0),
    )


def predict(scores: np.ndarray, calibration: Calibration = CALIBRATION, **reading: float) -> Prediction:
    boxes = np.array([[[10, 20, 30, 40], [11, 20, 31, 40], [50, 50, 60, 60.0]]])
    return load_head(manifest(**reading), calibration).predict({"boxes": boxes, "scores": scores}, [PLACE])[0]


def test_findings_are_in_frame_pixels_strongest_first_and_doubles_are_gone() -> None:
    scores = NOTHING.copy()
    scores[0, :, 0] = (0.9, 0.8, 0.0)
    scores[0, 2, 1] = 0.95
    first, second = predict(scores).findings
    assert (first.label, first.x, first.y, first.width, first.height) == pytest.approx(("scratch", 120, 35, 20, 5))
    assert (second.label, second.probability) == ("pit", 0.9)
    assert 40 < second.x < 42  # the double, 2 px to the right, has its say


def test_a_part_is_as_defective_as_its_strongest_cell_even_below_what_is_shown() -> None:
    scores = NOTHING.copy()
    scores[0, 1, 1] = 0.03
    prediction = predict(scores)
    assert prediction.findings == ()
    assert prediction.defect_probability == pytest.approx(0.03)
    assert prediction.scores[0] == pytest.approx(np.log(0.03 / 0.97))
    assert prediction.label == "good"


def test_a_defective_part_is_named_after_its_strongest_class() -> None:
    scores = NOTHING.copy()
    scores[0, 0] = (0.6, 0.7)
    prediction = predict(scores)
    assert (prediction.label, prediction.class_probabilities) == ("scratch", (0.6, 0.7))


def test_without_good_parts_the_strongest_score_is_the_probability() -> None:
    scores = NOTHING.copy()
    scores[0, 0, 0] = 0.4
    assert predict(scores, Calibration(temperature=1, n=5, n_defect=5)).defect_probability == pytest.approx(0.4)


def test_scores_of_exactly_zero_and_one_stay_finite() -> None:
    assert np.isfinite(predict(NOTHING).scores[0])
    assert np.isfinite(predict(np.ones((1, 3, 2))).scores[0])


def test_the_manifest_says_how_many_findings_and_from_which_score() -> None:
    scores = NOTHING.copy()
    scores[0, :, 0] = (0.5, 0.0, 0.3)
    assert len(predict(scores, score_above=0.4).findings) == 1
    assert len(predict(scores, most=1).findings) == 1
    assert len(predict(scores).findings) == 2


def test_outputs_of_another_network_are_a_fault() -> None:
    with pytest.raises(RuntimeFault, match="scores of shape"):
        predict(np.zeros((1, 3, 5)))
    with pytest.raises(RuntimeFault, match="no output boxes"):
        load_head(manifest(), CALIBRATION).predict({"scores": NOTHING}, [PLACE])
