from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as fleiss_of_statsmodels
from statsmodels.stats.proportion import proportion_confint

from inspector.agreement import (
    Criterion,
    Mark,
    Rating,
    attribute_study,
    cohen_kappa,
    first_labels,
    fleiss_kappa,
    raters_of,
    repeatability,
    trials_of,
)
from inspector.errors import UndefinedFigure
from inspector.risk import Rate

GWET_FULL, GWET_GAPS = 0.05907, (0.30379, 0.06682)


def raters(n: int, categories: int, seed: int, count: int = 3) -> np.ndarray:
    """Labels (n, count) of raters who agree on some 60 %."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, categories, n)
    own = rng.integers(0, categories, (n, count))
    return np.where(rng.random((n, count)) < 0.6, truth[:, None], own)


# ---- Cohen


@pytest.mark.parametrize("categories", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_cohens_kappa_and_its_error_are_those_of_others(categories: int, seed: int) -> None:
    one, other = raters(70, categories, seed, 2).T
    table = np.zeros((categories, categories))
    np.add.at(table, (one, other), 1)
    ours, theirs = cohen_kappa(one.tolist(), other.tolist()), cohens_kappa(table)
    assert ours.value == pytest.approx(theirs.kappa)
    assert ours.value == pytest.approx(cohen_kappa_score(one, other))
    assert ours.standard_error == pytest.approx(theirs.std_kappa)
    assert ours.low <= theirs.kappa_low + 1e-9
    assert ours.high >= min(1.0, theirs.kappa_upp) - 1e-9
    assert ours.observed == pytest.approx(np.mean(one == other))
    assert (ours.n, ours.confidence) == (70, 0.95)


def test_full_agreement_of_few_parts_is_no_certainty() -> None:
    kappa = cohen_kappa(["good", "bad"] * 5, ["good", "bad"] * 5)
    least, _ = proportion_confint(10, 10, alpha=0.05, method="beta")
    assert (kappa.value, kappa.high, kappa.standard_error) == (1.0, 1.0, 0.0)
    assert kappa.low == pytest.approx((least - 0.5) / 0.5)


def test_the_interval_is_the_wider_of_the_normal_one_and_the_exact_one() -> None:
    one, other = (["good"] * 50 + ["bad"] * 50 for _ in range(2))
    other[40:60] = ["bad"] * 10 + ["good"] * 10
    kappa = cohen_kappa(one, other)
    low, high = (2 * limit - 1 for limit in proportion_confint(80, 100, alpha=0.05, method="beta"))
    reach = 1.959964 * kappa.standard_error
    assert kappa.low == pytest.approx(min(kappa.value - reach, low), abs=1e-6)
    assert kappa.high == pytest.approx(max(kappa.value + reach, high), abs=1e-6)
    narrower = cohen_kappa(one, other, 0.5)
    assert kappa.low < narrower.low < narrower.high < kappa.high


def test_opposite_labels_are_worse_than_chance() -> None:
    kappa = cohen_kappa(["a", "b"] * 20, ["b", "a"] * 20)
    assert kappa.value == -1.0
    assert kappa.low == -1.0


def test_the_interval_of_kappa_covers() -> None:
    """300 pairs of raters with known kappa (0.6): at least 95 % less three standard errors of the simulation."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        truth = rng.random(60) < 0.5
        same = rng.random(60) < 0.8
        kappa = cohen_kappa(truth.tolist(), np.where(same, truth, ~truth).tolist())
        covered += kappa.low <= 0.6 <= kappa.high
    assert covered / 300 >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 300)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=40))
def test_kappa_asks_neither_who_is_first_nor_in_what_order(pairs: list[tuple[str, str]]) -> None:
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    if len({*one, *other}) == 1:
        return
    kappa, turned = cohen_kappa(one, other), cohen_kappa(other[::-1], one[::-1])
    assert kappa.value == pytest.approx(turned.value)
    assert kappa.standard_error == pytest.approx(turned.standard_error, abs=1e-6)
    assert -1 <= kappa.low <= kappa.value <= kappa.high <= 1


def test_the_text_of_a_kappa_has_interval_and_count() -> None:
    assert cohen_kappa(["a", "b"] * 20, ["a", "b"] * 20).text() == "1.00 (0.82 to 1.00, 95 %) from 40 parts"


# ---- Fleiss


