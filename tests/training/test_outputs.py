from __future__ import annotations

import numpy as np
import pytest

from inspector.calibration import Calibration, fit_conformal, fit_temperature
from inspector.verdict import Policy
from training.outputs import (
    Difference,
    ParityBroken,
    Said,
    calibrate,
    choose_policy,
    compare,
    outcomes,
    require_parity,
    strangeness_policy,
)
from training.recipe import PolicyRecipe, QuantiseRecipe

PLAIN = Calibration(temperature=1.0, platt=None, n=10, n_defect=5)
AIMS = PolicyRecipe(escape=0.1, overkill=0.1)


def test_limits_meet_both_aims_on_the_calibration_part() -> None:
    rng = np.random.default_rng(0)
    is_defect = rng.random(400) < 0.4
    probability = np.clip(np.where(is_defect, rng.normal(0.6, 0.25, 400), rng.normal(0.4, 0.25, 400)), 0, 1)
    policy = choose_policy(probability, is_defect, AIMS, has_good=True)
    decided = outcomes(probability, policy)
    assert np.mean(decided[is_defect] == 0) <= AIMS.escape
    assert np.mean(decided[~is_defect] == 2) <= AIMS.overkill
    assert policy.pass_below < policy.reject_above


def test_separable_parts_leave_nothing_to_review() -> None:
    probability = np.array([0.01, 0.02, 0.03, 0.97, 0.98, 0.99])
    policy = choose_policy(probability, probability > 0.5, AIMS, has_good=True)
    assert policy.pass_below == policy.reject_above
    assert 0.03 < policy.pass_below < 0.97


def test_parts_without_an_error_do_not_make_certainty() -> None:
    labels = np.arange(90) % 3
    logits = 8.0 * np.eye(3)[labels] + np.random.default_rng(0).normal(0, 0.5, (90, 3))
    confidence = calibrate(logits, labels, ()).probabilities(logits, ()).max(1)
    assert confidence.mean() == pytest.approx(91 / 92, abs=1e-4)


def test_errors_set_the_temperature_by_least_log_loss() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    logits = 2.0 * np.eye(3)[labels] + rng.normal(0, 2.0, (400, 3))
    assert calibrate(logits, labels, ()).temperature == pytest.approx(fit_temperature(logits, labels))


def test_without_a_good_class_everything_is_rejected() -> None:
    policy = choose_policy(np.ones(4), np.ones(4, bool), AIMS, has_good=False)
    assert outcomes(np.array([0.0, 1.0]), policy).tolist() == [2, 2]
    assert "not certified" in policy.origin


def test_limits_are_never_claimed_from_parts_of_one_kind() -> None:
    policy = choose_policy(np.zeros(4), np.zeros(4, bool), AIMS, has_good=True)
    assert policy.origin.startswith("default: 0 of 4 defective")


def test_a_changed_class_and_a_changed_outcome_are_both_flips() -> None:
    before = np.array([[2.0, 0.0, -1.0], [2.0, 0.0, -1.0], [0.0, 3.0, 2.9], [0.0, 3.0, 2.9], [1.0, 0.0, -9.0]])
    after = np.array([[2.0, 0.0, -1.0], [0.4, 0.5, -1.0], [0.0, 2.9, 3.0], [0.1, 3.0, 2.9], [0.1, 0.0, -0.1]])
    policy = Policy(pass_below=0.5, reject_above=0.5)
    difference = compare((Said(before), PLAIN), (Said(after), PLAIN), policy, (0,))
    assert (difference.n, difference.flips, difference.renamed) == (5, 3, 2)
    assert difference.logit == pytest.approx(8.9)
    assert 0 < difference.probability < 1


def test_parity_within_the_limits_is_silent() -> None:
    require_parity(Difference(100, 0.0, 0.0, 0), Difference(100, 0.1, 0.5, 8), QuantiseRecipe())


@pytest.mark.parametrize(("to_float", "to_int8", "name"), [(1, 0, "float"), (0, 9, "int8")])
def test_parity_beyond_a_limit_names_graph_count_and_field(to_float: int, to_int8: int, name: str) -> None:
    differences = (Difference(100, 0.1, 0.1, flips) for flips in (to_float, to_int8))
    with pytest.raises(ParityBroken, match=rf"the {name} graph changes .* of 100 decisions .*quantise\.{name}_flips"):
        require_parity(*differences, QuantiseRecipe())


def test_where_no_defect_is_known_strange_parts_are_reviewed_at_the_rate_of_the_recipe() -> None:
    many, few = (fit_conformal(np.arange(float(n))) for n in (99, 9))
    recipe = PolicyRecipe(overkill=0.05)
    assert strangeness_policy(many, recipe).review_p_value == 0.05
    assert strangeness_policy(few, recipe).review_p_value == 0.1, "nine parts can give no smaller p-value"
    assert strangeness_policy(few, recipe).origin.startswith("review of 10 % of good parts, by p-value of 9 held ones")


def test_a_choice_needs_both_kinds_and_then_stands_in_the_calibration() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    logits = np.stack([-2.0 * labels, 2.0 * labels - 1], 1) + rng.normal(0, 2.0, (400, 2))
    assert set(calibrate(logits, labels, (0,)).log_losses) == {"temperature", "platt", "isotonic", "venn-abers"}
    assert calibrate(logits, labels, ()).platt is None
    groups = [f"{label}-{i % 3}" for i, label in enumerate(labels.tolist())]
    assert calibrate(logits, labels, (0,), groups=groups).log_losses == {}
