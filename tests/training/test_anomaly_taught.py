"""Defects drawn on good parts, and a network that learns them and finds real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inspector.bundle import Bundle, load_bundle
from inspector.dataset import read_dataset
from inspector.inspection import Inspector
from inspector.recipe import Recipe
from training.anomaly.recipe import AnomalyRecipe
from training.anomaly.synthetic import SHAPES, VISIBLE, draw

SIDE = 64
RECIPE = {
    "backbone": "compact",
    "golden_per_bundle": 4,
    "input": {"height": SIDE, "width": SIDE},
    "synthetic": {"window": 64, "channels": 16, "fit": {"epochs": 16, "batch_size": 2, "learning_rate": 0.01}},
    "policy": {"escape": 0, "overkill": 0},
    "quantise": {"images": 8, "float_flips": 1.0, "int8_flips": 1.0, "max_drop": 1.0, "sensitivity_s": 5},
}


def surface_picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(120, 6, (72, 96, 3)).clip(0, 255).astype(np.uint8)


def test_what_is_drawn_changes_the_masked_pixels_and_the_same_state_draws_the_same() -> None:
    picture, donor = surface_picture(0), surface_picture(1)
    before = picture.copy()
    marked = 0
    for seed in range(80):
        drawn, mask = draw(picture, donor, np.random.default_rng(seed))
        again = draw(picture, donor, np.random.default_rng(seed))
        assert np.array_equal(drawn, again[0])
        assert np.array_equal(mask, again[1])
        assert drawn.shape == picture.shape
        assert drawn.dtype == np.uint8
        assert set(np.unique(mask)) <= {0, 1}
        change = np.abs(drawn.astype(float) - picture).mean(2)
        if mask.any():
            marked += 1
            assert change[mask == 1].mean() > VISIBLE
    assert np.array_equal(picture, before)
    assert marked >= 70  # a defect may fall on a corner and not be seen


@pytest.mark.parametrize("shape", sorted(set(SHAPES), key=lambda one: one.__name__), ids=lambda one: one.__name__)
def test_every_shape_covers_some_of_pictures_of_any_form_and_seldom_all(shape) -> None:
    for height, width in ((40, 300), (300, 40), (64, 64)):
        shares = []
        for seed in range(30):
            cover = shape(height, width, np.random.default_rng(seed))
            assert cover.shape == (height, width)
            assert cover.dtype == np.float32
            assert 0 <= cover.min() <= cover.max() <= 1 + 1e-5
            shares.append(float((cover > 0.3).mean()))
        assert np.mean([share > 0 for share in shares]) > 0.6
        assert np.mean(shares) < 0.6


def test_selection_takes_whole_groups_and_leaves_most_to_learn_from() -> None:
    from training.anomaly.taught import selected

    groups = [f"tile-{number // 3}" for number in range(90)]
    kept = selected(groups)
    assert 0 < kept.mean() < 0.2
    chosen = {group for group, keep in zip(groups, kept, strict=True) if keep}
    assert not chosen & {group for group, keep in zip(groups, kept, strict=True) if not keep}
    assert not selected(["a", "b"]).any()


def test_steps_repeat_and_selection_never_changes() -> None:
    import torch

    from training.anomaly.taught import DrawnSelection, DrawnSteps

    recipe = AnomalyRecipe.model_validate(RECIPE)
    assert recipe.synthetic is not None
    pictures = [surface_picture(seed)[:SIDE, :SIDE] for seed in range(16)]
    steps = DrawnSteps(pictures, recipe.synthetic, recipe.augment, seed=3)
    assert len(steps) == 8
    first, second = steps[0], steps[0]
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.masks, second.masks)
    steps.epoch = 1
    assert not torch.equal(first.images, steps[0].images)
    selection = DrawnSelection(pictures, recipe.synthetic, seed=3)
    assert len(selection) == 1
    assert selection[0].images.shape == (16, 3, SIDE, SIDE)
    assert torch.equal(selection[0].images, selection[0].images)
    assert 0 < float(selection[0].labels.float().mean()) < 1


def test_held_good_parts_are_the_unit_of_both_opinions() -> None:
    import torch

    from training.anomaly.taught import TaughtNetwork
    from training.graph import StationGraph

    torch.manual_seed(0)
    network = TaughtNetwork("compact", (SIDE, SIDE), 1, 16).eval()
    normalise = StationGraph(network).normalise
    fitted, held, other = (normalise(torch.randint(256, (count, 3, SIDE, SIDE)).byte()) for count in (40, 24, 5))
    with torch.no_grad():
        before = network.station(other)[0]
        assert torch.allclose(before, torch.nn.functional.softplus(network(other).score))
        network.learn_typical(fitted.split(16), held.split(16))
        scores = torch.log(torch.expm1(network.station(held)[0].double()))
    assert float(scores.mean()) == pytest.approx(0, abs=0.01)


@pytest.fixture(scope="module")
def bundle(surface: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    from training.anomaly.task import train
    from training.budget import Budget
    from training.order import Order

    order = Order(
        read_dataset(surface, splits=("train", "val")),
        tmp_path_factory.mktemp("taught"),
        AnomalyRecipe.model_validate(RECIPE),
        0,
        False,
    )
    return load_bundle(train(order, Budget.starting_now(None)))


def test_real_defects_stand_out_although_only_drawn_ones_were_learnt(
    bundle: Bundle, surface: Path, require_defects_stand_out: Callable[[Bundle, Path], None]
) -> None:
    require_defects_stand_out(bundle, surface)


def test_the_bundle_says_how_it_was_learnt_and_judges_its_golden_samples(bundle: Bundle) -> None:
    assert bundle.manifest.training["learnt"] == "defects drawn on good parts"
    assert Inspector(bundle, Recipe()).self_test() == 4
