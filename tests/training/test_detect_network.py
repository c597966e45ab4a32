from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from inspector.runtimes import RuntimeSettings, load_runtime
from training.detect.assignment import (
    Truth,
    assign,
    detection_loss,
    generalised_iou,
    inside,
    pairwise_iou,
    varifocal,
)
from training.detect.building import build_detector, compare_with_template, freeze_stages
from training.detect.network import Cells, Detector, cell_grid, decode, stage_at
from training.detect.pictures import BoxedPictures
from training.detect.recipe import DetectorRecipe, DetectRecipe
from training.detect.shift import measure_shift
from training.detect.variation import Boxed
from training.export import export_onnx
from training.graph import StationGraph
from training.network import SHAPES, Backbone

RECIPE = DetectRecipe(backbone="compact", detector=DetectorRecipe(channels=16, strides=(8, 16)))


def detector(size: tuple[int, int] = (64, 64), *, template: bool = False) -> Detector:
    torch.manual_seed(0)
    return build_detector(RECIPE, size, (8, 16), 2, template=template).eval()


def normalised(size: tuple[int, int], network: Detector, channels: int = 3) -> torch.Tensor:
    picture = torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.pad(picture, network.backbone.image_padding)


def test_station_and_fitting_say_the_same() -> None:
    network = detector()
    images = normalised((64, 64), network)
    with torch.no_grad():
        cells, (boxes, scores) = network(images), network.station(images)
    assert torch.allclose(cells.boxes, boxes, atol=1e-4)
    assert torch.allclose(torch.sigmoid(cells.logits), scores, atol=1e-6)
    assert boxes.shape == (2, 8 * 8 + 4 * 4, 4)


