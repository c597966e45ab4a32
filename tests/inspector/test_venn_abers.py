from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.isotonic import IsotonicRegression

from inspector.calibration import Floats, VennAbers, fit_venn_abers
from inspector.calibration.venn_abers import with_one_more


def drawn(seed: int, n: int, tied: bool) -> tuple[Floats, np.ndarray]:
    rng = np.random.default_rng(seed)
    is_defect = rng.random(n) < 0.4
    is_defect[:2] = [True, False]
    scores = rng.normal(0, 1, n) + 1.5 * is_defect
    return (np.round(scores * 2) / 2 if tied else scores), is_defect


def refitted(scores: Floats, is_defect: np.ndarray, asked: float, label: float) -> float:
    """The definition: isotonic regression of all parts and the new one, read at the new one."""
    fitted = IsotonicRegression().fit(np.append(scores, asked), np.append(is_defect, label))
    return float(fitted.predict([asked])[0])


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_both_probabilities_are_those_of_the_definition(seed: int, tied: bool) -> None:
    scores, is_defect = drawn(seed, 40, tied)
    asked = np.concatenate([np.linspace(-4, 5, 60), scores])
    low, high = fit_venn_abers(scores, is_defect).interval(asked)
    for score, p0, p1 in zip(asked.tolist(), low, high, strict=True):
        assert p0 == pytest.approx(refitted(scores, is_defect, score, 0.0), abs=1e-9)
        assert p1 == pytest.approx(refitted(scores, is_defect, score, 1.0), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_are_those_of_the_package_of_its_authors(seed: int) -> None:
    va = pytest.importorskip("venn_abers", reason="needs the package venn-abers")
    scores, is_defect = drawn(seed, 200, tied=False)
    asked = np.linspace(-3, 4, 101)
    theirs = va.VennAbers()
    shares, wanted = (1 / (1 + np.exp(-values)) for values in (scores, asked))
    theirs.fit(np.stack([1 - shares, shares], 1), is_defect.astype(int))
    merged, pair = theirs.predict_proba(np.stack([1 - wanted, wanted], 1))
    ours = fit_venn_abers(scores, is_defect)
    assert np.stack(ours.interval(asked), 1) == pytest.approx(pair, abs=1e-6)
    assert ours.probability(asked) == pytest.approx(merged[:, 1], abs=1e-6)


@given(seed=st.integers(0, 10_000), n=st.integers(3, 60), tied=st.booleans())
@settings(max_examples=60)
def test_it_never_falls_is_never_sure_and_lies_in_its_interval(seed: int, n: int, tied: bool) -> None:
    fitted = fit_venn_abers(*drawn(seed, n, tied))
    asked = np.linspace(-20, 20, 401)
    low, high = fitted.interval(asked)
    said = fitted.probability(asked)
    for values in (low, high, said):
        assert (np.diff(values) >= 0).all()
    assert 0 < said[0] <= said[-1] < 1
    assert (low <= said).all()
    assert (said <= high).all()


def test_far_beyond_all_parts_nothing_is_known_of_one_side() -> None:
    low, high = fit_venn_abers(*drawn(0, 30, tied=False)).interval(np.array([-99.0, 99.0]))
    assert low[0] == 0
    assert high[1] == 1


def test_the_interval_narrows_with_more_parts() -> None:
    widths = []
    for n in (30, 300, 3000):
        low, high = fit_venn_abers(*drawn(1, n, tied=False)).interval(np.linspace(-1, 2, 50))
        widths.append(float((high - low).mean()))
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


def test_the_table_of_means_may_be_cut_anywhere() -> None:
    rng = np.random.default_rng(0)
    parts = rng.integers(1, 4, 50).astype(float)
    defects = np.minimum(parts, rng.integers(0, 4, 50)).astype(float)
    whole = with_one_more(defects, parts, 1.0, rows=50)
    for rows in (1, 7, 49, 256):
        assert with_one_more(defects, parts, 1.0, rows) == pytest.approx(whole)


def test_scores_at_which_nothing_changes_are_not_kept() -> None:
    scores, is_defect = np.arange(200.0), np.arange(200) % 4 == 0
    fitted = fit_venn_abers(scores, is_defect)
    assert len(fitted.scores) < 120
    for label, found in zip((0.0, 1.0), fitted.interval(scores), strict=True):
        assert found == pytest.approx(with_one_more(is_defect.astype(float), np.ones(200), label))
    assert (fitted.scores[0], fitted.scores[-1]) == (0, 199)


GIVEN = {"scores": (0.0, 1.0), "if_good": (0.1, 0.2), "if_defective": (0.3, 0.4)}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"scores": (1.0, 1.0)}, "increasing scores"),
        ({"if_good": (0.1,)}, "if_good: expected as many as scores, 2"),
        ({"if_defective": (0.4, 0.3)}, "if_defective: expected probabilities within 0..1 that never fall"),
        ({"if_good": (-0.1, 0.2)}, "if_good: expected probabilities within 0..1"),
        ({"if_defective": (0.1, 1.2)}, "if_defective: expected probabilities within 0..1"),
        ({"scores": (), "if_good": (), "if_defective": ()}, "at least 1 item"),
    ],
)
def test_steps_that_are_no_probability_are_refused(changed: dict[str, tuple[float, ...]], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        VennAbers.model_validate({**GIVEN, **changed})


def test_steps_may_be_level_and_sure() -> None:
    steps = VennAbers.model_validate({**GIVEN, "if_good": (0.0, 0.0), "if_defective": (1.0, 1.0)})
    assert steps.probability(np.array([0.5])) == pytest.approx([0.5])


def test_at_a_score_the_step_from_it_and_the_step_up_to_it_hold() -> None:
    low, high = VennAbers.model_validate(GIVEN).interval(np.array([-1, 0, 0.5, 1, 2]))
    assert low.tolist() == [0, 0.1, 0.1, 0.2, 0.2]
    assert high.tolist() == [0.3, 0.3, 0.4, 0.4, 1]
