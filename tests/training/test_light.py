"""Level light: what exposure and slopes of brightness leave behind, and what stays to be seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from pydantic import ValidationError

from inspector.bundle import Precision
from inspector.runtimes import RuntimeSettings, load_runtime

torch = pytest.importorskip("torch")

from training.anomaly.recipe import AnomalyRecipe  # noqa: E402
from training.anomaly.task import build_network  # noqa: E402
from training.conversion import convert  # noqa: E402
from training.export import export_onnx  # noqa: E402
from training.graph import StationGraph  # noqa: E402
from training.heads import Network  # noqa: E402
from training.light import MIDDLE, LevelLight, kept_light, light_nodes  # noqa: E402
from training.recipe import TrainingRecipe  # noqa: E402

SIDE = 128


def surface(seed: int = 0) -> torch.Tensor:
    """(1, 3, H, W) of 40..100, with a grain."""
    generator = torch.Generator().manual_seed(seed)
    return 70 + 30 * (2 * torch.rand(1, 1, SIDE, SIDE, generator=generator) - 1).repeat(1, 3, 1, 1)


def test_a_brighter_exposure_looks_the_same() -> None:
    picture = surface()
    dim, bright = LevelLight()(picture), LevelLight()(2 * picture)
    assert float((dim - bright).abs().mean()) < 0.05 * MIDDLE
    assert float((picture - 2 * picture).abs().mean()) > 0.5 * MIDDLE


def test_light_that_falls_off_across_the_picture_is_taken_away() -> None:
    slope = torch.linspace(0.6, 1.6, SIDE).reshape(1, 1, 1, SIDE)
    level = LevelLight()(surface() * slope)
    left, right = level[..., 16:32].mean(), level[..., -32:-16].mean()
    assert float((right / left).log().abs()) < 0.15
    assert float((slope[..., -32:-16].mean() / slope[..., 16:32].mean()).log()) > 0.5


def test_a_dark_spot_stays_as_dark_against_its_surroundings() -> None:
    picture = torch.full((1, 3, SIDE, SIDE), 90.0)
    picture[..., 60:66, 60:66] *= 0.4
    level = LevelLight()(picture)
    assert float(level[..., 60:66, 60:66].mean() / level[..., 10:20, 10:20].mean()) == pytest.approx(0.4, abs=0.05)


def test_colours_keep_their_proportions() -> None:
    picture = surface() * torch.tensor([0.5, 1.0, 1.4]).reshape(1, 3, 1, 1)
    level = LevelLight()(picture)
    assert torch.allclose(level[:, 0] / level[:, 1], torch.tensor(0.5), atol=1e-3)


@pytest.mark.parametrize("grey", [0.0, 255.0])
def test_pictures_without_light_or_with_too_much_stay_bytes(grey: float) -> None:
    level = LevelLight()(torch.full((2, 3, SIDE, SIDE), grey))
    assert torch.isfinite(level).all()
    assert 0 <= float(level.min()) <= float(level.max()) <= 255


def test_the_exported_graph_levels_as_the_network_does_and_in_float(tmp_path: Path) -> None:
    recipe = AnomalyRecipe.model_validate(
        {"backbone": "compact", "level_light": True, "banks": [{"stages": [2, 3], "stride": 16}]}
    )
    graph = StationGraph(build_network(recipe, recipe.banks[0], (SIDE, SIDE)))
    export_onnx(graph, SIDE, SIDE, tmp_path / "model.onnx", ("score", "map"))
    pictures = surface().byte().permute(0, 2, 3, 1).contiguous()
    with torch.no_grad():
        score = graph(pictures)[0]
    found = load_runtime(tmp_path / "model.onnx", RuntimeSettings()).run(pictures.numpy())["score"]
    assert found == pytest.approx(score.numpy(), rel=1e-3, abs=1e-4)
    nodes = {node.name: node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}
    kept = [nodes[name] for name in light_nodes(onnx.load(tmp_path / "model.onnx").graph)]
    assert {"AveragePool", "Resize", "Clip"} <= set(kept)
    assert "Conv" not in kept


def test_a_classifier_in_level_light_is_moved_little_by_exposure_at_both_precisions(
    tmp_path: Path, tiny_recipe: Callable[..., TrainingRecipe]
) -> None:
    pictures = torch.cat([surface(seed) for seed in range(8)]).byte().permute(0, 2, 3, 1).contiguous().numpy()
    moved: dict[bool, dict[Precision, float]] = {}
    for is_level in (False, True):
        torch.manual_seed(0)
        network = Network("compact", (SIDE, SIDE), classes=3, mapped=())
        network.light = LevelLight() if is_level else None
        path = tmp_path / str(is_level) / "model.onnx"
        path.parent.mkdir()
        export_onnx(StationGraph(network).eval(), SIDE, SIDE, path, network.outputs)
        converted = convert(path, pictures, tiny_recipe().quantise, kept_light(is_level))
        moved[is_level] = {one: _moved(converted.paths[one], pictures) for one in ("float", "cpu-int8")}
    for precision in ("float", "cpu-int8"):
        assert moved[True][precision] < 0.3 * moved[False][precision], moved


def _moved(path: Path, pictures: np.ndarray) -> float:
    """How far doubled brightness moves the logits, in the mean."""
    runtime = load_runtime(path, RuntimeSettings())
    plain, bright = (runtime.run(batch)["logits"] for batch in (pictures, pictures * np.uint8(2)))
    return float(np.abs(plain - bright).mean())


def test_recipes_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValidationError, match="synthetic"):
        AnomalyRecipe.model_validate({"beside": {}})
    with pytest.raises(ValidationError, match="level_light"):
        AnomalyRecipe.model_validate({"level_light": True, "anomalib": {}})
