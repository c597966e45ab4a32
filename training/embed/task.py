"""`inspector train --task embed`, from a checked data set to a bundle."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.augment import Batch, augment
from training.budget import Budget
from training.delivery import Delivery, deliver
from training.embed.matching import MatchCalibration
from training.embed.material import Material, load_material
from training.embed.metric import learn_metric
from training.embed.network import EmbedNetwork, build_network
from training.embed.objective import ContrastiveObjective
from training.embed.recipe import EmbedRecipe
from training.fitting import CHECKPOINT, FitRun, be_repeatable, fingerprint, fit, uses_bfloat16
from training.graph import StationGraph
from training.loader import FitSteps, Plain
from training.order import Order, say
from training.pictures import Pictures
from training.quantise import spread
from training.recipe import TrainingRecipe

OUTPUTS = ("embedding",)
LOOK = 32
"""Pictures looked at together."""


def train(order: Order[EmbedRecipe], budget: Budget) -> Path:
    """Learn the metric, export, quantise, calibrate, prove; return the folder of the bundle below `order.out`."""
    material = load_material(order)
    say(material.summary())
    be_repeatable(order.recipe.fit, order.seed)
    network = build_network(
        order.recipe.backbone, (material.spec.height, material.spec.width), order.recipe.metric.dimensions
    )
    graph, notes = _fitted(order, material, network, budget)
    folder = deliver(_delivery(order, material, graph, notes), budget, MatchCalibration(order.recipe, order.seed))
    (order.out / CHECKPOINT).unlink(missing_ok=True)
    return folder


def _fitted(
    order: Order[EmbedRecipe], material: Material, network: EmbedNetwork, budget: Budget
) -> tuple[StationGraph, dict[str, float | int | str]]:
    """Learn the metric; where the recipe asks for it, fine-tune from there and learn it anew on what came out."""
    began = time.perf_counter()
    graph = StationGraph(network)
    _learn(graph, material, order)
    notes: dict[str, float | int | str] = {"learnt": "relevant component analysis"}
    if order.recipe.metric.fine_tune:
        fitted = fit(_run(order, material, network), order.out, budget, must_resume=order.must_resume)
        graph = fitted.graph
        _learn(graph, material, order)
        notes |= {"learnt": "contrastive loss, then relevant component analysis", "epochs": fitted.epochs}
        notes |= {"stopped": fitted.stopped, "selection_loss": round(fitted.selection_loss, 5)}
    minutes = (time.perf_counter() - began) / 60
    say(f"learnt a metric of {graph.network.project.out_features} dimensions in {minutes:.1f} min; exporting")  # type: ignore[union-attr]
    return graph, notes


def _learn(graph: StationGraph, material: Material, order: Order[EmbedRecipe]) -> None:
    network = graph.network
    if not isinstance(network, EmbedNetwork):
        raise TypeError(f"expected an EmbedNetwork, got {type(network).__name__}")
    recipe = order.recipe.metric
    graph.eval()
    views = [_look(graph, material.fit, order, number) for number in range(1 + recipe.varied_views)]
    labels = np.tile(material.fit.labels.numpy(), len(views))
    fair = network.fair.numpy().astype(np.float64)
    weight, bias = learn_metric(np.concatenate(views), labels, fair, recipe.dimensions, recipe.shrinkage)
    graph.train()
    network.set_metric(torch.from_numpy(weight).float(), torch.from_numpy(bias).float())


@torch.no_grad()
def _look(graph: StationGraph, pictures: Pictures, order: Order[EmbedRecipe], number: int) -> NDArray[np.float64]:
    """(N, F) statistics of the pictures: as they are for view 0, varied for others."""
    rng = np.random.default_rng((order.seed, number))
    found = []
    for start in range(0, len(pictures), LOOK):
        images = pictures.images[start : start + LOOK].float()
        count, _, height, width = images.shape
        if number:
            unmasked = Batch(images, torch.zeros(count, 1, height, width), torch.zeros(count), torch.zeros(count))
            images = augment(unmasked, order.recipe.augment, rng).images
        prepared = graph.normalise(images).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=uses_bfloat16(order.recipe.fit)):
            found.append(graph.network.texture(prepared).float().numpy())  # type: ignore[operator]
    return np.concatenate(found).astype(np.float64)


def _run(order: Order[EmbedRecipe], material: Material, network: EmbedNetwork) -> FitRun:
    recipe = order.recipe
    shared = TrainingRecipe(augment=recipe.augment, fit=recipe.fit)
    return FitRun(
        network=network,
        objective=ContrastiveObjective(recipe.metric.temperature),
        steps=FitSteps(material.fit, (), shared, order.seed),
        selection=Plain(material.selection),
        selection_images=len(material.selection),
        afterwards=len(material.validation) + len(material.calibration) + recipe.quantise.images,
        recipe=recipe.fit,
        seed=order.seed,
        fingerprint=fingerprint(recipe, order.seed, order.dataset.content_hash, material.classes),
    )


def _delivery(
    order: Order[EmbedRecipe], material: Material, graph: StationGraph, notes: dict[str, float | int | str]
) -> Delivery:
    recipe = order.recipe
    return Delivery(
        task="embed",
        graph=graph,
        outputs=OUTPUTS,
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
        policy=recipe.policy,
        metric="auroc",
        golden=recipe.golden_per_bundle,
        training={
            **notes,
            "backbone": recipe.backbone,
            "left_out": ", ".join(recipe.left_out) or "none",
            "recipe": recipe.model_dump_json(exclude_unset=True),
        },
    )
