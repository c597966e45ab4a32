"""From a checked data set whose parts have several labels to a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.budget import Budget
from training.delivery import Delivery, deliver
from training.fitting import CHECKPOINT, FitRun, Fitted, be_repeatable, fingerprint, fit
from training.heads import Network
from training.labels.calibrating import LabelCalibration
from training.labels.material import LabelledMaterial, load_material
from training.light import LevelLight, kept_light
from training.loader import FitSteps, Plain
from training.novelty import learn_novelty
from training.order import Order, say
from training.quantise import spread
from training.recipe import TrainingRecipe
from training.weights import load_imagenet


@dataclass(frozen=True, slots=True)
class LabelsObjective:
    """Each label a yes or no of its own; a batch's labels are positions in `table` (cells, C)."""

    table: Tensor

    def loss(self, network: nn.Module, images: Tensor, batch: Any) -> Tensor:
        return functional.binary_cross_entropy_with_logits(network(images)[0].float(), self.table[batch.labels])

    def selection_loss(self, network: nn.Module, images: Tensor, batch: Any) -> Tensor:
        return self.loss(network, images, batch)


def train(order: Order[TrainingRecipe], budget: Budget) -> Path:
    """Fit, export, quantise, calibrate, prove; return the folder of the bundle written below `order.out`."""
    material = load_material(order)
    say(material.summary())
    fitted = fit(_run(order, material), order.out, budget, must_resume=order.must_resume)
    say(f"fitted {fitted.epochs} epochs in {fitted.fit_s / 60:.1f} min ({fitted.stopped}); exporting")
    fitted.graph.network.novelty = learn_novelty(fitted.graph, material.fit, order.recipe)
    folder = deliver(_delivery(order, material, fitted), budget, LabelCalibration(order.recipe.policy))
    (order.out / CHECKPOINT).unlink(missing_ok=True)
    return folder


def _run(order: Order[TrainingRecipe], material: LabelledMaterial) -> FitRun:
    recipe = order.recipe
    be_repeatable(recipe.fit, order.seed)
    good = [i for i, cell in enumerate(material.cells) if cell in material.dataset.good]
    decides = (recipe, order.seed, order.dataset.content_hash, material.classes, material.dataset.good, "several")
    return FitRun(
        network=_network(material, recipe),
        objective=LabelsObjective(material.table),
        steps=FitSteps(material.fit, good, recipe, order.seed),
        selection=Plain(material.selection),
        selection_images=len(material.selection),
        afterwards=len(material.validation) + len(material.calibration) + recipe.quantise.images,
        recipe=recipe.fit,
        seed=order.seed,
        fingerprint=fingerprint(*decides),
    )


def _network(material: LabelledMaterial, recipe: TrainingRecipe) -> Network:
    network = Network(recipe.backbone, (material.spec.height, material.spec.width), len(material.classes), ())
    network.light = LevelLight() if recipe.level_light else None
    if recipe.pretrained and recipe.backbone == "efficientnet-lite0":
        load_imagenet(network.backbone)
        network.freeze_normalisation()
    return network.to(memory_format=torch.channels_last)


def _delivery(order: Order[TrainingRecipe], material: LabelledMaterial, fitted: Fitted) -> Delivery:
    recipe = order.recipe
    return Delivery(
        task="classify",
        graph=fitted.graph,
        outputs=("logits", "heat", "distance"),
        classes=material.classes,
        dataset=material.dataset,
        seed=order.seed,
        lineage=order.lineage(),
        out=order.out,
        spec=material.spec,
        parts=material.parts,
        calibration=material.calibration,
        validation=material.validation,
        ranges=spread(material.fit, recipe.quantise.images, order.seed),
        quantise=recipe.quantise,
        keep_float=kept_light(recipe.level_light),
        policy=recipe.policy,
        metric="mean_ap",
        golden=recipe.golden_per_bundle,
        several=True,
        label_column=recipe.label_column,
        training={
            "backbone": recipe.backbone,
            **fitted.notes(),
            "recipe": recipe.model_dump_json(exclude_unset=True),
        },
    )
