from __future__ import annotations

import numpy as np

from training.coverage import cover, features_of, furthest_first


def pictures(levels: list[int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 2, (len(levels), 24, 24, 3))
    return np.clip(np.array(levels)[:, None, None, None] + noise, 0, 255).astype(np.uint8)


def test_the_one_dark_and_the_one_bright_picture_are_always_among_the_chosen() -> None:
    levels = [120] * 100 + [15, 240]
    for seed in range(5):
        chosen = cover(pictures(levels), [0] * 102, 4, seed)
        assert {100, 101} <= set(chosen.tolist())


def test_twins_are_taken_last() -> None:
    levels = [30, 60, 90, 120, 150, 180, 210] + [121] * 40
    chosen = cover(pictures(levels), [0] * 47, 7, 0)
    assert len({levels[index] // 8 for index in chosen}) == 7


def test_classes_take_turns_so_that_a_rare_one_is_covered() -> None:
    labels = [0] * 60 + [1] * 3
    chosen = cover(pictures([100 + i % 20 for i in range(63)]), labels, 10, 0)
    assert {60, 61, 62} <= set(chosen.tolist())
    assert len(chosen) == 10


def test_the_same_seed_chooses_the_same_and_nothing_is_chosen_twice() -> None:
    images = np.repeat(pictures([100]), 50, axis=0)
    one, again = (cover(images, [0] * 50, 20, 3).tolist() for _ in range(2))
    assert one == again == sorted(set(one))
    assert cover(images, [0] * 50, 20, 4).tolist() != one


def test_fewer_pictures_than_asked_for_are_all_taken() -> None:
    assert cover(pictures([10, 20, 30]), [0, 0, 1], 8, 0).tolist() == [0, 1, 2]
    assert cover(pictures([]), [], 8, 0).tolist() == []


def test_the_largest_gap_shrinks_faster_than_with_a_random_choice() -> None:
    rng = np.random.default_rng(1)
    features = np.concatenate([rng.normal(0, 0.1, (200, 3)), rng.uniform(-5, 5, (20, 3))]).astype(np.float32)

    def gap(taken: list[int]) -> float:
        return float(np.linalg.norm(features[:, None] - features[taken][None], axis=2).min(1).max())

    ours = gap(furthest_first(features, features[:, 0].astype(np.float64), 20))
    assert ours < min(gap(rng.permutation(220)[:20].tolist()) for _ in range(20))


def test_exposure_and_place_of_a_stain_both_make_a_difference() -> None:
    plain, bright = pictures([100, 180])
    stained = plain.copy()
    stained[:8, :8] = 20
    moved = plain.copy()
    moved[-8:, -8:] = 20
    distances = [np.linalg.norm(features_of(a) - features_of(b)) for a, b in ((plain, bright), (stained, moved))]
    assert min(distances) > 0.1
