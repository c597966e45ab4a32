"""The parts of a segmenter's training that need no run: network, losses, sizes, limit."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from inspector.samples import Sample
from training.augment import Batch
from training.export import DeployedGraph
from training.graph import StationGraph
from training.network import SHAPES
from training.pictures import Pictures
from training.recipe import FitRecipe, InputRecipe
from training.segment.limit import CANDIDATES, USUAL, choose_mask_above
from training.segment.loader import WindowSteps, place_window
from training.segment.material import choose_segment_input, load_masked, needed_px, proportions
from training.segment.network import Segmented, Segmenter, stage_at
from training.segment.objective import SegmentObjective, dice_loss, kind_loss, part_loss, pixel_loss
from training.segment.recipe import DecoderRecipe, SegmentRecipe

KNOWN = torch.ones(1)


def square(side: int, inside: slice) -> torch.Tensor:
    mask = torch.zeros(1, side, side)
    mask[:, inside, inside] = 1
    return mask


def logits(mask: torch.Tensor, certainty: float = 20.0) -> torch.Tensor:
    return (mask * 2 - 1) * certainty


def test_the_mask_is_at_half_of_the_input_and_the_station_gets_probabilities() -> None:
    network = Segmenter("compact", (64, 96), 2, 8).eval()
    mask, kinds, score = StationGraph(network)(torch.zeros(2, 64, 96, 3, dtype=torch.uint8))
    assert mask.shape == (2, 1, 32, 48)
    assert kinds.shape == (2, 2, 16, 24)
    assert score.shape == (2,)
    assert 0 <= float(mask.detach().min()) <= float(mask.detach().max()) <= 1


def test_folding_for_the_station_changes_nothing() -> None:
    torch.manual_seed(1)
    graph = StationGraph(Segmenter("compact", (64, 64), 2, 8)).eval()
    picture = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        pairs = zip(graph(picture), DeployedGraph(graph).eval()(picture), strict=True)
        assert all(torch.allclose(fitted, deployed, atol=1e-4) for fitted, deployed in pairs)


def test_frozen_stages_get_no_gradient_and_the_others_do() -> None:
    network = Segmenter("compact", (64, 64), 1, 8, frozen_stages=2).train()
    seen: Segmented = network(StationGraph(network).normalise(torch.rand(2, 3, 64, 64) * 255))
    torch.autograd.backward(seen.score.sum())
    stages = network.backbone.stages
    assert all(parameter.grad is None for parameter in [*network.backbone.stem.parameters(), *stages[1].parameters()])
    assert all(parameter.grad is not None for parameter in stages[2].parameters())


def test_a_stage_is_known_by_its_stride() -> None:
    assert [stage_at(SHAPES["efficientnet-lite0"], stride) for stride in (2, 4, 8, 16, 32)] == [0, 1, 2, 4, 6]
    with pytest.raises(ValueError, match="stride 64"):
        stage_at(SHAPES["compact"], 64)


def test_dice_is_nothing_for_the_true_mask_and_everything_for_its_opposite() -> None:
    truth = square(32, slice(8, 16))
    assert float(dice_loss(logits(truth), truth, KNOWN)) == pytest.approx(0, abs=1e-3)
    assert float(dice_loss(logits(1 - truth), truth, KNOWN)) == pytest.approx(1, abs=2e-2)


def test_a_small_defect_weighs_as_much_as_a_large_one() -> None:
    small, large = square(64, slice(8, 12)), square(64, slice(0, 48))
    both = torch.cat([small, large])
    only_large = logits(torch.cat([torch.zeros_like(small), large]))
    assert float(dice_loss(only_large, both, torch.ones(2))) == pytest.approx(0.5, abs=0.05)


def test_an_unknown_mask_teaches_nothing() -> None:
    truth = square(32, slice(8, 16))
    assert float(dice_loss(logits(truth), 1 - truth, torch.zeros(1))) == 0
    assert float(pixel_loss(logits(truth), 1 - truth, torch.zeros(1))) == 0


def test_a_good_picture_is_taught_pixel_by_pixel() -> None:
    nothing = torch.zeros(1, 16, 16)
    assert float(dice_loss(logits(nothing + 1), nothing, KNOWN)) == 0
    assert float(pixel_loss(logits(nothing + 1), nothing, KNOWN)) > float(pixel_loss(logits(nothing), nothing, KNOWN))


def test_the_kind_is_asked_for_where_the_defect_is_and_nowhere_else() -> None:
    truth, labels = square(16, slice(0, 8)), torch.tensor([2])
    seen = torch.zeros(1, 2, 8, 8)
    seen[:, 1, :4, :4], seen[:, 0, 4:, 4:] = 10.0, 10.0
    assert float(kind_loss(seen, truth, labels, (0, 2))) == pytest.approx(0, abs=1e-3)
    assert float(kind_loss(seen, truth, torch.tensor([0]), (0, 2))) > 5
    assert float(kind_loss(seen, truth, torch.tensor([1]), (0, 2))) == 0


def test_a_network_learns_a_bright_square_in_a_few_steps() -> None:
    torch.manual_seed(0)
    network, objective = Segmenter("compact", (64, 64), 1, 8), SegmentObjective((1,), FitRecipe())
    images, masks = torch.zeros(4, 3, 64, 64), torch.zeros(4, 1, 64, 64)
    masks[:2, :, 16:40, 24:48] = 1
    images[:2, :, 16:40, 24:48] = 200.0
    images = StationGraph(network).normalise(images)
    batch = Batch(images, masks, torch.tensor([1, 1, 0, 0]), torch.ones(4))
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(12):
        loss = objective.loss(network, images, batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def written(folder: Path, name: str, height: int, width: int, defect: int) -> Sample:
    cv2.imwrite(str(folder / f"{name}.png"), np.full((height, width), 90, np.uint8))
    mask = np.zeros((height, width), np.uint8)
    mask[:defect, :defect] = 255
    cv2.imwrite(str(folder / f"{name}_mask.png"), mask)
    return Sample(name, folder / f"{name}.png", "train", "pit", name, folder / f"{name}_mask.png", None, {})


def test_small_defects_ask_for_a_larger_input(tmp_path: Path) -> None:
    recipe = DecoderRecipe(least_px=10_000, most_px=200_000, defect_px=50)
    tiny, large = written(tmp_path, "tiny", 400, 400, 8), written(tmp_path, "large", 400, 400, 200)
    assert needed_px([tiny], recipe) == pytest.approx(50 / (64 / 160_000))
    assert needed_px([large], recipe) == 10_000


def test_oblong_pictures_stay_oblong_and_mixed_ones_become_square(tmp_path: Path) -> None:
    assert proportions(np.array([[100, 250], [110, 250], [90, 240]], float)) == (100, 250)
    assert proportions(np.array([[100, 250], [250, 100], [200, 200]], float)) == (250, 250)
    sample = written(tmp_path, "wide", 200, 500, 100)
    spec = choose_segment_input([sample], SegmentRecipe())
    assert (spec.height, spec.width) == (192, 512)
    fixed = choose_segment_input([sample], SegmentRecipe(input=InputRecipe(height=64)))
    assert (fixed.height, fixed.width) == (64, 512)


def test_an_empty_mask_of_a_defective_part_is_unknown(tmp_path: Path) -> None:
    samples = [written(tmp_path, "none", 64, 64, 0), written(tmp_path, "some", 64, 64, 32)]
    spec = choose_segment_input(samples, SegmentRecipe(input=InputRecipe(height=64, width=64)))
    pictures = load_masked(samples, ("good", "pit"), ("good",), spec)
    assert pictures.has_mask.tolist() == [0, 1]
    assert int(pictures.masks[1].sum()) == 32 * 32


class Fixed(torch.nn.Module):
    """Says 0.35 where pictures are bright."""

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        return ((image[:, None, ::2, ::2, 0] > 0) * 0.35,)


def bright(count: int) -> Pictures:
    masks = torch.zeros(count, 32, 32, dtype=torch.uint8)
    masks[:, 8:16, 8:16] = 1
    images = masks[:, None].repeat(1, 3, 1, 1) * 200
    return Pictures((), images, masks, torch.ones(count), torch.ones(count, dtype=torch.int64))


def test_the_limit_is_the_one_that_fits_the_masks_best() -> None:
    above, overlap = choose_mask_above(Fixed(), bright(6))  # type: ignore[arg-type]
    assert above < 0.35
    assert overlap > 0.8


def test_few_masks_choose_no_limit() -> None:
    assert choose_mask_above(Fixed(), bright(2))[0] == USUAL  # type: ignore[arg-type]
    assert USUAL in CANDIDATES
    none = bright(1)
    none.masks.zero_()
    assert choose_mask_above(Fixed(), none)[0] == USUAL  # type: ignore[arg-type]


def test_windows_fall_on_the_defect_and_stay_in_the_picture() -> None:
    rng, mask = np.random.default_rng(0), torch.zeros(96, 128, dtype=torch.uint8)
    mask[90:92, 3:5] = 1
    places = [place_window(mask, (32, 64), rng) for _ in range(60)]
    assert all(0 <= top <= 64 and 0 <= left <= 64 for top, left in places)
    hits = [bool(mask[top : top + 32, left : left + 64].any()) for top, left in places]
    assert 0.8 < np.mean(hits) <= 1.0
    assert len({place_window(torch.zeros_like(mask), (32, 64), rng) for _ in range(20)}) > 10


def test_the_same_step_gives_the_same_windows_and_another_one_others() -> None:
    recipe = SegmentRecipe(decoder=DecoderRecipe(window=64), fit=FitRecipe(batch_size=2))
    pictures = load_ramp(96)
    steps = WindowSteps(pictures, (), recipe, 0)
    assert steps[0].images.shape == (2, 3, 64, 64)
    assert torch.equal(steps[0].images, steps[0].images)
    assert not torch.equal(steps[0].images, steps[1].images)


def load_ramp(side: int) -> Pictures:
    ramp = torch.arange(side * side).reshape(1, 1, side, side).remainder(251).to(torch.uint8)
    masks = torch.zeros(2, side, side, dtype=torch.uint8)
    masks[:, 40:44, 40:44] = 1
    sample = Sample("ramp", Path("ramp.png"), "train", "pit", "ramp", None, None, {})
    return Pictures((sample, sample), ramp.repeat(2, 3, 1, 1), masks, torch.ones(2), torch.zeros(2, dtype=torch.int64))


def test_a_window_beside_the_defect_is_good() -> None:
    seen, truth = torch.tensor([-9.0, 9.0]), torch.zeros(2, 8, 8)
    truth[1, 0, 0] = 1
    assert float(part_loss(seen, truth, torch.ones(2), 0.0)) == pytest.approx(0, abs=1e-3)
    assert float(part_loss(-seen, truth, torch.ones(2), 0.0)) > 5
    assert float(part_loss(-seen, truth, torch.zeros(2), 0.0)) == 0
