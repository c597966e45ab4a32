from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from inspector.calibration import (
    Calibration,
    Floats,
    Platt,
    fit_classes,
    fit_conformal,
    fit_isotonic,
    fit_part,
    fit_platt,
    fit_slope,
    fit_venn_abers,
    softmax,
)
from inspector.calibration.choice import FITS, FOLDS, cross_validated, fit_as, fit_each_class
from inspector.calibration.document import RANKED, Method, one_against_rest
from inspector.calibration.folds import beats, fold_numbers, group_numbers, groups_of_kind
from inspector.calibration.odds import share
from inspector.calibration.reliability import log_loss
from inspector.errors import CalibrationUndefined


def shaped(seed: int, n: int, shape: str) -> tuple[Floats, np.ndarray]:
    """Scores and truths whose true probability is a sigmoid of the score, a tempered one, or steps."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 2, n)
    true = {
        "sigmoid": 1 / (1 + np.exp(-(2 * scores - 2))),
        "tempered": 1 / (1 + np.exp(-0.3 * scores)),
        "steps": np.select([scores < -1, scores < 1], [0.02, 0.5], 0.6),
    }[shape]
    return scores, rng.random(n) < true


def calibration(**fields: object) -> Calibration:
    return Calibration.model_validate({"temperature": 1.0, "n": 10, "n_defect": 5, **fields})


@pytest.mark.parametrize(
    ("shape", "allowed"), [("sigmoid", {"platt"}), ("tempered", {"platt", "temperature"}), ("steps", {"isotonic"})]
)
def test_the_method_that_fits_is_chosen(shape: str, allowed: set[str]) -> None:
    for seed in range(4):
        assert fit_part(*shaped(seed, 1500, shape)).method in allowed


def test_losses_of_all_that_was_tried_are_told() -> None:
    found = fit_part(*shaped(0, 400, "sigmoid"))
    assert set(found.log_losses) == set(FITS)
    assert all(0 < loss < 1 for loss in found.log_losses.values())


@pytest.mark.parametrize(("kind", "least"), [("choose", 20), ("steps", 40)])
def test_few_parts_of_either_kind_leave_less_to_choose_from(kind: str, least: int) -> None:
    tried = {"choose": {"temperature", "platt"}, "steps": set(FITS)}[kind]
    before = {"choose": set(), "steps": {"temperature", "platt"}}[kind]
    scores = np.random.default_rng(0).normal(0, 1, 200)
    for flipped in (False, True):
        for n, expected in ((least, tried), (least - 1, before)):
            assert set(fit_part(scores, (np.arange(200) < n) ^ flipped).log_losses) == expected


def test_kinds_in_fewer_groups_than_folds_leave_no_choice() -> None:
    scores, is_defect = shaped(0, 200, "sigmoid")
    for count, tried in ((FOLDS - 1, 0), (FOLDS, len(FITS))):
        groups = [f"{i % count}" if one else f"good {i}" for i, one in enumerate(is_defect.tolist())]
        found = fit_part(scores, is_defect, groups)
        assert len(found.log_losses) == tried
        if not tried:
            assert found.method == "platt"
            assert found.platt == fit_platt(scores, is_defect)


def test_a_fold_that_would_hold_all_of_a_kind_leaves_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, is_defect = shaped(0, 200, "sigmoid")
    monkeypatch.setattr("inspector.calibration.choice.fold_numbers", lambda kinds, *rest: kinds)
    assert cross_validated(scores, is_defect, np.arange(200), tuple(FITS), 0) == {}


def test_cross_validated_loss_is_that_of_sklearns_sigmoid() -> None:
    scores, is_defect = shaped(1, 300, "sigmoid")
    fold_of = fold_numbers(is_defect.astype(int), np.arange(300), FOLDS, 3)
    plain = FrozenEstimator(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
    said = np.empty(300)
    for fold in range(FOLDS):
        held = fold_of == fold
        theirs = CalibratedClassifierCV(plain, method="sigmoid").fit(scores[~held, None], is_defect[~held])
        said[held] = theirs.predict_proba(scores[held, None])[:, 1]
    ours = cross_validated(scores, is_defect, np.arange(300), ("platt",), 3)["platt"]
    assert ours.mean() == pytest.approx(log_loss(said, is_defect), abs=2e-4)


def test_the_same_seed_chooses_the_same() -> None:
    scores, is_defect = shaped(5, 300, "steps")
    assert fit_part(scores, is_defect, seed=1) == fit_part(scores, is_defect, seed=1)
    assert fit_part(scores, is_defect, seed=1).log_losses != fit_part(scores, is_defect, seed=2).log_losses


@pytest.mark.parametrize("method", list(FITS))
def test_each_method_is_kept_as_it_was_fitted(method: str) -> None:
    scores, is_defect = shaped(2, 200, "steps")
    found = fit_as(method, scores, is_defect)  # type: ignore[arg-type]
    kept = calibration(**found.fields())
    again = Calibration.model_validate_json(kept.model_dump_json())
    assert again == kept
    smooth = found.platt.probability(scores)
    steps = {"isotonic": fit_isotonic, "venn-abers": fit_venn_abers}.get(method)
    expected = smooth if steps is None else 0.99 * steps(scores, is_defect).probability(scores) + 0.01 * smooth
    assert again.part_probability(scores) == pytest.approx(expected)
    assert (found.platt.intercept == 0) == (method == "temperature")
    assert (again.interval(scores) is None) == (method != "venn-abers")


@given(seed=st.integers(0, 5000), method=st.sampled_from(list(FITS)), n=st.integers(4, 60))
@settings(max_examples=80)
def test_calibration_never_reorders_scores_and_is_never_sure(seed: int, method: str, n: int) -> None:
    rng = np.random.default_rng(seed)
    is_defect = rng.random(n) < 0.5
    is_defect[:2] = [True, False]
    scores = np.round(rng.normal(0, 1, n) + is_defect, 1) + np.linspace(0, 0.01, n)
    fitted = calibration(**fit_as(method, scores, is_defect).fields())  # type: ignore[arg-type]
    asked = np.sort(np.concatenate([scores, np.linspace(-6, 6, 50)]))
    said = fitted.part_probability(asked)
    assert (np.diff(said) >= 0).all()
    assert ((said > 0) & (said < 1)).all()


def test_parts_of_one_step_keep_their_order() -> None:
    scores, is_defect = shaped(0, 400, "steps")
    fitted = calibration(**fit_as("isotonic", scores, is_defect).fields())
    inside = np.linspace(-0.9, 0.9, 20)
    assert (np.diff(fitted.part_probability(inside)) > 0).all()
    assert RANKED == 0.01


def test_venn_abers_interval_is_that_of_its_steps() -> None:
    scores, is_defect = shaped(0, 100, "steps")
    found = fit_as("venn-abers", scores, is_defect)
    kept = calibration(**found.fields()).interval(scores)
    assert kept is not None
    assert (kept[0] < kept[1]).all()
    assert found.venn_abers == fit_venn_abers(scores, is_defect)
    for ours, theirs in zip(kept, fit_venn_abers(scores, is_defect).interval(scores), strict=True):
        assert ours == pytest.approx(theirs)


def test_a_calibration_written_before_there_was_a_choice_is_platts() -> None:
    old = Calibration.model_validate_json(
        '{"temperature": 1.5, "platt": {"slope": 2.0, "intercept": -1.0}, "n": 9, "n_defect": 4, "labels": [], '
        '"novelty": null, "references": {}}'
    )
    assert old.method == "platt"
    assert old.part_probability(np.array([0.5])) == pytest.approx([0.5])
    assert old.p_value(np.array([0.5])) is None


def test_without_a_fit_a_score_has_no_probability() -> None:
    with pytest.raises(ValueError, match="none was fitted"):
        calibration().part_probability(np.zeros(1))


@pytest.mark.parametrize("method", ["isotonic", "venn-abers"])
def test_a_method_without_its_steps_and_steps_of_another_method_are_refused(method: str) -> None:
    fields = fit_as(method, *shaped(0, 60, "steps")).fields()  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=f"method: 'platt' does not fit {method} being set"):
        calibration(**{**fields, "method": "platt"})
    with pytest.raises(ValidationError, match=f"method: '{method}' does not fit {method} being unset"):
        calibration(platt=fields["platt"], method=method)


def test_p_values_are_those_of_the_good_scores() -> None:
    kept = calibration(conformal=fit_conformal(np.arange(4.0)))
    assert kept.p_value(np.array([9.0, 2.0])) == pytest.approx([0.2, 0.6])


@pytest.mark.parametrize(
    ("scores", "is_defect", "groups", "expected"),
    [
        ([1.0, 2.0], [False, False], None, "no defective one among 2"),
        ([1.0, 2.0], [True, True], None, "no good one among 2"),
        ([1.0, np.nan], [True, False], None, "1 of 2 parts have NaN or infinity, the first at position 1"),
        ([-np.inf, 1.0], [True, False], None, "1 of 2 parts have NaN or infinity, the first at position 0"),
        ([2.0, 2.0], [True, False], None, "tell parts apart; all 2 are 2"),
        ([1.0, 2.0, 3.0], [True, False], None, "truths: expected one for each of 3 scores, got 2"),
        ([1.0, 2.0], [True, False], ["a"], "groups: expected one for each of 2 scores, got 1"),
        ([], [], None, "at least one part, got none"),
    ],
)
def test_what_has_no_calibration_is_refused(
    scores: list[float], is_defect: list[bool], groups: list[str] | None, expected: str
) -> None:
    with pytest.raises(CalibrationUndefined, match=expected):
        fit_part(np.array(scores), np.array(is_defect, bool), groups)


@pytest.mark.parametrize("fit", list(FITS.values()))
def test_every_fit_refuses_one_kind_nan_and_unequal_lengths(fit: object) -> None:
    scores, is_defect = np.arange(4.0), np.array([True, False, True, False])
    for broken in ((scores, ~(is_defect | ~is_defect)), (scores * np.nan, is_defect), (scores[:3], is_defect)):
        with pytest.raises(CalibrationUndefined):
            fit(*broken)  # type: ignore[operator]


@pytest.mark.parametrize("fit", [fit_isotonic, fit_venn_abers])
def test_steps_of_scores_that_are_all_the_same_are_refused(fit: object) -> None:
    with pytest.raises(CalibrationUndefined, match="all 2 are 1"):
        fit(np.ones(2), np.array([True, False]))  # type: ignore[operator]


def test_temperature_finds_the_slope_that_was_put_in_and_never_shifts() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 3, 40_000)
    found = fit_slope(scores, rng.random(40_000) < 1 / (1 + np.exp(-0.4 * scores)))
    assert found.slope == pytest.approx(0.4, rel=0.03)
    assert found.intercept == 0


def test_parts_that_a_temperature_separates_do_not_make_certainty() -> None:
    scores, is_defect = np.array([-5.0, -4, 4, 5]), np.array([False, False, True, True])
    assert fit_slope(scores, is_defect).probability(scores)[[0, 3]] == pytest.approx([0.25, 0.75], abs=0.03)


# Folds


@given(sizes=st.lists(st.integers(1, 6), min_size=10, max_size=40), seed=st.integers(0, 99))
def test_groups_stay_whole_and_folds_are_of_like_size(sizes: list[int], seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    fold_of = fold_numbers(groups % 2, groups, 5, seed)
    for group in range(len(sizes)):
        assert len(set(fold_of[groups == group].tolist())) == 1
    for kind in (0, 1):
        held = Counter(fold_of[groups % 2 == kind].tolist())
        assert set(held) == set(range(5))
        assert max(held.values()) - min(held.values()) <= 6
    assert (fold_of == fold_numbers(groups % 2, groups, 5, seed)).all()


def test_another_seed_cuts_otherwise() -> None:
    cuts = [fold_numbers(np.arange(40) % 2, np.arange(40), 5, seed).tolist() for seed in (0, 1)]
    assert cuts[0] != cuts[1]


def test_parts_without_groups_are_their_own() -> None:
    assert group_numbers(None, 3).tolist() == [0, 1, 2]
    assert group_numbers(["b", "a", "b"], 3).tolist() == [1, 0, 1]
    assert groups_of_kind(np.array([0, 1, 0, 0]), np.array([0, 0, 1, 1]), 0) == 2
    assert groups_of_kind(np.array([0, 1, 0, 0]), np.array([0, 0, 1, 1]), 1) == 1


def test_a_gain_counts_from_one_standard_error_of_the_groups_on() -> None:
    best, groups = np.array([1.0, 1.0, 1.0, 1.0]), np.arange(4)
    gain = np.array([1.0, 2.0, 3.0, 4.0])  # mean 2.5, standard error 0.645
    error = gain.std(ddof=1) / 2
    assert beats(best - (gain - gain.mean() + 1.01 * error), best, groups)
    assert not beats(best - (gain - gain.mean() + 0.99 * error), best, groups)
    assert not beats(best, best, groups), "a tie keeps what is there"
    assert not beats(best + 1, best, groups)


def test_parts_of_one_group_count_as_one_draw() -> None:
    gain = np.repeat([1.0, 2.0, 3.0, 4.0], 5)
    moved = gain - gain.mean() + 0.4
    best, alone, together = np.zeros(20), np.arange(20), np.repeat(np.arange(4), 5)
    assert beats(-moved, best, alone)
    assert not beats(-moved, best, together)
    error = np.array([1.0, 2, 3, 4]).std(ddof=1) / 2
    assert beats(-(gain - gain.mean() + 1.01 * error), best, together)
    assert not beats(-(gain - gain.mean() + 0.99 * error), best, together)


# Classes


def classed(seed: int, n: int, skew: float) -> tuple[Floats, np.ndarray]:
    """Logits (n, 3) of which the first class's are `skew` times too large, and true classes."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 2, (n, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(true)])
    return true * np.array([skew, 1.0, 1.0]) + np.array([2 * (skew - 1), 0, 0]), labels


