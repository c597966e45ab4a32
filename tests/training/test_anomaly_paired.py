"""A bank beside a network of drawn defects: four opinions, each in its own unit, and one score."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.bundle import Bundle, load_bundle
from inspector.dataset import read_dataset
from inspector.inspection import Inspector
from inspector.recipe import Recipe
from training.anomaly.recipe import AnomalyRecipe

torch = pytest.importorskip("torch")

from training.anomaly.opinions import Opinions  # noqa: E402
from training.anomaly.typical import SHRINKAGE, STILL, Typical, unevenness  # noqa: E402

SIDE = 64
RECIPE = {
    "backbone": "compact",
    "golden_per_bundle": 4,
    "level_light": True,
    "input": {"height": SIDE, "width": SIDE},
    "synthetic": {"window": 64, "channels": 16, "fit": {"epochs": 16, "batch_size": 2, "learning_rate": 0.01}},
    "beside": {"stages": [2, 3], "stride": 8, "window": 3, "shrinkage": 1.0, "dimensions": 16, "size": 256},
    "policy": {"escape": 0, "overkill": 0},
    "quantise": {"images": 8, "float_flips": 1.0, "int8_flips": 1.0, "max_drop": 1.0, "sensitivity_s": 5},
}


def test_an_opinion_is_in_standard_deviations_of_held_good_parts() -> None:
    held = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 0.1]) + 5
    opinions = Opinions(2)
    assert torch.allclose(opinions(held), torch.nn.functional.softplus(held[:, 0]))
    opinions.learn(held)
    mean, deviation = held.numpy().mean(0), held.numpy().std(0)
    strange = torch.tensor([[5.0 + 9.0, 5.0], [5.0, 5.3]])
    expected = np.log1p(np.exp(((strange.numpy() - mean) / deviation).sum(1)))
    assert opinions(strange).numpy() == pytest.approx(expected, rel=1e-4)


def test_opinions_that_never_differ_stay_finite() -> None:
    opinions = Opinions(2)
    opinions.learn(torch.ones(5, 2))
    assert torch.isfinite(opinions(torch.tensor([[1.0, 1.001]]))).all()


def test_what_is_typical_is_mahalanobis_distance() -> None:
    rows = torch.randn(60, 6, generator=torch.Generator().manual_seed(1)) @ torch.diag(torch.arange(1.0, 7.0))
    typical = Typical(6)
    typical.learn(rows)
    covariance = np.cov(rows.double().numpy().T)
    inverse = np.linalg.inv(covariance + SHRINKAGE * covariance.diagonal().mean() * np.eye(6))
    other = torch.randn(4, 6, generator=torch.Generator().manual_seed(2)) * 5
    away = other.double().numpy() - rows.double().numpy().mean(0)
    expected = np.log(np.sqrt(np.einsum("ij,jk,ik->i", away, inverse, away)))
    assert typical(other).numpy() == pytest.approx(expected, rel=1e-4)


def test_one_good_part_alone_gives_a_distance_too() -> None:
    typical = Typical(3)
    typical.learn(torch.ones(1, 3))
    assert torch.isfinite(typical(torch.zeros(2, 3))).all()


def test_unevenness_is_the_deviation_over_the_part_and_knows_no_offset() -> None:
    tap = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    found = unevenness([tap, 10 * tap + 4])
    assert torch.allclose(found[:, :3], (tap.var((2, 3), correction=0) + STILL).log() / 2, atol=1e-5)
    assert torch.allclose(found[:, 3:] - found[:, :3], torch.tensor(10.0).log(), atol=1e-3)
    assert torch.isfinite(unevenness([torch.zeros(1, 2, 4, 4)])).all()


def paired() -> Any:
    """An untaught network with a bank beside it that has the same first stages."""
    from training.anomaly.paired import PairedNetwork
    from training.anomaly.task import build_network
    from training.anomaly.taught import TaughtNetwork

    torch.manual_seed(0)
    recipe = AnomalyRecipe.model_validate(RECIPE)
    assert recipe.beside is not None
    taught = TaughtNetwork("compact", (SIDE, SIDE), 1, 16, frozen_stages=2)
    bank = build_network(recipe, recipe.beside, (SIDE, SIDE))
    bank.backbone.load_state_dict(taught.backbone.state_dict())
    return PairedNetwork(taught, bank).eval()


def test_the_bank_says_the_same_beside_a_network_whose_first_stages_it_shares() -> None:
    network = paired()
    pictures = torch.randn(3, 3, SIDE + 1, SIDE + 1)
    with torch.no_grad():
        said, mask = network.said(pictures)
        assert torch.allclose(said[:, 2], network.bank.station(pictures)[0], atol=1e-4)
        assert torch.allclose(said[:, 0], network.taught(pictures).score, atol=1e-4)
    assert said.shape == (3, 4)
    assert mask.shape == (3, SIDE // 2, SIDE // 2)


@pytest.fixture(scope="module")
def bundle(surface: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    from training.anomaly.task import train
    from training.budget import Budget
    from training.order import Order

    dataset = read_dataset(surface, splits=("train", "val"))
    order = Order(dataset, tmp_path_factory.mktemp("paired"), AnomalyRecipe.model_validate(RECIPE), 0, False)
    return load_bundle(train(order, Budget.starting_now(None)))


def test_real_defects_stand_out_to_both_together(
    bundle: Bundle, surface: Path, require_defects_stand_out: Callable[[Bundle, Path], None]
) -> None:
    require_defects_stand_out(bundle, surface)


def test_the_bundle_says_that_both_judged_and_its_golden_samples_agree(bundle: Bundle) -> None:
    assert str(bundle.manifest.training["learnt"]).startswith("defects drawn on good parts, beside")
    assert Inspector(bundle, Recipe()).self_test() == 4


def test_the_product_with_the_bank_is_int8_and_whitenings_are_float(bundle: Bundle) -> None:
    import onnx

    graph = onnx.load(bundle.path / "model.cpu-int8.onnx").graph
    decoded = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    products = [decoded.issuperset(node.input[:2]) for node in graph.node if node.op_type == "MatMul"]
    assert sorted(products) == [False, False, True]
