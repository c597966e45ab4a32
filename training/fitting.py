"""One run of the trainer: measured, planned, interruptible, and told to whoever watches."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, RichProgressBar

from inspector.errors import UserError
from training.budget import Budget, Pace, Plan, plan_fit
from training.classifier import Classifier
from training.heads import Network, StationGraph
from training.loader import FitData, FitSteps
from training.pictures import Pictures
from training.recipe import TrainingRecipe
from training.weights import load_imagenet

logger = logging.getLogger(__name__)

CHECKPOINT = "unfinished.ckpt"
WARM_STEPS, MEASURED_STEPS = 2, 4


class NothingToResume(UserError):
    """`--resume` without an unfinished run of the same data set, recipe and seed."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What fitting leaves behind."""

    graph: StationGraph
    epochs: int
    stopped: str
    """`schedule ended`, `stopped early` or `budget spent`."""
    selection_loss: float
    fit_s: float


@dataclass(frozen=True, slots=True)
class FitRequest:
    """All that decides a run, apart from the machine."""

    fit: Pictures
    selection: Pictures
    classes: tuple[str, ...]
    good: tuple[str, ...]
    recipe: TrainingRecipe
    seed: int
    dataset_hash: str
    afterwards: int
    """Pictures that export, parity and calibration will look at."""

    @property
    def good_columns(self) -> tuple[int, ...]:
        return tuple(self.classes.index(label) for label in self.good if label in self.classes)

    @property
    def mapped(self) -> tuple[int, ...]:
        """Classes that the defect map tells apart; none where no mask teaches it."""
        taught = self.recipe.fit.dense_weight > 0 and bool(self.fit.masks.any())
        return tuple(i for i in range(len(self.classes)) if i not in self.good_columns) if taught else ()

    def fingerprint(self) -> str:
        """Same fingerprint, same run: an unfinished one may be gone on with."""
        text = json.dumps([self.recipe.model_dump(mode="json"), self.seed, self.dataset_hash, self.classes, self.good])
        return hashlib.sha256(text.encode()).hexdigest()


def fit(request: FitRequest, out: Path, budget: Budget, *, must_resume: bool) -> Fitted:
    """Fit, or go on with an unfinished run of the same fingerprint that lies in `out`."""
    recipe = request.recipe
    torch.set_num_threads(recipe.fit.threads or os.cpu_count() or 1)
    lightning.seed_everything(request.seed, verbose=False)
    steps = FitSteps(request.fit, request.good_columns, recipe, request.seed)
    network = build_network(request)
    checkpoint = find_checkpoint(out, request.fingerprint(), must_resume=must_resume)
    done = 0 if checkpoint is None else _epochs_done(checkpoint)
    pace = measure_pace(network, steps, request) if budget.limit_s is not None else Pace(1.0, 1.0)
    counts = {"steps": len(steps), "selection": len(request.selection), "afterwards": request.afterwards}
    plan = plan_fit(budget, pace, epochs=recipe.fit.epochs, done=done, **counts)
    logger.info("fitting %d epochs of %d steps (%.2f s a step)", plan.epochs, plan.steps, pace.step_s)
    classifier = Classifier(network, request.mapped, recipe.fit, plan, budget, request.seed)
    return _run(classifier, FitData(steps, request.selection), request, out, checkpoint)


def build_network(request: FitRequest) -> Network:
    recipe = request.recipe
    height, width = request.fit.images.shape[2:]
    network = Network(recipe.backbone, (height, width), len(request.classes), request.mapped)
    if recipe.pretrained and recipe.backbone == "efficientnet-lite0":
        load_imagenet(network.backbone)
        network.freeze_normalisation()
    return network.to(memory_format=torch.channels_last)


def measure_pace(network: Network, steps: FitSteps, request: FitRequest) -> Pace:
    """Time a few real steps on a copy that is thrown away."""
    endless = Plan(1, 10**9, 0.0, float("inf"))
    trial = Classifier(copy.deepcopy(network), request.mapped, request.recipe.fit, endless, Budget())
    optimizer = trial.configure_optimizers()
    state = torch.get_rng_state()
    for number in range(WARM_STEPS + MEASURED_STEPS):
        if number == WARM_STEPS:
            began = time.perf_counter()
        _trial_step(trial, optimizer, steps, number, request)
    step_s = (time.perf_counter() - began) / MEASURED_STEPS
    torch.set_rng_state(state)
    return Pace(step_s, _measure_look(trial, steps))