def test_classes_that_err_apart_are_calibrated_apart() -> None:
    logits, labels = classed(0, 1500, 4.0)
    found = fit_classes(logits, labels)
    assert found == fit_each_class(logits, labels)
    test_logits, test_labels = classed(1, 1500, 4.0)
    rows = np.arange(1500)
    apart = calibration(classes=found).probabilities(test_logits, ())
    assert apart.sum(axis=1) == pytest.approx(np.ones(1500))
    plain = min(-np.log(softmax(test_logits / t)[rows, test_labels]).mean() for t in np.linspace(0.5, 5, 40))
    assert -np.log(apart[rows, test_labels]).mean() < 0.95 * plain


def test_classes_that_err_alike_share_one_temperature() -> None:
    assert fit_classes(*classed(0, 600, 1.0)) == ()


def test_too_few_parts_or_groups_of_a_class_leave_one_temperature() -> None:
    logits, labels = classed(0, 1500, 4.0)
    few = np.concatenate([np.flatnonzero(labels == 1)[:20], np.flatnonzero(labels != 1)])
    assert fit_classes(logits[few], labels[few])
    assert fit_classes(logits[few[1:]], labels[few[1:]]) == ()
    groups = [f"{label}-{i % (4 if label == 2 else 50)}" for i, label in enumerate(labels.tolist())]
    assert fit_classes(logits, labels, groups) == ()
    groups = [f"{label}-{i % (5 if label == 2 else 50)}" for i, label in enumerate(labels.tolist())]
    assert fit_classes(logits, labels, groups)


