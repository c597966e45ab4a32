from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax
from scipy.special import softmax as scipy_softmax
from sklearn.calibration import _sigmoid_calibration

from inspector.calibration import (
    Calibration,
    Floats,
    Platt,
    defect_probability,
    defect_score,
    fit_platt,
    fit_temperature,
    sigmoid,
    softmax,
)

GOOD = (1,)


def drawn(seed: int, n: int = 300, classes: int = 4, sharpness: float = 3.0) -> tuple[Floats, np.ndarray]:
    """Logits (n, classes) that are over- or underconfident by `sharpness`, with labels drawn from the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1.5, (n, classes))
    labels = np.array([rng.choice(classes, p=row) for row in scipy_softmax(truth, axis=1)])
    return truth * sharpness, labels


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_temperature_is_the_one_that_scipy_finds(seed: int, sharpness: float) -> None:
    logits, labels = drawn(seed, sharpness=sharpness)

    def loss(log_t: float) -> float:
        return float(-log_softmax(logits / np.exp(log_t), axis=1)[np.arange(len(labels)), labels].mean())

    expected = minimize_scalar(loss, bounds=(-4, 4), method="bounded", options={"xatol": 1e-9}).x
    assert np.log(fit_temperature(logits, labels)) == pytest.approx(expected, abs=1e-5)


def test_temperature_finds_the_overconfidence_that_was_put_in() -> None:
    logits, labels = drawn(0, n=20_000, sharpness=2.5)
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.05)


def test_a_separated_set_has_a_finite_temperature() -> None:
    assert np.exp(-4) * 0.999 <= fit_temperature(np.eye(3) * 10, np.arange(3)) < 1


@pytest.mark.parametrize(("logits", "labels"), [(np.empty((0, 2)), np.empty(0, int)), (np.eye(2), np.array([0]))])
def test_temperature_refuses_no_parts_and_unequal_numbers(logits: Floats, labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"labels: expected one for each|at least one part"):
        fit_temperature(logits, labels)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("separation", [0.5, 1.0, 6.0])
def test_platt_is_the_one_that_sklearn_finds(seed: int, separation: float) -> None:
    rng = np.random.default_rng(seed)
    is_defect = rng.random(200) < 0.3
    scores = rng.normal(0, 2, 200) + separation * is_defect + 0.2 * is_defect
    ours = fit_platt(scores, is_defect)
    slope, intercept = _sigmoid_calibration(scores, is_defect.astype(float))
    expected = expit(-(slope * scores + intercept))
    assert sigmoid(ours.slope * scores + ours.intercept) == pytest.approx(expected, abs=2e-4)


def test_platt_of_perfectly_separated_scores_is_finite_and_not_certain() -> None:
    platt = fit_platt(np.array([-50.0, -40.0, 40.0, 50.0]), np.array([False, False, True, True]))
    p = sigmoid(platt.slope * np.array([-50.0, 50.0]) + platt.intercept)
    assert 0.2 < p[0] < 0.3, "Platt's target of 2 good parts is 1/4"
    assert 0.7 < p[1] < 0.8


def test_scores_that_point_the_wrong_way_say_nothing() -> None:
    platt = fit_platt(np.array([3.0, 2.0, -2.0, -3.0]), np.array([False, False, True, True]))
    assert platt.slope == 0
    assert sigmoid(np.array([platt.intercept]))[0] == pytest.approx(0.5)


def test_equal_scores_give_the_share_of_defects() -> None:
    platt = fit_platt(np.full(10, 7.0), np.arange(10) < 4)
    assert sigmoid(np.array([7.0 * platt.slope + platt.intercept]))[0] == pytest.approx((4 * 5 / 6 + 6 / 8) / 10)


@pytest.mark.parametrize("is_defect", [np.zeros(3, bool), np.ones(3, bool)])
def test_platt_refuses_parts_of_one_kind(is_defect: np.ndarray) -> None:
    with pytest.raises(ValueError, match="good and defective"):
        fit_platt(np.arange(3.0), is_defect)


def test_a_negative_slope_is_refused() -> None:
    with pytest.raises(ValidationError):
        Platt(slope=-1, intercept=0)


logits_arrays = st.lists(st.lists(st.floats(-800, 800), min_size=3, max_size=3), min_size=1, max_size=6).map(np.array)
calibrations = st.builds(
    Calibration,
    temperature=st.floats(0.02, 50),
    platt=st.none() | st.builds(Platt, slope=st.floats(0, 20), intercept=st.floats(-20, 20)),
    n=st.just(10),
    n_defect=st.just(3),
)


@given(logits=logits_arrays, calibration=calibrations, good=st.sampled_from([(), (0,), (1, 2), (0, 1, 2)]))
def test_class_probabilities_sum_to_one(logits: Floats, calibration: Calibration, good: tuple[int, ...]) -> None:
    probabilities = calibration.probabilities(logits, good)
    assert probabilities.shape == logits.shape
    assert (probabilities >= 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(logits)))


@given(logits=logits_arrays, slope=st.floats(0, 20), intercept=st.floats(-20, 20))
def test_the_mass_of_defect_classes_is_platts_probability(logits: Floats, slope: float, intercept: float) -> None:
    calibration = Calibration(temperature=2.0, platt=Platt(slope=slope, intercept=intercept), n=10, n_defect=3)
    expected = expit(slope * defect_score(logits, GOOD) + intercept)
    assert defect_probability(calibration.probabilities(logits, GOOD), GOOD) == pytest.approx(expected, abs=1e-12)


@given(calibration=calibrations, scores=st.lists(st.floats(-60, 60), min_size=2, max_size=20).map(sorted))
def test_a_greater_score_is_never_less_probable_to_be_defective(calibration: Calibration, scores: list[float]) -> None:
    logits = np.array([[score, 0.0] for score in scores])
    p = defect_probability(calibration.probabilities(logits, GOOD), GOOD)
    assert (np.diff(p) >= -1e-12).all()


def test_without_platt_temperature_alone_decides() -> None:
    logits, _ = drawn(1, n=5)
    plain = Calibration(temperature=2.0, n=5, n_defect=2).probabilities(logits, (0,))
    assert plain == pytest.approx(scipy_softmax(logits / 2, axis=1))


def test_among_the_defect_classes_the_order_stays() -> None:
    logits = np.array([[1.0, 0.0, 3.0, 2.0]])
    row = Calibration(temperature=1.0, platt=Platt(slope=1, intercept=-5), n=9, n_defect=3).probabilities(logits, (1,))[
        0
    ]
    assert row[2] > row[3] > row[0]


def test_a_bundle_without_good_classes_calls_every_part_defective() -> None:
    assert defect_probability(np.array([[0.3, 0.7], [1.0, 0.0]]), ()) == pytest.approx(np.ones(2))


@pytest.mark.parametrize("good", [(), (0, 1)])
def test_a_defect_score_needs_both_kinds_of_class(good: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one good and one defect class"):
        defect_score(np.zeros((1, 2)), good)


def test_softmax_and_sigmoid_do_not_overflow() -> None:
    extremes = np.array([[1e4, 0.0, -1e4]])
    assert softmax(extremes) == pytest.approx(np.array([[1.0, 0.0, 0.0]]))
    assert sigmoid(extremes[0]) == pytest.approx(np.array([1.0, 0.5, 0.0]))


def test_a_search_that_is_cut_short_still_gives_a_sigmoid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.calibration.platt.MOST_STEPS", 1)
    scores = np.linspace(-3, 3, 40)
    assert fit_platt(scores, scores > 0.5).slope > 0
