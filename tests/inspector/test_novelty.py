from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.calibration import Calibration
from inspector.errors import RuntimeFault
from inspector.heads.classify import ClassifyHead
from inspector.novelty import fit_novelty
from inspector.values import Outcome, Prediction, Quality
from inspector.verdict import Policy, decide
from tests.conftest import manifest

POLICY = Policy(pass_below=0.2, reject_above=0.8)
SHARP = Quality(focus=9.0, brightness=128.0, dark_share=0.0, saturated_share=0.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.lists(st.floats(0, 1e7), min_size=2, max_size=20))
def test_a_farther_part_is_never_less_novel(held: list[float], asked: list[float]) -> None:
    shares = fit_novelty(np.array(held)).share(np.sort(asked))
    assert (np.diff(shares) >= -1e-12).all()
    assert shares.min() >= 0
    assert shares.max() <= 1


@pytest.mark.parametrize("n", [40, 150, 1000])
def test_of_parts_like_the_held_ones_about_as_many_exceed_a_limit_as_it_says(n: int) -> None:
    """Distances of 20 features are chi distributed; the limit of 0.995 may not send more than 2 % to review."""
    rng = np.random.default_rng(n)
    rates = []
    for _ in range(40):
        held, fresh = (np.sqrt(rng.chisquare(20, size)) for size in (n, 2000))
        rates.append(np.mean(fit_novelty(held).share(fresh) >= 0.995))
    assert 0.0002 < np.mean(rates) < 0.02


def test_shares_below_nine_tenths_are_counted() -> None:
    novelty = fit_novelty(np.arange(101.0))
    assert novelty.share(np.array([0.0, 50.0, 89.0])) == pytest.approx([0.0, 0.5, 0.89])


def test_a_part_far_beyond_all_held_ones_is_certainly_new() -> None:
    assert fit_novelty(np.array([1.0, 1.1, 1.2])).share(np.array([50.0]))[0] > 0.9999


def test_held_parts_all_alike_make_anything_farther_new() -> None:
    assert fit_novelty(np.ones(9)).share(np.array([1.0, 1.5])) == pytest.approx([0.9, 1.0])


@pytest.mark.parametrize("held", [[], [np.nan], [np.inf, 1.0]])
def test_novelty_without_held_parts_is_refused(held: list[float]) -> None:
    with pytest.raises(ValueError, match="distances of held parts"):
        fit_novelty(np.array(held))


def prediction(novelty: float | None, probability: float = 0.01) -> Prediction:
    return Prediction("good", (0.99, 0.01), probability, (4.0, -1.0), novelty=novelty)


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_a_part_unlike_anything_known_goes_to_review_however_sure_the_class(probability: float) -> None:
    verdict = decide(SHARP, prediction(0.999, probability), POLICY)
    assert verdict.outcome is Outcome.REVIEW
    assert verdict.reasons == ("unlike all that is known: novelty 0.9990 reaches 0.9900",)


@pytest.mark.parametrize("novelty", [None, 0.5, 0.94])
def test_a_part_like_the_known_ones_is_judged_by_its_class(novelty: float | None) -> None:
    assert decide(SHARP, prediction(novelty), POLICY).outcome is Outcome.PASS


def test_a_limit_of_the_policy_decides_what_is_new() -> None:
    strict = POLICY.model_copy(update={"review_novelty": 0.5})
    assert decide(SHARP, prediction(0.6), strict).outcome is Outcome.REVIEW


def head(**changes: object) -> ClassifyHead:
    return ClassifyHead(manifest(), Calibration(temperature=1.0, n=2, n_defect=1, **changes))


def test_a_bundle_without_the_guard_has_no_novelty_and_no_heat() -> None:
    said = head().predict({"logits": np.zeros((1, 2), np.float32)}, [])[0]
    assert (said.novelty, said.heat) == (None, None)


def test_a_bundle_with_the_guard_and_a_map_has_both() -> None:
    outputs = {
        "logits": np.zeros((2, 2), np.float32),
        "distance": np.array([1.0, 9.0], np.float32),
        "heat": np.array([[[0.0, 1.5]], [[-0.1, 0.5]]], np.float32),
    }
    near, far = head(novelty=fit_novelty(np.linspace(1, 2, 50))).predict(outputs, [])
    assert near.novelty == 0
    assert far.novelty is not None
    assert far.novelty > 0.999
    assert near.heat is not None
    assert far.heat is not None
    assert near.heat.tolist() == [[0.0, 1.0]]
    assert far.heat.tolist() == [[0.0, 0.5]]


def test_a_distance_that_is_no_number_is_a_fault_of_the_runtime() -> None:
    outputs = {"logits": np.zeros((1, 2), np.float32), "distance": np.array([np.nan], np.float32)}
    with pytest.raises(RuntimeFault, match="distance"):
        head(novelty=fit_novelty(np.ones(3))).predict(outputs, [])
