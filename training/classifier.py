"""What is learnt and how: losses, averaged weights, optimiser and learning rate."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW, Optimizer

from training.augment import Batch
from training.budget import Budget, Plan
from training.heads import MAP_STRIDE, Network, StationGraph
from training.recipe import FitRecipe

WARM_UP = 0.05
CELL_WEIGHT = 4.0
"""A defective cell weighs as much as this many clean ones in the map's loss."""
MAP_LOSS_SCALE = 10.0
GRADIENT_LIMIT = 5.0


class Classifier(lightning.LightningModule):
    """Fits `network`; `averaged` follows it slowly and is what is used; `best` is the averaged one at its best."""

    def __init__(
        self, network: Network, mapped: Sequence[int], recipe: FitRecipe, plan: Plan, budget: Budget, seed: int = 0
    ) -> None:
        super().__init__()
        self.graph = StationGraph(network)
        self.averaged = copy.deepcopy(self.graph).eval().requires_grad_(False)
        self.best = copy.deepcopy(self.averaged)
        self.mapped = tuple(mapped)
        self.recipe, self.plan, self.budget, self.seed = recipe, plan, budget, seed
        self.best_loss = math.inf

    def training_step(self, batch: Batch, step: int) -> Tensor:
        images = self.graph.normalise(batch.images).contiguous(memory_format=torch.channels_last)
        logits, cells = self.graph.network(images)
        loss = functional.cross_entropy(logits, batch.labels, label_smoothing=self.recipe.label_smoothing)
        self.log("loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(batch.labels), prog_bar=True)
        if cells is None:
            return loss
        return loss + self.recipe.dense_weight * map_loss(cells, batch, self.mapped)

    def validation_step(self, batch: Batch, step: int) -> None:
        images = self.averaged.normalise(batch.images).contiguous(memory_format=torch.channels_last)
        loss = functional.cross_entropy(self.averaged.network(images)[0], batch.labels)
        self.log("selection_loss", loss, on_epoch=True, batch_size=len(batch.labels), prog_bar=True)

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
        known = {id(parameter) for parameter in network.backbone.parameters()}
        head = [parameter for parameter in network.parameters() if id(parameter) not in known]
        groups = [
            {"params": list(network.backbone.parameters()), "share": recipe.backbone_rate_share},
            {"params": head, "share": 1.0},
        ]
        return AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)

    def on_train_batch_start(self, batch: Batch, step: int) -> None:
        torch.manual_seed(self.seed * 1_000_003 + self.global_step)  # dropout of a resumed run goes on as it would have
        progress = self.plan.progress(self.global_step, self.budget.used_s())
        rate = self.recipe.learning_rate * rate_share(progress)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate * group["share"]

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        torch.nn.utils.clip_grad_norm_(self.graph.parameters(), GRADIENT_LIMIT)

    def on_train_batch_end(self, outputs: object, batch: Batch, step: int) -> None:
        decay = min(self.recipe.averaging, self.global_step / (self.global_step + 10))
        follow(self.averaged, self.graph, decay)
        if self.budget.used_s() > self.plan.begin_s + self.plan.fit_s:
            self.trainer.should_stop = True


def rate_share(progress: float) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    return min(1.0, progress / WARM_UP + 0.01) * (0.5 + 0.5 * math.cos(math.pi * progress))


@torch.no_grad()
def follow(averaged: torch.nn.Module, fitted: torch.nn.Module, decay: float) -> None:
    """Move every floating parameter and statistic of `averaged` towards `fitted`."""
    for slow, fast in zip(averaged.state_dict().values(), fitted.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, 1 - decay)
        else:
            slow.copy_(fast)


def map_loss(cells: Tensor, batch: Batch, mapped: Sequence[int]) -> Tensor:
    """Binary cross-entropy per cell and kind, the more wrong the heavier; only where the mask is known.

    A cell is defective where any pixel of its 8 x 8 is: tiny defects count in full.
    """
    touched = functional.max_pool2d(batch.masks, MAP_STRIDE)
    kinds = (batch.labels[:, None] == torch.tensor(mapped)).float()
    target = touched * kinds[:, :, None, None]
    weight = torch.tensor(CELL_WEIGHT)
    losses = functional.binary_cross_entropy_with_logits(cells, target, reduction="none", pos_weight=weight)
    wrongness = (target - torch.sigmoid(cells)).abs()
    known = batch.has_mask[:, None, None, None]
    return MAP_LOSS_SCALE * (losses * wrongness * known).mean((2, 3)).sum(1).mean()