@pytest.mark.parametrize("categories", [2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_fleiss_kappa_is_that_of_statsmodels(categories: int, seed: int) -> None:
    labels = raters(60, categories, seed)
    ours = fleiss_kappa(labels.tolist())
    assert ours.value == pytest.approx(fleiss_of_statsmodels(aggregate_raters(labels)[0]))
    assert ours.low < ours.value < ours.high


def test_the_error_of_fleiss_kappa_is_that_of_a_bootstrap() -> None:
    labels, rng = raters(200, 3, 1), np.random.default_rng(0)
    draws = [fleiss_kappa(labels[rng.integers(0, 200, 200)].tolist()).value for _ in range(400)]
    assert fleiss_kappa(labels.tolist()).standard_error == pytest.approx(np.std(draws), rel=0.12)


def test_the_error_of_fleiss_kappa_is_gwets() -> None:
    """What irrCAC 0.4.4 gives for these labels, also where a rater left a part out: 5 decimals."""
    labels = raters(80, 3, 2)
    assert fleiss_kappa(labels.tolist()).standard_error == pytest.approx(GWET_FULL, abs=1e-5)
    gaps = [row[:2] if place % 4 == 0 else row for place, row in enumerate(labels.tolist())]
    kappa = fleiss_kappa(gaps)
    assert kappa.value == pytest.approx(GWET_GAPS[0], abs=1e-5)
    assert kappa.standard_error == pytest.approx(GWET_GAPS[1], abs=1e-5)


def test_a_single_part_tells_next_to_nothing() -> None:
    kappa = fleiss_kappa([["a", "b", "b"]])
    assert (kappa.low, kappa.high, kappa.n) == (-1.0, 1.0, 1)


# ---- AIAG


def study_of(decisions: list[tuple[str, bool]], reference: dict[str, bool]) -> list[Rating]:
    return [Rating(part, "ann", "scratch" if bad else "good", bad) for part, bad in decisions]


def test_an_attribute_study_counts_decisions() -> None:
    reference = {f"bad-{n}": True for n in range(50)} | {f"good-{n}": False for n in range(100)}
    said = [(part, truth) for part, truth in reference.items() for _ in range(2)]
    said[0] = ("bad-0", False)
    said[1] = ("bad-0", False)
    said[100] = ("good-0", True)
    study = attribute_study([*study_of(said, reference), Rating("bad-1", "ben", "good", False)], reference, "ann")
    assert (study.miss.decisions, study.miss.parts) == (Rate(2, 100), Rate(1, 50))
    assert (study.false_alarm.decisions, study.false_alarm.parts) == (Rate(1, 200), Rate(1, 100))
    assert (study.errors.decisions, study.errors.parts) == (Rate(3, 300), Rate(2, 150))
    assert study.effectiveness == pytest.approx(0.99)
    assert study.miss.at_most() == pytest.approx(proportion_confint(1, 50, alpha=0.1, method="beta")[1])
    assert study.rater == "ann"
    assert study.text() == (
        "effectiveness 99.0 %; errors 3 of 300, at most 4.1 % (95 %): acceptable; "
        "misses 2 of 100, at most 9.1 % (95 %): acceptable; false alarms 1 of 200, at most 4.7 % (95 %): acceptable"
    )
    assert study.mark is Mark.ACCEPTABLE
    assert study.errors.is_shown()
    assert not study.miss.is_shown()
    assert study.false_alarm.is_shown()


@pytest.mark.parametrize(
    ("kind", "bad", "good", "mark"),
    [
        ("miss", 2, 0, Mark.ACCEPTABLE),
        ("miss", 3, 0, Mark.MARGINAL),
        ("miss", 5, 0, Mark.MARGINAL),
        ("miss", 6, 0, Mark.UNACCEPTABLE),
        ("false_alarm", 0, 5, Mark.ACCEPTABLE),
        ("false_alarm", 0, 6, Mark.MARGINAL),
        ("false_alarm", 0, 10, Mark.MARGINAL),
        ("false_alarm", 0, 11, Mark.UNACCEPTABLE),
        ("errors", 10, 10, Mark.ACCEPTABLE),
        ("errors", 10, 11, Mark.MARGINAL),
        ("errors", 20, 20, Mark.MARGINAL),
        ("errors", 20, 21, Mark.UNACCEPTABLE),
    ],
)
def test_the_marks_are_those_of_the_manual(kind: str, bad: int, good: int, mark: Mark) -> None:
    reference = {f"bad-{n}": True for n in range(100)} | {f"good-{n}": False for n in range(100)}
    wrong = {f"bad-{n}" for n in range(bad)} | {f"good-{n}" for n in range(good)}
    said = [(part, truth is not (part in wrong)) for part, truth in reference.items()]
    study = attribute_study(study_of(said, reference), reference, "ann")
    criterion: Criterion = getattr(study, kind)
    assert criterion.mark is mark
    assert list(Mark).index(study.mark) >= list(Mark).index(mark)


def test_the_worst_mark_is_the_persons() -> None:
    reference = {f"bad-{n}": True for n in range(10)} | {f"good-{n}": False for n in range(100)}
    said = [(part, part.startswith("bad") and part != "bad-0") for part in reference]
    assert attribute_study(study_of(said, reference), reference, "ann").mark is Mark.UNACCEPTABLE


@pytest.mark.parametrize(
    ("reference", "fault"),
    [
        ({}, "ann labelled no part that has a reference"),
        ({"a": False}, "ann labelled no part whose reference is defective"),
        ({"a": True}, "ann labelled no part whose reference is good"),
    ],
)
def test_a_study_without_both_kinds_is_refused(reference: dict[str, bool], fault: str) -> None:
    with pytest.raises(UndefinedFigure, match=fault):
        attribute_study([Rating("a", "ann", "good", False)], reference, "ann")


# ---- the same person again


def ratings(*said: str) -> list[Rating]:
    """`part person label` each."""
    rows = [words.split() for words in said]
    return [Rating(part, person, label, label != "good") for part, person, label in rows]


def test_repeatability_counts_parts_that_were_named_alike_each_time() -> None:
    given = ratings("a ann good", "b ann dent", "a ann good", "b ann good", "b ann good", "c ann good", "a ben dent")
    repeated = repeatability(given, "ann")
    assert (repeated.rater, repeated.same) == ("ann", Rate(1, 2))
    assert repeated.kappa is not None
    assert repeated.kappa.value == cohen_kappa(["good", "dent"], ["good", "good"]).value
    assert repeated.at_least == Rate(1, 2).lower(0.95)
    assert repeated.text().startswith("1 of 2 parts the same, at least 2.5 % (95 %); kappa 0.00 (")


def test_repeats_of_one_category_have_no_kappa() -> None:
    repeated = repeatability(ratings("a ann good", "a ann good"), "ann")
    assert (repeated.same, repeated.kappa) == (Rate(1, 1), None)
    assert repeated.text() == "1 of 1 parts the same, at least 5.0 % (95 %)"


def test_without_a_repeat_there_is_no_repeatability() -> None:
    with pytest.raises(UndefinedFigure, match="ann labelled no part twice"):
        repeatability(ratings("a ann good", "a ben good", "b ann good"), "ann")


def test_labels_are_sorted_by_part_and_person() -> None:
    given = ratings("a ann good", "a ben dent", "a ann dent", "b ben good")
    assert first_labels(given) == {"a": {"ann": "good", "ben": "dent"}, "b": {"ben": "good"}}
    assert trials_of(given, "ann") == {"a": ["good", "dent"]}
    assert raters_of(given) == ["ann", "ben"]


# ---- what is not defined


@pytest.mark.parametrize(
    ("one", "other", "fault"),
    [
        ([], [], "no part was labelled by both"),
        (["a"], ["a", "b"], "1 labels of one rater and 2 of the other"),
        (["a", "a"], ["a", "a"], "both said 'a' of all parts"),
    ],
)
def test_a_kappa_of_nothing_is_refused(one: list[str], other: list[str], fault: str) -> None:
    with pytest.raises(UndefinedFigure, match=fault):
        cohen_kappa(one, other)


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ([], "kappa: no part"),
        ([["a", "b"], ["a"], []], "2 of 3 parts have one rater or none"),
        ([["a", "a"], ["a", "a"]], "all said 'a' of all parts"),
    ],
)
def test_a_fleiss_kappa_of_nothing_is_refused(parts: list[list[str]], fault: str) -> None:
    with pytest.raises(UndefinedFigure, match=fault):
        fleiss_kappa(parts)


def test_no_label_has_no_rater() -> None:
    with pytest.raises(UndefinedFigure, match="no blind label"):
        raters_of([])
