from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from inspector import metrics

labelled_scores = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=60).filter(
    lambda parts: len({defective for _, defective in parts}) == 2
)
labels_and_predictions = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(parts=labelled_scores)
def test_auroc_with_ties_is_sklearns(parts: list[tuple[int, bool]]) -> None:
    scores, is_defect = np.array([s for s, _ in parts], float), np.array([d for _, d in parts])
    assert metrics.auroc(scores, is_defect) == pytest.approx(reference.roc_auc_score(is_defect, scores))


@given(parts=labels_and_predictions)
def test_confusion_accuracy_and_macro_f1_are_sklearns(parts: list[tuple[int, int]]) -> None:
    labels, predicted = np.array([a for a, _ in parts]), np.array([b for _, b in parts])
    counts = metrics.confusion(labels, predicted, 4)
    assert np.array_equal(counts, reference.confusion_matrix(labels, predicted, labels=range(4)))
    assert metrics.accuracy(labels, predicted) == pytest.approx(reference.accuracy_score(labels, predicted))
    assert metrics.macro_f1(counts) == pytest.approx(reference.f1_score(labels, predicted, average="macro"))


@given(p=st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_brier_of_two_classes_is_twice_sklearns(p: list[tuple[float, bool]]) -> None:
    defective, labels = np.array([a for a, _ in p]), np.array([int(b) for _, b in p])
    both = np.stack([1 - defective, defective], axis=1)
    expected = reference.brier_score_loss(labels, defective, pos_label=1, labels=[0, 1], scale_by_half=True)
    assert metrics.brier(both, labels) == pytest.approx(2 * expected)


def test_brier_of_three_classes_by_hand() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    expected = ((0.5**2 + 0.3**2 + 0.2**2) + (0.1**2 + 0.9**2 + 0.8**2)) / 2
    assert metrics.brier(probabilities, np.array([0, 1])) == pytest.approx(expected)


def test_ece_by_hand() -> None:
    confidence = np.array([0.6, 0.9, 0.7, 1.0])
    correct = np.array([True, True, False, True])
    two_bins = (2 * abs(0.5 - 0.65) + 2 * abs(1.0 - 0.95)) / 4
    assert metrics.ece(confidence, correct, bins=2) == pytest.approx(two_bins)
    assert metrics.ece(confidence, correct, bins=1) == pytest.approx(abs(0.75 - 0.8))


def test_ece_of_certain_and_right_is_zero_and_of_certain_and_wrong_is_one() -> None:
    assert metrics.ece(np.ones(20), np.ones(20, bool)) == 0
    assert metrics.ece(np.ones(20), np.zeros(20, bool)) == 1


def test_a_figure_of_no_parts_is_refused() -> None:
    none = np.empty(0, int)
    for figure in (
        lambda: metrics.accuracy(none, none),
        lambda: metrics.ece(np.empty(0), np.empty(0, bool)),
        lambda: metrics.brier(np.empty((0, 2)), none),
        lambda: metrics.macro_f1(np.zeros((3, 3), np.int64)),
    ):
        with pytest.raises(ValueError, match="at least one part"):
            figure()


@pytest.mark.parametrize("is_defect", [np.ones(3, bool), np.zeros(3, bool)])
def test_auroc_of_one_kind_of_part_is_refused(is_defect: np.ndarray) -> None:
    with pytest.raises(ValueError, match="good and defective"):
        metrics.auroc(np.arange(3.0), is_defect)
