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
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, RichProgressBar
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy
from torch import nn
from torch.utils.data import DataLoader, Dataset

from inspector.documents import Document
from inspector.errors import UserError
from training.budget import Budget, Pace, Plan, hopeful, plan_fit
from training.graph import StationGraph
from training.learning import Learner, Objective
from training.recipe import FitRecipe

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

    def notes(self) -> dict[str, float | int | str]:
        """What a manifest says of the fitting; nothing of the clock, or the same run would give another bundle."""
        return {
            "epochs": self.epochs,
            "stopped": self.stopped,
            "selection_loss": round(self.selection_loss, 5),
        }


class Steps(Protocol):
    """Fitting batches: step `i` of the `epoch` that the trainer sets; the same again for the same seed."""

    epoch: int

    def __len__(self) -> int: ...
    def __getitem__(self, step: int) -> Any: ...


@dataclass(frozen=True, slots=True, eq=False)
class FitRun:
    """All that decides a run, apart from the machine."""

    network: nn.Module
    """See `training.graph.StationGraph`."""
    objective: Objective
    steps: Steps
    selection: Dataset[Any]
    """Batches in order, as they are; `training.loader.Plain` is one."""
    selection_images: int
    afterwards: int
    """Pictures that export, parity and calibration will look at."""
    recipe: FitRecipe
    seed: int
    fingerprint: str
    """Same fingerprint, same run: an unfinished one may be gone on with. See `fingerprint`."""


AFTER_FITTING = {"quantise", "policy", "golden_per_bundle", "banks", "beside"}
"""Fields of a recipe that a fitted network does not depend on: a run that was refused for them goes on with others."""


def fingerprint(*decides: object) -> str:
    """Return the SHA-256 of everything that decides how a network is fitted, each of it JSON or a document."""
    plain = [
        item.model_dump(mode="json", exclude=AFTER_FITTING) if isinstance(item, Document) else item for item in decides
    ]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def fit(run: FitRun, out: Path, budget: Budget, *, must_resume: bool) -> Fitted:
    """Fit, or go on with an unfinished run of the same fingerprint that lies in `out`."""
    be_repeatable(run.recipe, run.seed)
    checkpoint = find_checkpoint(out, run.fingerprint, must_resume=must_resume)
    done = 0 if checkpoint is None else _epochs_done(checkpoint)
    pace = measure_pace(run) if budget.limit_s is not None else Pace(1.0, 1.0)
    steps = shared_steps(run)
    counts = {"steps": steps, "selection": run.selection_images, "afterwards": run.afterwards}
    plan = plan_fit(budget, pace, epochs=run.recipe.epochs, done=done, **counts)
    if processes(run.recipe) > 1:  # all must plan the same epochs; the clock of the first process ends them
        plan = replace(plan, epochs=run.recipe.epochs)
    else:
        plan = hopeful(plan, run.recipe.epochs, done)
    logger.info("fitting %d epochs of %d steps (%.2f s a step)", plan.epochs, plan.steps, pace.step_s)
    learner = Learner(run.network, run.objective, run.recipe, plan, budget, run.seed)
    return _run(learner, run, out, checkpoint)


def processes(recipe: FitRecipe) -> int:
    """How many fit together."""
    return recipe.devices * recipe.num_nodes


