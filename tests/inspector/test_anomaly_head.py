from __future__ import annotations

import numpy as np
import pytest

from inspector.calibration import Calibration, Platt, fit_conformal
from inspector.errors import RuntimeFault
from inspector.heads import load_head
from inspector.preprocess import Placement
from inspector.values import Prediction
from tests.conftest import manifest

PLACE = Placement(100, 100, 0, 0, 1.0, 1.0)


def calibration(slope: float = 2.0, intercept: float = -20.0) -> Calibration:
    return Calibration(temperature=1, platt=Platt(slope=slope, intercept=intercept), n=10, n_defect=5)


def predict(score: float, distances: np.ndarray, held: Calibration | None = None) -> Prediction:
    head = load_head(manifest(task="anomaly", classes=("pit", "stain"), good=("good",)), held or calibration())
    given = {"score": np.array([score], np.float32), "map": distances[None].astype(np.float32)}
    return head.predict(given, [PLACE])[0]


def test_the_probability_is_that_of_the_raw_score_and_the_label_follows_it() -> None:
    strange, usual = predict(12.0, np.ones((4, 4))), predict(8.0, np.ones((4, 4)))
    assert (strange.label, usual.label) == ("defect", "good")
    assert strange.defect_probability == pytest.approx(1 / (1 + np.exp(-4)))
    assert strange.scores == (12.0,)
    assert sum(strange.class_probabilities) == pytest.approx(strange.defect_probability)


def test_heat_is_one_half_where_the_distance_is_that_of_a_doubtful_part_and_never_saturates() -> None:
    heat = predict(8.0, np.array([[0.0, 10.0], [1000.0, 2000.0]])).heat
    assert heat is not None
    assert heat[0].tolist() == [0.0, 0.5]
    assert heat[1, 0] < heat[1, 1] < 1.0


@pytest.mark.parametrize(("slope", "intercept"), [(0.0, -1.0), (1.0, 3.0)])
def test_a_calibration_that_no_score_leaves_in_doubt_still_gives_a_map(slope: float, intercept: float) -> None:
    heat = predict(1.0, np.array([[0.0, 1.0]]), calibration(slope, intercept)).heat
    assert heat is not None
    assert heat.tolist() == [[0.0, 0.5]]


def test_a_score_that_is_no_number_is_a_fault() -> None:
    with pytest.raises(RuntimeFault, match="score"):
        predict(float("nan"), np.ones((2, 2)))


def test_the_p_value_is_that_of_held_good_parts_and_absent_without_them() -> None:
    held = calibration().model_copy(update={"conformal": fit_conformal(np.arange(9.0))})
    assert predict(8.0, np.ones((2, 2)), held).p_value == pytest.approx(0.2)
    assert predict(9.0, np.ones((2, 2)), held).p_value == pytest.approx(0.1)
    assert predict(9.0, np.ones((2, 2))).p_value is None
