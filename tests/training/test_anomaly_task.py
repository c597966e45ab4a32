"""From a tiny set of good surfaces to a bundle that finds what is strange."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.bundle import Bundle, load_bundle
from inspector.cli import main
from inspector.dataset import read_dataset
from inspector.errors import DatasetError
from inspector.inspection import Inspector
from inspector.recipe import Recipe
from inspector.values import Frame, Outcome
from training.anomaly.recipe import AnomalyRecipe

SIDE = 64
RECIPE = {
    "backbone": "compact",
    "golden_per_bundle": 4,
    "input": {"height": SIDE, "width": SIDE},
    "banks": [{"stages": [2, 3], "stride": 8, "window": 3, "shrinkage": 1.0, "dimensions": 16, "size": 256}],
    "policy": {"escape": 0, "overkill": 0},
    "quantise": {"images": 8, "float_flips": 1.0, "int8_flips": 1.0, "max_drop": 1.0},
}


def train(folder: Path, out: Path, **bank: object) -> Bundle:
    from training.anomaly.task import train as train_anomaly
    from training.budget import Budget
    from training.order import Order

    dataset = read_dataset(folder, splits=("train", "val"))
    recipe = AnomalyRecipe.model_validate({**RECIPE, "banks": [{**RECIPE["banks"][0], **bank}]})  # type: ignore[index]
    return load_bundle(train_anomaly(Order(dataset, out, recipe, 0, False), Budget.starting_now(None)))


def untaught() -> Any:
    from training.anomaly.task import build_network

    recipe = AnomalyRecipe.model_validate(RECIPE)
    return build_network(recipe, recipe.banks[0], (SIDE, SIDE))


def keep_rows(source: Path, folder: Path, labels: tuple[str, ...]) -> Path:
    with (source / "index.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["label"] in labels]
    for row in rows:
        row["path"] = str((source / row["path"]).resolve())
        (folder / Path(row["path"]).name).write_bytes(Path(row["path"]).read_bytes())
        row["path"] = Path(row["path"]).name
        row["mask_path"] = ""
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def bundle(surface: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return train(surface, tmp_path_factory.mktemp("anomaly"))


def test_defects_stand_out_although_none_was_learnt(
    bundle: Bundle, surface: Path, require_defects_stand_out: Callable[[Bundle, Path], None]
) -> None:
    require_defects_stand_out(bundle, surface)


def test_the_exported_map_is_the_fitted_one_up_to_its_border(tmp_path: Path) -> None:
    import torch

    from inspector.runtimes import RuntimeSettings, load_runtime
    from training.anomaly.task import OUTPUTS
    from training.export import export_onnx
    from training.graph import StationGraph

    torch.manual_seed(0)
    network = untaught()
    channels = sum(network.channels)
    network.set_metric(torch.randn(8, channels) / channels, torch.zeros(channels), position=0.5)
    network.set_bank(torch.randn(20, 10))
    graph = StationGraph(network).eval()
    export_onnx(graph, SIDE, SIDE, tmp_path / "model.onnx", OUTPUTS)
    picture = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3)).astype(np.uint8)
    found = load_runtime(tmp_path / "model.onnx", RuntimeSettings()).run(picture)
    expected = graph(torch.from_numpy(picture))
    for name, tensor in zip(OUTPUTS, expected, strict=True):
        np.testing.assert_allclose(found[name], tensor.numpy(), rtol=1e-4, atol=1e-4)


def test_the_golden_samples_are_judged_as_they_were(bundle: Bundle) -> None:
    assert Inspector(bundle, Recipe()).self_test() == 4
    assert bundle.manifest.task == "anomaly"
    assert bundle.manifest.classes == ("scratch", "stain")


def test_distances_are_those_of_the_nearest_place_of_the_bank() -> None:
    import torch

    torch.manual_seed(0)
    network = untaught()
    channels = sum(network.channels)
    network.set_metric(torch.randn(8, channels) / channels, torch.zeros(channels), position=0.5)
    network.set_bank(torch.randn(20, 10))
    picture = torch.randn(2, 3, SIDE + 1, SIDE + 1)
    with torch.no_grad():
        z = network.places(picture).permute(0, 2, 3, 1).reshape(2, -1, 10)
        expected = torch.cdist(z, (network.bank / 2).T[None]).amin(2).reshape(2, *network.grid)
        score, found = network.station(picture)
    smooth = torch.nn.functional.conv2d(
        torch.nn.functional.pad(expected[:, None], (1, 1, 1, 1), mode="replicate"), network.blur
    )
    assert torch.allclose(found, smooth[:, 0], atol=1e-3)
    assert torch.allclose(score, found.flatten(1).topk(network.top, 1).values.mean(1))


def test_position_makes_the_same_texture_strange_elsewhere() -> None:
    import torch

    torch.manual_seed(0)
    network = untaught()
    channels = sum(network.channels)
    strangest = []
    for position in (0.0, 3.0):
        network.set_metric(torch.zeros(4, channels), torch.zeros(channels), position)
        network.set_bank(network.places(torch.zeros(1, 3, SIDE + 1, SIDE + 1))[:, :, 0, 0])
        strangest.append(float(network.station(torch.zeros(1, 3, SIDE + 1, SIDE + 1))[1].max()))
    assert strangest[0] == pytest.approx(0, abs=1e-3)
    assert strangest[1] > 3


def test_the_bank_covers_rare_places_that_chance_would_leave_out() -> None:
    import torch

    from training.anomaly.bank import cover

    generator = torch.Generator().manual_seed(0)
    places = torch.cat([torch.randn(5000, 8, generator=generator) * 0.1, torch.full((3, 8), 5.0)])
    kept = cover(places, 16, generator)
    assert len(kept) == 16
    assert (kept > 4).all(1).any()


def test_whitening_gives_every_direction_the_same_scatter() -> None:
    import torch

    from training.anomaly.bank import whiten
    from training.anomaly.recipe import BankRecipe

    torch.manual_seed(0)
    places = torch.randn(4000, 6) @ torch.randn(6, 6) + 3
    weight, mean = whiten(places, BankRecipe(shrinkage=1e-6, dimensions=6))
    white = (places - mean) @ weight.T
    assert torch.allclose(torch.cov(white.T), torch.eye(6), atol=0.01)


def test_good_parts_alone_are_enough_and_the_unusual_goes_to_review(surface: Path, tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    bundle = train(keep_rows(surface, tmp_path / "good", ("good",)), tmp_path / "out", position=0.5, varied_views=1)
    assert bundle.manifest.classes == ("defect",)
    assert bundle.calibration("cpu-int8").n_defect == 0
    limits, conformal = bundle.manifest.limits, bundle.calibration("cpu-int8").conformal
    assert conformal is not None
    assert len(conformal.scores) == bundle.calibration("cpu-int8").n
    assert (limits.pass_below, limits.reject_above, limits.review_p_value) == (1, 1, conformal.least)
    assert "no defect known" in limits.origin
    image = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    seen = Inspector(bundle, Recipe(quality={"min_focus": 0})).inspect([Frame(image, "line", 0, datetime.now(UTC))])
    assert seen.verdict.outcome is Outcome.REVIEW
    assert "stranger than good parts are: p-value" in seen.verdict.reasons[0]
    assert "no probability: p-values of" in (bundle.path / "card.md").read_text()


def test_a_set_without_good_parts_is_refused(surface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = keep_rows(surface, tmp_path, ("scratch", "stain"))
    with pytest.raises(DatasetError, match="good parts"):
        train(folder, tmp_path / "out")
    assert main(["train", str(folder), "--task", "anomaly", "--out", str(tmp_path / "out")]) == 2
    assert "good" in capsys.readouterr().err


def test_defective_parts_of_train_are_never_in_what_is_learnt(surface: Path) -> None:
    from training.anomaly.material import load_material

    material = load_material(read_dataset(surface, splits=("train", "val")), AnomalyRecipe.model_validate(RECIPE), 0)
    assert {sample.label for sample in material.fit.samples} == {"good"}
    learnt = {sample.group for sample in material.fit.samples}
    assert not learnt & {s.group for s in material.calibration.samples if s.label == "good"}
    assert np.isin(material.calibration.is_defect(("good",)), [True]).sum() == 18