def shared_steps(run: FitRun) -> int:
    """Steps of an epoch for each process: they share them out, so a step of all is as many batches."""
    return max(1, len(run.steps) // processes(run.recipe))


def be_repeatable(recipe: FitRecipe, seed: int) -> None:
    """Set threads and seeds; call before the network is built, so that its first weights repeat too."""
    torch.set_num_threads(recipe.threads or max(1, (os.cpu_count() or 1) // recipe.devices))
    lightning.seed_everything(seed, verbose=False)


def measure_pace(run: FitRun) -> Pace:
    """Time a few real steps on a copy that is thrown away."""
    endless = Plan(1, 10**9, 0.0, float("inf"))
    trial = Learner(copy.deepcopy(run.network), run.objective, run.recipe, endless, Budget())
    optimizer = trial.configure_optimizers()
    state = torch.get_rng_state()
    for number in range(WARM_STEPS + MEASURED_STEPS):
        if number == WARM_STEPS:
            began = time.perf_counter()
        _trial_step(trial, optimizer, run, number)
    step_s = (time.perf_counter() - began) / MEASURED_STEPS
    torch.set_rng_state(state)
    return Pace(step_s, _measure_look(trial, run))


def _trial_step(trial: Learner, optimizer: torch.optim.Optimizer, run: FitRun, number: int) -> None:
    batch = run.steps[number % len(run.steps)]
    with torch.autocast("cpu", torch.bfloat16, enabled=uses_bfloat16(run.recipe)):
        loss = trial.objective.loss(trial.graph.network, trial.prepare(batch), batch)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    optimizer.zero_grad()


def _measure_look(trial: Learner, run: FitRun) -> float:
    few = run.selection[0].images[:16].permute(0, 2, 3, 1)
    with torch.no_grad():
        trial.averaged(few)
        began = time.perf_counter()
        trial.averaged(few)
    return (time.perf_counter() - began) / len(few)


def uses_bfloat16(recipe: FitRecipe) -> bool:
    if recipe.precision != "auto":
        return recipe.precision == "bfloat16"
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


def _run(learner: Learner, run: FitRun, out: Path, checkpoint: Path | None) -> Fitted:
    stopper = EarlyStopping("selection_loss", patience=run.recipe.patience)
    keeper = KeepUnfinished(out / CHECKPOINT, run.fingerprint)
    began = time.perf_counter()
    with warnings.catch_warnings():
        _ignore_advice()
        trainer = _trainer(learner.plan.epochs, run.recipe, [stopper, keeper, _progress(learner.budget)], out)
        _fit_or_interrupt(trainer, learner, FitData(run.steps, run.selection, shared_steps(run)), checkpoint)
    if not trainer.is_global_zero:
        raise SystemExit(0)  # what follows is for the first process: all have fitted the same network
    stopped = "stopped early" if stopper.stopped_epoch else "budget spent" if trainer.should_stop else "schedule ended"
    graph = (learner.best if stopper.stopped_epoch else learner.averaged).cpu()
    fit_s = time.perf_counter() - began
    return Fitted(graph, trainer.current_epoch, stopped, learner.best_loss, fit_s)


def _fit_or_interrupt(trainer: lightning.Trainer, learner: Learner, batches: FitData, checkpoint: Path | None) -> None:
    """Fit, and tell an interruption from success: Lightning answers SIGTERM by exiting with status 0.

    The state of the last whole epoch is on disk by then; the same command goes on from it.
    """
    try:
        trainer.fit(learner, batches, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stopped:
        raise KeyboardInterrupt from stopped


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """The steps of one process."""

    steps: Steps
    numbers: range

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, step: int) -> Any:
        return self.steps[self.numbers[step] % len(self.steps)]


class FitData(lightning.LightningDataModule):
    """Fitting and selection batches. Lightning asks again for the training loader at each epoch (its reload option)."""

    def __init__(self, steps: Steps, selection: Dataset[Any], count: int) -> None:
        super().__init__()
        self.steps, self.selection, self.count = steps, selection, count

    def train_dataloader(self) -> DataLoader[Any]:
        rank = 0
        if self.trainer is not None:
            self.steps.epoch, rank = self.trainer.current_epoch, self.trainer.global_rank
        share = Share(self.steps, range(rank * self.count, (rank + 1) * self.count))
        return DataLoader(cast("Dataset[Any]", share), batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.selection, batch_size=None)


def _ignore_advice() -> None:
    """Lightning's hints that do not apply: batches are made in memory here, and the averaged networks never train."""
    for hint in ("does not have many workers", "smaller than the logging interval", "in eval mode at the start"):
        warnings.filterwarnings("ignore", message=f".*{hint}.*")
    # Lightning 2.6 with torch 2.14: its own use of a deprecated class.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated")


def _trainer(epochs: int, recipe: FitRecipe, callbacks: Sequence[Callback], out: Path) -> lightning.Trainer:
    for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return lightning.Trainer(
        max_epochs=epochs,
        accelerator=recipe.accelerator,
        strategy=_strategy(recipe),
        devices=recipe.devices,
        num_nodes=recipe.num_nodes,
        use_distributed_sampler=False,  # FitData shares the steps out
        precision="bf16-mixed" if uses_bfloat16(recipe) else "32-true",
        callbacks=list(callbacks),
        deterministic=True,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=_loggers(out),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(callback, RichProgressBar) for callback in callbacks),
    )


def _strategy(recipe: FitRecipe) -> str | DDPStrategy:
    """Parameters may be idle in a step: a map that no mask of the batch teaches."""
    return DDPStrategy(find_unused_parameters=True) if recipe.strategy == "ddp" else recipe.strategy


def _loggers(out: Path) -> list[Logger]:
    """CSV below `out`/logs, one folder per run, and TensorBoard's files where it is installed."""
    loggers: list[Logger] = [CSVLogger(out, name="logs")]
    if find_spec("tensorboard") is not None:
        loggers.append(TensorBoardLogger(out, name="logs"))
    return loggers


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
        trainer.save_checkpoint(fresh, weights_only=False)  # all processes meet in there; the first one writes
        if trainer.is_global_zero:
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
