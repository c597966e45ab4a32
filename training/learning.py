"""How any task is fitted: averaged weights, optimiser, learning rate, and an end that the clock can bring."""

from __future__ import annotations

import copy
import math
from typing import Any, Protocol

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from training.budget import Budget, Plan
from training.graph import StationGraph
from training.recipe import FitRecipe

WARM_UP = 0.05
GRADIENT_LIMIT = 5.0


class Objective(Protocol):
    """What a task is to learn. Called by the trainer, once per step."""

    def loss(self, network: nn.Module, images: Tensor, batch: Any) -> Tensor:
        """Return the loss of a fitting batch; `images` are the batch's, normalised, (B, 3k, H, W)."""
        ...

    def selection_loss(self, network: nn.Module, images: Tensor, batch: Any) -> Tensor:
        """Return what early stopping looks at, without gradients."""
        ...


class Learner(lightning.LightningModule):
    """Fits a network; `averaged` follows it slowly and is what is used; `best` is the averaged one at its best.

    Batches have `images`: (B, 3k, H, W) float32 BGR of 0..255.
    """

    def __init__(
        self, network: nn.Module, objective: Objective, recipe: FitRecipe, plan: Plan, budget: Budget, seed: int = 0
    ) -> None:
        super().__init__()
        self.graph = StationGraph(network)
        self.averaged = copy.deepcopy(self.graph).eval().requires_grad_(False)
        self.best = copy.deepcopy(self.averaged)
        self.objective = objective
        self.recipe, self.plan, self.budget, self.seed = recipe, plan, budget, seed
        self.best_loss = math.inf
        self.is_over = False

    def training_step(self, batch: Any, step: int) -> Tensor:
        loss = self.objective.loss(self.graph.network, self.prepare(batch), batch)
        self.log("loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(batch.images), prog_bar=True)
        return loss

    def validation_step(self, batch: Any, step: int) -> None:
        loss = self.objective.selection_loss(self.averaged.network, self.prepare(batch), batch)
        self.log("selection_loss", loss, on_epoch=True, batch_size=len(batch.images), prog_bar=True)

    def prepare(self, batch: Any) -> Tensor:
        return self.graph.normalise(batch.images).contiguous(memory_format=torch.channels_last)

    def on_validation_epoch_end(self) -> None:
        loss = float(self.trainer.callback_metrics["selection_loss"])
        if not self.trainer.sanity_checking and loss < self.best_loss:
            self.best_loss = loss
            self.best.load_state_dict(self.averaged.state_dict())

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        checkpoint["best_loss"] = self.best_loss

    def on_load_checkpoint(self, checkpoint: dict[str, object]) -> None:
        self.best_loss = float(str(checkpoint["best_loss"]))

    def configure_optimizers(self) -> Optimizer:
        network, recipe = self.graph.network, self.recipe
        backbone = list(network.backbone.parameters())  # type: ignore[union-attr]
        known = {id(parameter) for parameter in backbone}
        head = [parameter for parameter in network.parameters() if id(parameter) not in known]
        groups = [{"params": backbone, "share": recipe.backbone_rate_share}, {"params": head, "share": 1.0}]
        # Fused: a third of the time of the default, which took a third of a step of 8 small pictures.
        return AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)

    def on_train_batch_start(self, batch: Any, step: int) -> None:
        # Dropout of a resumed run goes on as it would have, and differs between processes that fit together.
        torch.manual_seed(self.seed * 1_000_003 + self.global_step + 15_485_863 * self.trainer.global_rank)
        used_s = self.budget.used_s()
        is_over = used_s > self.plan.begin_s + self.plan.fit_s
        progress, self.is_over = self._agreed((self.plan.progress(self.global_step, used_s), is_over))
        rate = self.recipe.learning_rate * rate_share(progress)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate * group["share"]

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        torch.nn.utils.clip_grad_norm_(self.graph.parameters(), GRADIENT_LIMIT)

    def on_train_batch_end(self, outputs: object, batch: Any, step: int) -> None:
        decay = min(self.recipe.averaging, self.global_step / (self.global_step + 10))
        follow(self.averaged, self.graph, decay)
        if self.is_over:
            self.trainer.should_stop = True

    def _agreed(self, clock: tuple[float, bool]) -> tuple[float, bool]:
        """Return what the first process says: learning rate and end must be the same in all, or their weights part."""
        return self.trainer.strategy.broadcast(clock) if self.trainer.world_size > 1 else clock


def rate_share(progress: float) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    return min(1.0, progress / WARM_UP + 0.01) * (0.5 + 0.5 * math.cos(math.pi * progress))


@torch.no_grad()
def follow(averaged: nn.Module, fitted: nn.Module, decay: float) -> None:
    """Move every floating parameter and statistic of `averaged` towards `fitted`."""
    pairs = list(zip(averaged.state_dict().values(), fitted.state_dict().values(), strict=True))
    floats = [pair for pair in pairs if pair[0].is_floating_point()]
    torch._foreach_lerp_([slow for slow, _ in floats], [fast for _, fast in floats], 1 - decay)
    for slow, fast in pairs:
        if not slow.is_floating_point():
            slow.copy_(fast)