@pytest.mark.parametrize("views", [2, 4])
def test_a_mirrored_picture_gets_the_mirrored_answer(views: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = RECIPE.model_copy(update={"detector": RECIPE.detector.model_copy(update={"views": views})})
    network = build_detector(recipe, (64, 64), (8, 16), 2, template=False)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    graph = StationGraph(network).eval()
    picture = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        boxes, scores = graph(picture)
        for axis, low, high in ((2, 0, 2), (1, 1, 3))[: views // 2]:
            mirrored_boxes, mirrored_scores = graph(picture.flip(axis))
            fine = slice(0, 64)
            back = mirrored_boxes[:, fine].reshape(3, 8, 8, 4).flip(axis)
            there = boxes[:, fine].reshape(3, 8, 8, 4)
            assert torch.allclose(64 - back[..., high], there[..., low], atol=1e-3)
            back = mirrored_scores[:, fine].reshape(3, 8, 8, 2).flip(axis)
            assert torch.allclose(back, scores[:, fine].reshape(3, 8, 8, 2), atol=1e-5)
        one = StationGraph(detector()).eval()
        one.network.load_state_dict(network.state_dict())
        assert not torch.allclose(one(picture)[1], scores, atol=1e-5)
    export_onnx(graph, 64, 64, tmp_path / "model.onnx", ("boxes", "scores"))
    runtime = load_runtime(tmp_path / "model.onnx", RuntimeSettings())
    for count in (1, 3):
        said = runtime.run(picture[:count].numpy())
        np.testing.assert_allclose(said["scores"], scores[:count].numpy(), atol=1e-5)
        np.testing.assert_allclose(said["boxes"], boxes[:count].numpy(), atol=1e-2)


def test_a_crop_is_fitted_by_the_network_of_the_whole_input() -> None:
    network = detector((96, 128))
    with torch.no_grad():
        cells = network(normalised((64, 32), network))
    assert cells.boxes.shape == (2, 8 * 4 + 4 * 2, 4)
    assert cells.centres.amax(0).tolist() == [28, 60]


def test_a_fresh_network_finds_nothing_and_draws_boxes_around_its_cells() -> None:
    network = detector()
    with torch.no_grad():
        cells = network(normalised((64, 64), network))
    assert float(torch.sigmoid(cells.logits).mean()) == pytest.approx(0.01, abs=0.005)
    assert bool(inside(cells.centres, cells.boxes)[:, range(80), range(80)].all())


def test_boxes_are_decoded_in_cells_of_their_level() -> None:
    reaches = torch.log(torch.tensor([[[1.0, 2, 3, 4]]]))
    box = decode(reaches, torch.tensor([[20.0, 40]]), torch.tensor([8.0]))
    assert torch.allclose(box, torch.tensor([[[12.0, 24, 44, 72]]]))
    assert torch.isfinite(decode(torch.full((1, 1, 4), 1e4), torch.zeros(1, 2), torch.ones(1))).all()


def test_a_network_that_draws_beside_the_truth_is_shifted_onto_it() -> None:
    """A network whose sure cells all miss by the same corner offsets: the measured shift is that offset."""
    network = detector()
    off = torch.tensor([0.5, -1.0, 0.25, 0.0])
    cells, found = cell_grid((64, 64), (8, 16))[0], [20, 43]
    boxes = torch.cat([cells - 8, cells + 8], 1)

    def station(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = torch.zeros(len(images), 80, 2)
        scores[:, found, 1] = 0.9
        return boxes.expand(len(images), -1, -1), scores

    network.station = station
    truth = (boxes[found] + off).numpy()
    picture = Boxed(np.zeros((64, 64, 3), np.uint8), truth, np.array([1, 1]))
    measured = measure_shift(StationGraph(network), BoxedPictures((), (picture,) * 40))
    assert torch.allclose(measured, off, atol=1e-5)
    assert not measure_shift(StationGraph(network), BoxedPictures((), (picture,) * 4)).any()


def test_the_shift_moves_the_station_s_boxes() -> None:
    network = detector()
    images = normalised((64, 64), network)
    with torch.no_grad():
        before = network.station(images)[0]
        network.shift.copy_(torch.tensor([1.0, 2, 3, 4]))
        assert torch.allclose(network.station(images)[0] - before, torch.tensor([1.0, 2, 3, 4]), atol=1e-4)


def test_nothing_coarser_than_the_last_level_is_computed() -> None:
    assert len(detector().backbone.stages) == stage_at(SHAPES["compact"], 16) + 1
    with pytest.raises(ValueError, match="stride 64"):
        stage_at(SHAPES["compact"], 64)


def test_with_template_an_equal_pair_is_seen_as_no_difference_by_every_second_filter() -> None:
    backbone = Backbone(SHAPES["compact"], 64, 64)
    compare_with_template(backbone)
    picture = torch.randn(1, 3, 65, 65)
    seen = torch.nn.functional.conv2d(torch.cat([picture, picture], 1), backbone.stem.weight)
    assert seen[:, 1::2].abs().max() < 1e-4
    assert seen[:, ::2].abs().max() > 0.1


def test_frozen_stages_learn_nothing_and_the_rest_does() -> None:
    network = detector()
    freeze_stages(network, 2)
    moving = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert not any(name.startswith(("backbone.stem", "backbone.stages.0")) for name in moving)
    assert any(name.startswith("backbone.stages.1") for name in moving)


def test_iou_agrees_with_the_station_s() -> None:
    from inspector.boxes import iou

    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (2, 6, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 40, corners.shape)], 2)
    ours = pairwise_iou(torch.from_numpy(boxes[:1]), torch.from_numpy(boxes[1:]))[0].numpy()
    assert np.allclose(ours, iou(boxes[0], boxes[1]))


def test_generalised_iou_of_equal_apart_and_nested_boxes() -> None:
    one = torch.tensor([[0, 0, 10, 10.0]] * 3)
    other = torch.tensor([[0, 0, 10, 10], [20, 0, 30, 10], [0, 0, 5, 10.0]])
    assert torch.allclose(generalised_iou(one, other), torch.tensor([1, -1 / 3, 0.5]))


def some_cells(logit: float = -4.0) -> Cells:
    centres, steps = cell_grid((32, 32), (8,))
    boxes = torch.cat([centres - 8, centres + 8], 1)[None]
    return Cells(torch.full((1, 16, 2), logit), boxes, centres, steps)


def truth_of(*boxes: tuple[float, ...], labels: tuple[int, ...]) -> Truth:
    count = len(boxes)
    return Truth(torch.tensor([boxes]), torch.tensor([labels]), torch.ones(1, count, dtype=torch.bool))


def test_only_cells_inside_a_box_answer_for_it_and_the_best_says_how_well_it_fits() -> None:
    cells = some_cells()
    assigned = assign(cells, truth_of((4.0, 4, 20, 20), labels=(1,)))
    answering = assigned.scores[0, :, 1] > 0
    assert bool(inside(cells.centres, torch.tensor([[[4.0, 4, 20, 20]]]))[0, 0][answering].all())
    best = int(assigned.scores[0, :, 1].argmax())
    assert cells.centres[best].tolist() == [12, 12]
    assert float(assigned.scores.max()) == pytest.approx(1.0)
    assert not assigned.scores[..., 0].any()


def test_a_cell_claimed_by_two_boxes_goes_to_the_one_it_overlaps_most() -> None:
    assigned = assign(some_cells(), truth_of((4.0, 4, 20, 20), (0.0, 0, 32, 32), labels=(0, 1)))
    middle = 5  # the cell at (12, 12), whose box is the first one exactly
    assert assigned.scores[0, middle].tolist() == pytest.approx([1.0, 0.0])
    assert assigned.boxes[0, middle].tolist() == [4, 4, 20, 20]


def test_a_sliver_between_all_cells_has_the_nearest_one_to_answer_for_it() -> None:
    cells = some_cells()
    sliver = truth_of((2.0, 13, 30, 16), labels=(0,))
    assert not inside(cells.centres, sliver.boxes).any()
    answering = assign(cells, sliver).scores[0, :, 0] > 0
    assert cells.centres[answering].tolist() in ([[12, 12]], [[20, 12]])


def test_filling_answers_for_nothing_and_a_clean_picture_costs_little() -> None:
    truth = truth_of((0.0, 0, 32, 32), labels=(0,))._replace(known=torch.zeros(1, 1, dtype=torch.bool))
    assert not assign(some_cells(), truth).scores.any()
    assert float(detection_loss(some_cells(-9.0), truth, 2.5)) < 1e-6


def test_the_loss_falls_when_scores_and_boxes_come_true() -> None:
    truth = truth_of((4.0, 4, 20, 20), labels=(0,))
    fresh = some_cells()
    said = torch.full((1, 16, 2), -9.0)
    said[0, 5, 0] = 9.0
    known = fresh._replace(logits=said)
    assert float(detection_loss(known, truth, 2.5)) < float(detection_loss(fresh, truth, 2.5)) / 2


def test_easy_clean_cells_fade_from_the_loss() -> None:
    clean = torch.zeros(1, 1, 1)
    loud, quiet = (float(varifocal(torch.tensor([[[logit]]]), clean)) for logit in (0.0, -4.0))
    assert loud == pytest.approx(0.75 * 0.25 * math.log(2), rel=1e-5)
    assert quiet < loud / 1000
