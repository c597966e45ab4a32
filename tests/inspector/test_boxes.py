from __future__ import annotations

import numpy as np

from inspector.boxes import areas, iou, shared_areas, suppress, vote


def test_iou_of_a_quarter_overlap() -> None:
    one, other = np.array([[0, 0, 10, 10.0]]), np.array([[5, 5, 15, 15.0], [20, 20, 30, 30], [0, 0, 10, 10]])
    assert shared_areas(one, other).tolist() == [[25, 0, 100]]
    assert np.allclose(iou(one, other), [[25 / 175, 0, 1]])


def test_an_inverted_or_empty_box_has_no_area_and_overlaps_nothing() -> None:
    odd = np.array([[5, 5, 5, 9.0], [9, 9, 1, 1]])
    assert areas(odd).tolist() == [0, 0]
    assert not iou(odd, odd).any()


def test_no_boxes_suppress_nothing() -> None:
    assert len(suppress(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), 0.5)) == 0


def test_the_better_of_two_doubles_stays_and_another_kind_is_no_double() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 11], [0, 0, 10, 10], [50, 50, 60, 60.0]])
    kept = suppress(boxes, np.array([0.5, 0.9, 0.4, 0.1]), np.array([0, 0, 1, 0]), 0.6)
    assert kept.tolist() == [1, 2, 3]


def test_a_suppressed_box_suppresses_no_other() -> None:
    """Three in a row: the middle one goes by the first, and the last stays since only the middle one overlaps it."""
    boxes = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10.0]])
    assert suppress(boxes, np.array([0.9, 0.8, 0.7]), np.zeros(3, int), 0.3).tolist() == [0, 2]


def test_doubles_of_a_kind_vote_on_the_box_by_score_and_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 8], [0, 0, 10, 2.0]])
    settled = vote(boxes, np.array([0.5, 0.5, 0.9, 0.9]), np.array([0, 0, 1, 0]), np.array([0]), 0.5)
    assert np.allclose(settled, [[0, 0, 10, (10 + 8 * 0.8) / 1.8]])


def test_a_box_that_nothing_overlaps_stays_as_it_is() -> None:
    boxes = np.array([[3, 4, 5, 6], [7, 7, 7, 9.0]])
    assert np.allclose(vote(boxes, np.array([0.9, 0.8]), np.zeros(2, int), np.array([0, 1]), 0.5), boxes)
