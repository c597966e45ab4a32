from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inspector.dataset import Sample
from inspector.figures import JudgedPart
from inspector.preprocess import Placement
from inspector.values import Outcome, Prediction, Verdict
from inspector.verdict import Policy
from training.golden_parts import choose
from training.outputs import ParityBroken
from training.recipe import QuantiseRecipe
from training.scoring import QuantisationDrop, calibrate_scores, compare, require_small_drop
from training.viewed import Viewed

POLICY = Policy(pass_below=0.2, reject_above=0.7)
PLACE = Placement(8, 8, 0, 0, 1, 1)
STRICT = QuantiseRecipe(float_flips=0.0, int8_flips=0.5)


def part(probability: float, label: str = "scratch", number: int = 0) -> JudgedPart:
    sample = Sample(f"{number}.png", Path(f"{number}.png"), "val", label, "g", None, None, {})
    outcome = Outcome.REJECT if probability >= 0.7 else Outcome.REVIEW if probability >= 0.2 else Outcome.PASS
    prediction = Prediction(label, (), probability, (probability,))
    return JudgedPart(sample, Verdict(outcome), prediction, label != "good", 0.0, PLACE)


def parts(*probabilities: float) -> list[JudgedPart]:
    return [part(probability, number=number) for number, probability in enumerate(probabilities)]


def test_parity_counts_flips_and_the_largest_difference_of_each_step() -> None:
    graphs = {"float": parts(0.1, 0.5, 0.9), "cpu-int8": parts(0.15, 0.71, 0.9)}
    parity = compare(parts(0.1, 0.5, 0.8), graphs, STRICT)  # type: ignore[arg-type]
    assert (parity.n, parity.float_flips, parity.int8_flips, parity.int8_rejects_passed) == (3, 0, 1, 0)
    assert parity.float_max_difference == pytest.approx(0.1)
    assert parity.int8_max_difference == pytest.approx(0.21)


def test_an_export_that_changes_one_verdict_too_many_is_refused() -> None:
    graphs = {"float": parts(0.3, 0.5), "cpu-int8": parts(0.3, 0.5)}
    with pytest.raises(ParityBroken, match="float graph changes 1 of 2 verdicts"):
        compare(parts(0.1, 0.5), graphs, STRICT)  # type: ignore[arg-type]


def test_a_certain_reject_that_int8_passes_is_refused_however_many_flips_are_allowed() -> None:
    lax = QuantiseRecipe(float_flips=1.0, int8_flips=1.0)
    graphs = {"float": parts(0.9, 0.5), "cpu-int8": parts(0.1, 0.5)}
    with pytest.raises(ParityBroken, match="passes 1 of 2 parts"):
        compare(parts(0.9, 0.5), graphs, lax)  # type: ignore[arg-type]


def test_a_reject_near_the_limit_that_int8_passes_is_counted_and_not_refused() -> None:
    lax = QuantiseRecipe(float_flips=1.0, int8_flips=1.0)
    graphs = {"float": parts(0.85, 0.5), "cpu-int8": parts(0.1, 0.5)}
    assert compare(parts(0.85, 0.5), graphs, lax).int8_rejects_passed == 1  # type: ignore[arg-type]


def test_a_drop_is_refused_above_its_limit_only() -> None:
    require_small_drop("map50", 0.80, 0.795, 0.01)
    require_small_drop("map50", None, None, 0.01)
    with pytest.raises(QuantisationDrop, match=r"map50 fell from 0\.8000 to 0\.7800"):
        require_small_drop("map50", 0.80, 0.78, 0.01)


def test_scores_of_both_kinds_get_platts_probability() -> None:
    scores = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    calibration = calibrate_scores(scores, scores > 2.5, has_good=True)
    probability = calibration.part_probability(scores)
    assert (np.diff(probability) > 0).all()
    assert calibration.n_defect == 3
    assert probability[0] < 0.3 < 0.7 < probability[-1]


def test_scores_of_good_parts_alone_pass_the_usual_and_say_that_no_defect_was_seen() -> None:
    scores = np.linspace(0, 1, 101)
    calibration = calibrate_scores(scores, np.zeros(101, bool), has_good=True)
    usual, middle, far = calibration.part_probability(np.array([0.95, 0.5, 1.4]))
    assert usual == pytest.approx(0.02)
    assert middle < 0.001
    assert far == pytest.approx(0.5, abs=0.01)
    assert calibration.n_defect == 0


def test_without_any_good_part_every_part_is_defective() -> None:
    calibration = calibrate_scores(np.array([-5.0, 5.0]), np.ones(2, bool), has_good=False)
    assert calibration.part_probability(np.array([-100.0, 100.0])) == pytest.approx([1, 1])


def test_golden_samples_are_the_clearest_of_each_label_in_turn() -> None:
    found = [(0.72, "scratch"), (0.99, "scratch"), (0.19, "good"), (0.01, "good"), (0.05, "scratch"), (0.9, "dent")]
    held = [part(probability, label, number) for number, (probability, label) in enumerate(found)]
    viewed = Viewed(tuple(one.sample for one in held), np.zeros((6, 8, 8, 3), np.uint8), (PLACE,) * 6)
    assert set(choose(viewed, {"float": held, "cpu-int8": held}, POLICY, 3)) == {1, 3, 5}
    assert len(choose(viewed, {"float": held, "cpu-int8": held}, POLICY, 99)) == 6


def test_good_scores_are_kept_for_p_values_where_strangeness_is_judged() -> None:
    scores = np.arange(6.0)
    kept = calibrate_scores(scores, scores > 3.5, has_good=True, strange=True)
    assert kept.conformal is not None
    assert kept.conformal.scores == (0, 1, 2, 3)
    assert calibrate_scores(scores, scores > 3.5, has_good=True).conformal is None
    assert calibrate_scores(scores, scores > -1, has_good=False, strange=True).conformal is None


def test_a_graph_that_says_the_same_of_all_parts_gets_their_usual_share() -> None:
    calibration = calibrate_scores(np.ones(4), np.array([True, False, False, False]), has_good=True)
    assert calibration.part_probability(np.array([-9.0, 9.0])) == pytest.approx([(2 / 3 + 3 / 5) / 4] * 2)
