"""A network whose quantisation was made bad on purpose learns to say in int8 what it said in float."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from inspector.bundle import MODEL_FILES, Manifest, Precision, load_bundle
from inspector.dataset import read_dataset
from inspector.figures import JudgedPart
from inspector.preprocess import InputSpec
from inspector.runtimes import Outputs
from inspector.values import Outcome
from tests.conftest import manifest
from training import conversion
from training.budget import Budget
from training.conversion import WRITERS, convert
from training.delivery import Calibrated, Delivery, calibrate_part_scores, deliver
from training.export import export_onnx
from training.fine_tune import STEPS, TRIAL_STEPS, fine_tune
from training.graph import StationGraph
from training.mending import Attempt, Mending, mended
from training.network import Backbone, Shape, Stage
from training.ranges import measure_ranges
from training.recipe import PartsRecipe, PolicyRecipe, QuantiseRecipe
from training.rounding import Rounding, Surroundings, rounded_layers
from training.sensitivity import Distance
from training.splits import cut_parts
from training.viewed import view

SIDE = 32
SMALL = Shape(8, (Stage(1, 8, 3, 1, 1), Stage(2, 8, 3, 2, 2)), 16, (0, 1, 1))
STRONGER = 100.0
INT8: tuple[Precision, ...] = ("cpu-int8", "trt-int8")
RECIPE = QuantiseRecipe(images=8, sensitivity_s=0, fine_tune_s=600)


class Small(nn.Module):
    """Says three figures of a picture, and where it is dark."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(SMALL, SIDE, SIDE)
        self.linear = nn.Linear(16, 3)
        self.mix, self.map = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        taps, pooled = self.backbone(x)
        return self.linear(pooled), self.map(functional.relu(self.mix(taps[1])))

    station = forward


def pictures(count: int, seed: int) -> NDArray[np.uint8]:
    """(N, H, W, 3) of soft blots in any colour."""
    rng = np.random.default_rng(seed)
    blots = rng.integers(0, 256, (count, 8, 8, 3)).astype(np.uint8)
    return np.stack([cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for one in blots])


IMAGES, UNSEEN = pictures(64, 1), pictures(16, 2)