def test_the_seed_cuts_the_folds_of_classes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def noted(kinds: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
        seeds.append(seed)
        return fold_numbers(kinds, groups, folds, seed)

    monkeypatch.setattr("inspector.calibration.choice.fold_numbers", noted)
    fit_classes(*classed(0, 300, 1.0))
    fit_classes(*classed(0, 300, 1.0), seed=3)
    assert seeds == [0, 3]


def test_one_class_alone_has_nothing_to_be_told_from() -> None:
    assert fit_classes(np.zeros((60, 1)), np.zeros(60, int)) == ()


def test_a_fold_that_would_hold_all_of_a_class_leaves_one_temperature(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = classed(0, 1500, 4.0)
    monkeypatch.setattr("inspector.calibration.choice.fold_numbers", lambda kinds, *rest: kinds)
    assert fit_classes(logits, labels) == ()


def test_logits_that_are_no_numbers_and_labels_too_few_are_refused() -> None:
    logits, labels = classed(0, 90, 1.0)
    with pytest.raises(CalibrationUndefined, match="labels: expected one for each of 90"):
        fit_classes(logits, labels[1:])
    logits[7, 1] = np.inf
    with pytest.raises(CalibrationUndefined, match="first at position 7"):
        fit_classes(logits, labels)


def test_a_class_against_the_rest_is_the_log_odds_of_its_share() -> None:
    logits, _ = classed(0, 20, 1.0)
    shares = softmax(logits)
    assert one_against_rest(logits) == pytest.approx(np.log(shares / (1 - shares)))


def test_classes_of_their_own_still_agree_with_the_parts_probability() -> None:
    logits, labels = classed(0, 300, 3.0)
    part = Platt(slope=1.0, intercept=-1.0)
    found = calibration(classes=fit_each_class(logits, labels), platt=part).probabilities(logits, (0,))
    assert found.sum(axis=1) == pytest.approx(np.ones(300))
    score = np.logaddexp(logits[:, 1], logits[:, 2]) - logits[:, 0]
    assert found[:, 1:].sum(axis=1) == pytest.approx(part.probability(score))


@pytest.mark.parametrize("method", list(FITS))
def test_a_method_that_is_asked_for_is_fitted_and_none_is_chosen(method: Method) -> None:
    scores, is_defect = shaped(0, 200, "sigmoid")
    assert fit_part(scores, is_defect, method=method) == fit_as(method, scores, is_defect)


@pytest.mark.parametrize("method", list(FITS))
def test_scores_in_single_precision_are_calibrated_as_the_same_numbers_in_double(method: Method) -> None:
    scores, is_defect = shaped(0, 120, "sigmoid")
    single = scores.astype(np.float32)
    fitted = FITS[method](single, is_defect)
    assert fitted == FITS[method](single.astype(np.float64), is_defect)
    assert fitted.probability(single).dtype == np.float64
    assert (fitted.probability(single) == fitted.probability(single.astype(np.float64))).all()


def test_good_parts_in_few_groups_leave_no_choice_either() -> None:
    scores, is_defect = shaped(0, 200, "sigmoid")
    groups = [f"defect{n}" if bad else f"good{n % (FOLDS - 1)}" for n, bad in enumerate(is_defect)]
    assert fit_part(scores, is_defect, groups).log_losses == {}


def test_two_classes_may_be_calibrated_apart() -> None:
    """A temperature cannot shift; a sigmoid of each class can."""
    scores, is_defect = shaped(0, 1500, "sigmoid")
    logits = np.column_stack([np.zeros(len(scores)), scores])
    assert len(fit_classes(logits, is_defect.astype(int))) == 2


def test_a_class_without_any_part_leaves_one_temperature() -> None:
    logits, labels = classed(0, 300, 3.0)
    more = np.column_stack([logits, np.full(len(logits), -9.0)])
    assert fit_classes(more, labels) == ()


def test_nothing_to_share_is_shared_evenly_and_rows_keep_their_proportions() -> None:
    rows = np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 3.0, 0.0, 0.0], [0.2, 0.2, 0.0, 0.0]])
    assert share(rows).tolist() == [[0.25] * 4, [0.25, 0.75, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]]


def test_large_groups_choose_their_fold_first() -> None:
    """One group of twelve and twelve of one, three folds: taken last, the twelve would come on top of four."""
    groups = np.array([0] * 12 + list(range(1, 13)))
    for seed in range(10):
        folds = fold_numbers(np.zeros(24, int), groups, 3, seed)
        assert sorted(Counter(folds.tolist()).values()) == [6, 6, 12]


def test_a_rare_kind_is_spread_over_the_folds() -> None:
    """Ten common parts weigh no more than the one rare part of a group that holds both kinds."""
    kinds = np.array([0] * 100 + [1] * 5)
    groups = np.array([*range(100), *range(100, 105)])
    for seed in range(10):
        folds = fold_numbers(kinds, groups, 5, seed)
        assert sorted(folds[100:].tolist()) == [0, 1, 2, 3, 4]
        assert Counter(folds[:100].tolist()) == dict.fromkeys(range(5), 20)
