"""Fits a tiny network; run as a program it is started again by Lightning for each further process. See test_ddp.py."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augment import Batch
from training.budget import Budget
from training.fitting import FitRun, fit
from training.learning import Learner
from training.network import Backbone, Shape, Stage
from training.recipe import FitRecipe

SIDE = 32
SHAPE = Shape(
    8, (Stage(1, 8, 3, 1, 1), Stage(1, 8, 3, 2, 2), Stage(1, 8, 3, 2, 2), Stage(1, 8, 3, 2, 2)), 16, (1, 2, 3)
)


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(SHAPE, SIDE, SIDE)
        self.linear = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.backbone(x)[1])
        return logits

    station = forward


class Brightness:
    def loss(self, network: nn.Module, images: Tensor, batch: Batch) -> Tensor:
        return functional.cross_entropy(network(images), batch.labels)

    selection_loss = loss


class Steps:
    """Eight batches per epoch, and a note of which were asked for."""

    def __init__(self) -> None:
        self.epoch = 0
        self.asked: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return 8

    def __getitem__(self, step: int) -> Batch:
        if step >= 8:
            raise IndexError(step)
        self.asked.append((self.epoch, step))
        rng = np.random.default_rng((self.epoch, step))
        labels = torch.from_numpy(rng.integers(0, 2, 4))
        images = torch.from_numpy(rng.normal(100, 20, (4, 3, SIDE, SIDE)).astype(np.float32))
        return Batch(images + 60 * labels.reshape(4, 1, 1, 1), torch.zeros(4, 1, SIDE, SIDE), labels, torch.ones(4))


class Selection(Steps):
    def __len__(self) -> int:
        return 1


def main(out: Path, devices: int, learning_rate: float = 0.003) -> None:
    strategy = "ddp" if devices > 1 else "auto"
    recipe = FitRecipe(
        epochs=2, threads=1, precision="float32", devices=devices, strategy=strategy, learning_rate=learning_rate
    )
    torch.manual_seed(0)
    steps, selection = Steps(), Selection()
    network = Tiny()
    # Both data sets are plain lists of batches: all that fitting asks of them.
    run = FitRun(network, Brightness(), steps, selection, 4, 0, recipe, 0, "tiny")  # type: ignore[arg-type]
    learners: list[Learner] = []
    keep_learner(learners)
    try:
        fit(run, out, Budget.starting_now(10), must_resume=False)
    finally:
        rank = int(os.environ.get("LOCAL_RANK", 0))
        told: dict[str, Any] = {"asked": steps.asked[-8:], "pid": os.getpid()}
        told["weights"] = [parameter.double().sum().item() for parameter in learners[-1].graph.parameters()]
        (out / f"rank{rank}.json").write_text(json.dumps(told))


def keep_learner(learners: list[Learner]) -> None:
    """Let the end of fitting tell which learner it was: `fit` copies what it returns."""

    def on_fit_end(learner: Learner) -> None:
        learners.append(learner)

    Learner.on_fit_end = on_fit_end  # type: ignore[method-assign]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