def fitted() -> StationGraph:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    graph = StationGraph(Small())
    optimizer = torch.optim.Adam(graph.parameters(), 5e-3)
    for step in range(80):
        images = torch.from_numpy(IMAGES[16 * (step % 4) :][:16])
        shades = images.float() / 255
        figures = 10 * torch.stack([shades[..., 0].mean((1, 2)), shades.std((1, 2, 3)), shades.mean((1, 2, 3))], 1)
        dark = 4 * functional.avg_pool2d((shades.mean(3) < 0.35).float()[:, None], 4)
        said = graph(images)
        optimizer.zero_grad()
        (functional.mse_loss(said[0], figures) + functional.mse_loss(said[1], dark)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return graph.eval().requires_grad_(False)


@torch.no_grad()
def spoil(graph: StationGraph) -> StationGraph:
    """One channel becomes stronger, and what reads it weaker: the same in float; in int8 the others share few steps."""
    network: Any = graph.network
    stages = network.backbone.stages
    for block in stages[1]:
        for parameter in (block.body[-1].norm.weight, block.body[-1].norm.bias):
            parameter[0] *= STRONGER
    for reader in (stages[1][1].body[0], network.backbone.head, network.mix):
        reader.weight[:, 0] /= STRONGER
    return graph


def export(graph: StationGraph, path: Path) -> None:
    export_onnx(graph, SIDE, SIDE, path, ("figures", "dark"))


def attempt(graph: StationGraph, folder: Path) -> Attempt:
    folder.mkdir(exist_ok=True)
    path = folder / MODEL_FILES["float"]
    export(graph, path)
    return Attempt(graph, convert(path, IMAGES, RECIPE))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Attempt:
    """As it was spoilt: its last layers, which would take half of the error back, are not fitted to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion, "fit_readouts", lambda *_: None)
        return attempt(spoil(fitted()), tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def layers(before: Attempt) -> dict[str, Surroundings]:
    return rounded_layers(before.converted.paths["float"])


@pytest.fixture(scope="module")
def distance(before: Attempt) -> Distance:
    """From what the float graph says of pictures that fine-tuning never saw."""
    return Distance(before.converted.paths["float"], UNSEEN)


class Strict:
    """Complains of what is further than `limit` from what the float graph said."""

    def __init__(self, distance: Distance, limit: float) -> None:
        self.distance, self.limit = distance, limit
        self.asked: list[Path] = []

    def complaint(self, path: Path) -> str:
        self.asked.append(path)
        return "too far from float" if self.distance.of(path) > self.limit else ""


class Clock:
    def __init__(self, step_s: float) -> None:
        self.now_s, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


def mending(judge: Strict, fine_tune_s: float) -> Mending:
    """With a clock that goes on by 0.1 s at each look: a step is a look or two."""
    recipe = RECIPE.model_copy(update={"fine_tune_s": fine_tune_s})
    return Mending(export, judge, IMAGES, recipe, clock=Clock(0.1))


def complained(before: Attempt) -> Attempt:
    complaints: dict[Precision, str] = dict.fromkeys(INT8, "too far from float")
    return replace(before, converted=replace(before.converted, complaints=complaints))


@pytest.fixture(scope="module")
def after(before: Attempt, distance: Distance) -> Attempt:
    """What fine-tuning makes of it, under a judge that wants at least a third of the error to be gone."""
    limit = min(distance.of(before.converted.paths[precision]) for precision in INT8) / 1.5
    return mended(complained(before), mending(Strict(distance, limit), 600.0))


@pytest.mark.parametrize("precision", INT8)
def test_most_of_the_error_of_a_bad_quantisation_goes_away(
    precision: Precision, before: Attempt, after: Attempt, distance: Distance
) -> None:
    was, now = (distance.of(one.converted.paths[precision]) for one in (before, after))
    assert was > 0.1
    assert now < 0.5 * was


def test_the_float_graph_says_nearly_what_it_said(before: Attempt, after: Attempt, distance: Distance) -> None:
    moved = distance.of(after.converted.paths["float"])
    assert 0 < moved < 0.5 * distance.of(before.converted.paths["cpu-int8"])


def test_structure_and_statistics_stay_and_no_trace_of_the_rounding_is_left(before: Attempt, after: Attempt) -> None:
    was, now = before.graph.state_dict(), after.graph.state_dict()
    assert list(was) == list(now)
    assert all(torch.equal(was[name], now[name]) for name in was if "running" in name or "num_batches" in name)
    assert not all(torch.equal(was[name], now[name]) for name in was)
    for module in after.graph.modules():
        assert not parametrize.is_parametrized(module)
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert not any(parameter.requires_grad for parameter in after.graph.parameters())


def test_the_network_that_came_in_is_not_touched(before: Attempt, layers: dict[str, Surroundings]) -> None:
    copied = {name: tensor.clone() for name, tensor in before.graph.state_dict().items()}
    assert fine_tune(before.graph, layers, IMAGES, 100, clock=Clock(1)).steps
    assert all(torch.equal(tensor, before.graph.state_dict()[name]) for name, tensor in copied.items())


def test_the_same_seed_gives_the_same_weights_and_another_one_others(
    before: Attempt, layers: dict[str, Surroundings]
) -> None:
    first, again, other = (fine_tune(before.graph, layers, IMAGES, 100, seed, Clock(1)) for seed in (0, 0, 1))
    weights = [one.graph.state_dict()["network.map.weight"] for one in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_no_step_begins_when_the_time_is_over(before: Attempt, layers: dict[str, Surroundings]) -> None:
    clock = Clock(1)
    assert 0 < fine_tune(before.graph, layers, IMAGES, 100, clock=clock).steps < 100
    assert 100 < clock.now_s < 105


@pytest.mark.parametrize("seconds", [0.0, 4.0])
def test_without_time_for_a_step_the_network_comes_back(
    seconds: float, before: Attempt, layers: dict[str, Surroundings]
) -> None:
    tuned = fine_tune(before.graph, layers, IMAGES, seconds, clock=Clock(1))
    assert tuned.graph is before.graph
    assert tuned.steps == 0


def test_where_no_rate_makes_it_better_the_network_comes_back(
    before: Attempt, layers: dict[str, Surroundings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.fine_tune.RATES", (1.0, 3.0))
    tuned = fine_tune(before.graph, layers, IMAGES, 40, clock=Clock(1))
    assert tuned.graph is before.graph
    assert tuned.steps == 0


@pytest.mark.parametrize("precision", INT8)
def test_rounding_foretells_what_a_graph_with_nearest_steps_says(
    precision: Precision, before: Attempt, layers: dict[str, Surroundings], tmp_path: Path
) -> None:
    graph = spoil(fitted())
    images = torch.from_numpy(IMAGES[:8])
    rounding = Rounding(1)
    rounding.insert(graph, layers)
    with torch.no_grad():
        exact = [tensor.clone() for tensor in graph(images)]
        rounding.active, rounding.symmetric = True, precision == "trt-int8"
        foretold = graph(images)
    export(before.graph, tmp_path / "float.onnx")
    path = tmp_path / "nearest.onnx"
    WRITERS[precision](tmp_path / "float.onnx", path, measure_ranges(tmp_path / "float.onnx", IMAGES[:8], "minmax"), ())
    truth = Distance(path, IMAGES[:8]).said.values()
    for was, guess, right in zip(exact, foretold, truth, strict=True):
        error, left = np.abs(was.numpy() - right).mean(), np.abs(guess.numpy() - right).mean()
        assert left < 0.5 * error


def test_layers_that_stay_float_are_not_rounded_and_none_is_rounded_twice(before: Attempt) -> None:
    path = before.converted.paths["float"]
    nodes = {node.input[1]: node.name for node in onnx.load(path).graph.node if node.op_type == "Conv"}
    layers = rounded_layers(path, (nodes["network.map.weight"],))
    assert "network.map" in rounded_layers(path)
    assert "network.map" not in layers
    assert not layers["network.backbone.stem.conv"].before, "the picture's bytes are exact"
    assert not layers["network.backbone.stages.0.0.body.1.conv"].before, "its input was rounded as an output"
    assert layers["network.backbone.stages.1.0.body.0.conv"].before, "its input is a sum"
    assert not layers["network.mix"].after, "its activation comes first"
    assert layers["network.backbone.stages.1.1.body.2.conv"].fused, "it is added to what it began with"


def test_what_was_mended_says_so_and_its_graphs_have_passed_the_judge(before: Attempt, after: Attempt) -> None:
    assert after.notes() == {"fine_tuned_steps": TRIAL_STEPS + STEPS}
    assert not any(after.converted.complaints.values())
    assert after.converted.paths["float"] != before.converted.paths["float"]
    assert before.notes() == {}


@pytest.mark.parametrize(("seconds", "complaints"), [(0.0, True), (600.0, False)])
def test_nothing_is_trained_without_time_or_without_a_complaint(
    seconds: float, complaints: bool, before: Attempt, distance: Distance
) -> None:
    judge = Strict(distance, 0)
    first = complained(before) if complaints else before
    assert mended(first, mending(judge, seconds)) is first
    assert judge.asked == []


@pytest.mark.parametrize("limit", [0.0, float("inf")])
def test_the_first_network_is_kept_unless_the_other_leaves_fewer_complaints(
    limit: float, before: Attempt, distance: Distance, tmp_path: Path
) -> None:
    judge, first = Strict(distance, limit), complained(attempt(before.graph, tmp_path))
    kept = mended(first, mending(judge, 10.0))
    assert [path.name for path in judge.asked] == ["model.onnx", "model.cpu-int8.onnx", "model.trt-int8.onnx"]
    assert (kept is first) == (limit == 0)


class OfFloat(Strict):
    def complaint(self, path: Path) -> str:
        self.asked.append(path)
        return "not what it was" if path.name == MODEL_FILES["float"] else ""


def test_a_network_that_forgot_is_not_taken_however_well_it_is_quantised(
    before: Attempt, distance: Distance, tmp_path: Path
) -> None:
    first = complained(attempt(before.graph, tmp_path))
    assert mended(first, mending(OfFloat(distance, 0), 10.0)) is first


# ---- delivery


class Marks(Small):
    """A segmenter's outputs, of one kind; the score is the same for all parts, so that no verdict changes by chance."""

    def station(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        figures, dark = self(x)
        return torch.sigmoid(functional.interpolate(dark, scale_factor=2.0)), dark, 0 * figures[:, 0]


class Planted:
    """Calibrates as always, but lets the verdicts of the first `wrong` quantised graphs be other ones."""

    def __init__(self, wrong: int) -> None:
        self.wrong, self.asked = wrong, 0

    def __call__(
        self, delivery: Delivery, draft: Manifest, outputs: Mapping[Precision, Sequence[Outputs]]
    ) -> Calibrated:
        self.asked += 1
        calibrated = calibrate_part_scores(delivery, draft, outputs)
        if len(outputs) > 2 or self.asked > self.wrong:
            return calibrated
        held = {**calibrated.held, "cpu-int8": [other(part) for part in calibrated.held["cpu-int8"]]}
        return replace(calibrated, held=held)


def other(part: JudgedPart) -> JudgedPart:
    outcome = Outcome.REVIEW if part.verdict.outcome is Outcome.PASS else Outcome.PASS
    return replace(part, verdict=replace(part.verdict, outcome=outcome))


def delivery(surface: Path, out: Path) -> Delivery:
    dataset = read_dataset(surface, splits=("train", "val"))
    parts, spec = cut_parts(dataset, PartsRecipe(), 0), InputSpec(height=SIDE, width=SIDE)
    lax = QuantiseRecipe(float_flips=1, int8_flips=0.95, max_drop=1, sensitivity_s=0, fine_tune_s=30)
    torch.manual_seed(0)
    return Delivery(
        task="segment",
        graph=StationGraph(Marks()).eval().requires_grad_(False),
        outputs=("mask", "kinds", "score"),
        classes=("defect",),
        dataset=dataset,
        lineage=manifest().lineage,
        seed=0,
        out=out,
        spec=spec,
        parts=parts,
        calibration=view(parts.calibration, spec),
        validation=view(parts.validation, spec),
        ranges=view(parts.fit, spec).images,
        quantise=lax,
        policy=PolicyRecipe(),
        metric="dice",
        training={},
    )


@pytest.mark.parametrize(
    ("wrong", "asked", "tuned"),
    [(0, 3, False), (2, 6, True), (99, 6, False)],
    ids=["good at once", "good after fine-tuning", "never good"],
)
def test_a_bundle_is_fine_tuned_where_int8_falls_short_and_the_better_network_is_delivered(
    wrong: int, asked: int, tuned: bool, surface: Path, tmp_path: Path
) -> None:
    planted, wanted = Planted(wrong), delivery(surface, tmp_path)
    folder = deliver(wanted, Budget.starting_now(None), planted)
    untuned = tmp_path / "untuned.onnx"
    export_onnx(wanted.graph, SIDE, SIDE, untuned, wanted.outputs)
    bundle = load_bundle(folder)
    assert planted.asked == asked
    assert ("fine_tuned_steps" in bundle.manifest.training) == tuned
    assert ("fine tuned steps" in (folder / "card.md").read_text()) == tuned
    assert (Distance(untuned, wanted.ranges[:4]).of(folder / MODEL_FILES["float"]) > 0) == tuned
