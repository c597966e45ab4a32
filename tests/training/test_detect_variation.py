"""Boxes follow their pixels through every variation; the spot in each picture says where its box must be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from inspector.errors import RecipeError
from training.augment import vary_light
from training.detect.loader import Whole, WindowSteps, collate, draw_weights
from training.detect.pictures import BoxedPictures, choose_strides
from training.detect.recipe import DetectRecipe, VariationRecipe
from training.detect.variation import Boxed, mosaic, turn, vary, visible
from training.train_command import read_recipe

BRIGHT = 250


def spotted(x: int, y: int, width: int, height: int, *, side: int = 64, channels: int = 3) -> Boxed:
    pixels = np.zeros((side, side, channels), np.uint8)
    pixels[y : y + height, x : x + width] = BRIGHT
    return Boxed(pixels, np.array([[x, y, x + width, y + height]], np.float32), np.array([1]))


def spot_of(pixels: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(pixels[:, :, 0] > 125)
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


@pytest.mark.parametrize("seed", range(12))
def test_a_box_follows_its_spot_through_windows_scales_and_turns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    recipe = VariationRecipe(scale=0.3, aspect=0.1)
    varied = vary([spotted(20, 26, 14, 8)], (64, 64), recipe, rng)
    assert varied.pixels.shape == (64, 64, 3)
    if len(varied.boxes):
        assert np.abs(varied.boxes[0] - spot_of(varied.pixels)).max() <= 1.0


def test_all_eight_ways_up_occur_and_boxes_turn_along() -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(100):
        turned = turn(spotted(4, 10, 20, 6), VariationRecipe(), rng)
        assert turned.boxes[0].tolist() == spot_of(turned.pixels)
        seen.add(tuple(turned.boxes[0].tolist()))
    assert len(seen) == 8


def test_a_window_that_is_not_square_is_never_turned_on_its_side() -> None:
    oblong = Boxed(np.zeros((32, 64, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    rng = np.random.default_rng(0)
    assert {turn(oblong, VariationRecipe(), rng).pixels.shape for _ in range(20)} == {(32, 64, 3)}


def test_a_mosaic_moves_boxes_with_their_pictures() -> None:
    four = mosaic([spotted(2, 3, 10, 12)] * 4)
    assert four.pixels.shape == (128, 128, 3)
    for box in four.boxes.astype(int):
        assert (four.pixels[box[1] : box[3], box[0] : box[2]] == BRIGHT).all()


def test_what_is_hardly_left_in_the_window_is_left_out() -> None:
    boxes = np.array([[-8, 0, 2, 10], [-3, 0, 7, 10], [70, 0, 80, 10]], np.float32)
    seen, labels = visible(boxes, np.array([0, 1, 2]), (64, 64), 0.4)
    assert (seen.tolist(), labels.tolist()) == ([[0, 0, 7, 10]], [1])
    assert len(visible(boxes[:0], np.zeros(0, np.int64), (64, 64), 0.4)[0]) == 0


def test_the_template_is_shifted_a_little_and_never_more() -> None:
    """Spot and template coincide; after variation they are apart by no more than the recipe allows, scaled."""
    rng = np.random.default_rng(0)
    recipe = VariationRecipe(scale=0, aspect=0, misalign_px=3)
    apart = []
    for _ in range(40):
        varied = vary([spotted(24, 24, 16, 16, channels=6)], (64, 64), recipe, rng)
        apart.append(np.subtract(spot_of(varied.pixels[:, :, :3]), spot_of(varied.pixels[:, :, 3:])))
    assert 1 <= np.abs(apart).max() <= 4


def test_light_falls_on_the_picture_and_not_on_its_template() -> None:
    images = torch.full((2, 6, 8, 8), 100.0)
    varied = vary_light(images, 1.0, 1.0, np.random.default_rng(0))
    assert torch.equal(varied[:, 3:], images[:, 3:])
    assert (varied[:, :3] - images[:, :3]).abs().max() > 5
    assert float(varied.min()) >= 0
    assert float(varied.max()) <= 255


def pictures(*boxed: Boxed) -> BoxedPictures:
    return BoxedPictures((), boxed)


EMPTY = Boxed(np.zeros((64, 64, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))


def test_steps_repeat_for_the_same_seed_epoch_and_step() -> None:
    recipe = DetectRecipe.model_validate({"fit": {"batch_size": 2}})

    def first(epoch: int, seed: int = 5) -> torch.Tensor:
        steps = WindowSteps(pictures(spotted(0, 0, 40, 60), EMPTY), (32, 32), recipe, seed)
        steps.epoch = epoch
        return steps[0].images

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))
    assert not torch.equal(first(0), first(0, seed=6))


def test_an_epoch_covers_every_picture_with_a_box() -> None:
    recipe = DetectRecipe.model_validate({"fit": {"batch_size": 2}})
    assert len(WindowSteps(pictures(*[spotted(4, 10, 20, 6)] * 4, EMPTY), (32, 32), recipe, 0)) == 4 * 4 // 2


def test_pictures_without_a_box_get_their_share() -> None:
    assert draw_weights(pictures(spotted(1, 1, 9, 9), EMPTY, EMPTY), 0.1).tolist() == pytest.approx([0.9, 0.05, 0.05])
    assert draw_weights(pictures(EMPTY, EMPTY), 0.1).tolist() == [0.5, 0.5]


def test_batches_fill_up_to_the_picture_with_most_boxes() -> None:
    batch = collate([spotted(4, 10, 20, 6), EMPTY])
    assert batch.images.shape == (2, 3, 64, 64)
    assert batch.truth.known.tolist() == [[True], [False]]
    assert Whole(pictures(EMPTY))[0].truth.known.tolist() == [[False]]


def test_levels_follow_from_the_sizes_of_the_boxes() -> None:
    assert choose_strides(pictures(spotted(4, 10, 30, 26))) == (8, 16)
    assert choose_strides(pictures(spotted(4, 10, 9, 8))) == (4, 8)
    assert choose_strides(pictures(spotted(0, 0, 200, 20, side=224))) == (8, 16, 32)


def test_levels_that_are_no_pyramid_are_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[detector]\nstrides = [8, 32]\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="each twice the one before"):
        read_recipe(recipe, "detect")
