"""A tiny surface with two kinds of defects, and one bundle trained on it that the tests share."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundle import Bundle, load_bundle
from inspector.dataset import read_dataset
from inspector.evaluation import judge
from inspector.figures import load_figures
from inspector.inspection import Inspector
from inspector.recipe import Recipe
from training.budget import Budget
from training.recipe import TrainingRecipe

collect_ignore_glob = [] if find_spec("pytorch_lightning") else ["test_*.py"]
"""Without the extra `training` these tests are left out; what follows imports torch only when called."""

SIDE = 64
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
KINDS = ("good", "scratch", "stain")
FIT = {"epochs": 20, "batch_size": 8, "threads": 1, "learning_rate": 0.01, "backbone_rate_share": 1.0, "averaging": 0.9}


def tiny_recipe(*, int8_flips: float = 1.0, **fit: object) -> TrainingRecipe:
    """Seconds on one core; the limits on flips are wide open, since a network this young wavers."""
    return TrainingRecipe.model_validate(
        {
            "backbone": "compact",
            "golden_per_bundle": 4,
            "input": {"height": SIDE, "width": SIDE},
            "fit": {**FIT, **fit},
            "quantise": {
                "images": 8,
                "float_flips": 1.0,
                "int8_flips": int8_flips,
                "max_drop": 1.0,
                "fine_tune_s": 0,
            },
        }
    )


def draw_part(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    image = rng.normal(120, 8, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
    mask = np.zeros_like(image)
    x, y = (int(value) for value in rng.integers(12, SIDE - 12, 2))
    if kind == "scratch":
        cv2.line(mask, (x - 8, y - 6), (x + 8, y + 6), 255, 2)
        image[mask > 0] = 230
    elif kind == "stain":
        cv2.circle(mask, (x, y), 6, 255, -1)
        image[mask > 0] //= 3
    return image, mask


def draw_dataset(folder: Path) -> Path:
    """40 pictures in 20 groups of two: 28 train, 8 val, 4 test."""
    rng = np.random.default_rng(7)
    rows = []
    for number in range(40):
        group = number // 2
        kind = KINDS[group % 3] if group < 14 else KINDS[(group - 14) % 3]
        split = "train" if group < 14 else "val" if group < 18 else "test"
        image, mask = draw_part(kind, rng)
        cv2.imwrite(str(folder / f"{number:02d}.png"), image)
        mask_name = "" if kind == "good" else f"mask{number:02d}.png"
        if mask_name:
            cv2.imwrite(str(folder / mask_name), mask)
        rows.append((f"{number:02d}.png", split, kind, f"part{group:02d}", mask_name))
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("path", "split", "label", "group", "mask_path"), *rows])
    return folder


def train(
    folder: Path, out: Path, *, seed: int = 0, recipe: TrainingRecipe | None = None, resume: bool = False
) -> Bundle:
    from training.classify import train as train_classifier
    from training.order import Order

    dataset = read_dataset(folder, splits=("train", "val"))
    order = Order(dataset, out, recipe or tiny_recipe(), seed, resume, NOON)
    return load_bundle(train_classifier(order, Budget.starting_now(None)))


@pytest.fixture(name="tiny_recipe", scope="session")
def tiny_recipe_fixture() -> Callable[..., TrainingRecipe]:
    return tiny_recipe


@pytest.fixture(name="train", scope="session")
def train_fixture() -> Callable[..., Bundle]:
    return train


@dataclass(frozen=True, slots=True)
class Trained:
    folder: Path
    out: Path
    bundle: Bundle


@pytest.fixture(scope="session")
def surface(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("surface"))


@pytest.fixture(scope="session")
def trained(surface: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out = tmp_path_factory.mktemp("bundles")
    return Trained(surface, out, train(surface, out))


@pytest.fixture(scope="session")
def require_defects_stand_out() -> Callable[[Bundle, Path], None]:
    """Fails where an anomaly bundle does not tell defective parts of train and their places, at both precisions."""

    def require(bundle: Bundle, surface: Path) -> None:
        samples = read_dataset(surface, splits=("train",)).select("train")
        for precision in ("float", "cpu-int8"):
            parts = judge(Inspector(bundle, Recipe(precision=precision)), samples, lambda done: None)
            found = load_figures("anomaly").figures(parts, bundle.manifest)
            assert float(str(found["image_auroc"])) > 0.8, precision
            assert float(str(found["aupro"])) > 0.6, precision

    return require


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One core for each test, and no monitor thread of the progress bars inside the quantiser."""
    import torch
    import tqdm

    tqdm.tqdm.monitor_interval = 0

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The float network of a task by its name in `task_networks`, written once: an export takes seconds."""
    from tests.training.task_networks import export_network

    folder = tmp_path_factory.mktemp("networks")

    @functools.cache
    def export(name: str) -> Path:
        return export_network(name, folder / f"{len(list(folder.iterdir()))}.onnx")

    return export