def _trial_step(
    trial: Classifier, optimizer: torch.optim.Optimizer, steps: FitSteps, number: int, request: FitRequest
) -> None:
    batch = steps[number % len(steps)]
    images = trial.graph.normalise(batch.images).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=uses_bfloat16(request.recipe)):
        logits, cells = trial.graph.network(images)
    total = logits.sum() if cells is None else logits.sum() + cells.sum()
    total.backward()
    optimizer.step()
    optimizer.zero_grad()


def _measure_look(trial: Classifier, steps: FitSteps) -> float:
    few = steps.pictures.images[:16].permute(0, 2, 3, 1)
    with torch.no_grad():
        trial.averaged(few)
        began = time.perf_counter()
        trial.averaged(few)
    return (time.perf_counter() - began) / len(few)


def uses_bfloat16(recipe: TrainingRecipe) -> bool:
    if recipe.fit.precision != "auto":
        return recipe.fit.precision == "bfloat16"
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(known.get("amx_bf16") or known.get("avx512_bf16"))


def find_checkpoint(out: Path, fingerprint: str, *, must_resume: bool) -> Path | None:
    path = out / CHECKPOINT
    if path.is_file() and torch.load(path, map_location="cpu", weights_only=True).get("fingerprint") == fingerprint:
        logger.info("going on with the unfinished run in %s", out)
        return path
    if must_resume:
        raise NothingToResume(f"{path}: expected an unfinished run of the same data set, recipe and seed")
    return None


def _epochs_done(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"]) + 1


def _run(classifier: Classifier, data: FitData, request: FitRequest, out: Path, checkpoint: Path | None) -> Fitted:
    stopper = EarlyStopping("selection_loss", patience=request.recipe.fit.patience)
    keeper = KeepUnfinished(out / CHECKPOINT, request.fingerprint())
    began = time.perf_counter()
    with warnings.catch_warnings():
        _ignore_advice()
        trainer = _trainer(classifier.plan.epochs, request.recipe, [stopper, keeper, _progress(classifier.budget)])
        _fit_or_interrupt(trainer, classifier, data, checkpoint)
    stopped = "stopped early" if stopper.stopped_epoch else "budget spent" if trainer.should_stop else "schedule ended"
    graph = classifier.best if stopper.stopped_epoch else classifier.averaged
    fit_s = time.perf_counter() - began
    return Fitted(graph, trainer.current_epoch, stopped, classifier.best_loss, fit_s)


def _fit_or_interrupt(
    trainer: lightning.Trainer, classifier: Classifier, data: FitData, checkpoint: Path | None
) -> None:
    """Fit, and tell an interruption from success: Lightning answers SIGTERM by exiting with status 0.

    The state of the last whole epoch is on disk by then; the same command goes on from it.
    """
    try:
        trainer.fit(classifier, data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stopped:
        raise KeyboardInterrupt from stopped


def _ignore_advice() -> None:
    """Lightning's hints that do not apply: batches are made in memory here, and the averaged networks never train."""
    for hint in ("does not have many workers", "smaller than the logging interval", "in eval mode at the start"):
        warnings.filterwarnings("ignore", message=f".*{hint}.*")
    # Lightning 2.6 with torch 2.14: its own use of a deprecated class.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated")


def _trainer(epochs: int, recipe: TrainingRecipe, callbacks: Sequence[Callback]) -> lightning.Trainer:
    for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        precision="bf16-mixed" if uses_bfloat16(recipe) else "32-true",
        callbacks=list(callbacks),
        deterministic=True,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(callback, RichProgressBar) for callback in callbacks),
    )


class KeepUnfinished(Callback):
    """Writes the run's whole state after each epoch, so that an interruption costs one epoch at most."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: dict[str, object]
    ) -> None:
        checkpoint["fingerprint"] = self.fingerprint

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        trainer.save_checkpoint(fresh, weights_only=False)
        os.replace(fresh, self.path)


class EpochLines(Callback):
    """One plain line per epoch, for logs and pipes."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        seen = trainer.callback_metrics
        figures = " ".join(f"{name} {float(seen[name]):.4f}" for name in ("loss", "selection_loss") if name in seen)
        epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs
        print(f"epoch {epoch}/{epochs} {figures} after {self.budget.used_s():.0f} s", file=sys.stderr, flush=True)


def _progress(budget: Budget) -> Callback:
    return RichProgressBar(leave=True) if sys.stderr.isatty() else EpochLines(budget)
