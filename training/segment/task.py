"""`inspector train --task segment`, from a checked data set to a bundle."""

from __future__ import annotations

from pathlib import Path

import torch

from inspector.heads.segment import MASK_ABOVE
from training.budget import Budget
from training.delivery import Delivery, deliver
from training.fitting import CHECKPOINT, FitRun, Fitted, be_repeatable, fingerprint, fit
from training.graph import StationGraph
from training.guard import add_guard
from training.light import LevelLight, kept_light
from training.loader import Plain
from training.order import Order, say
from training.quantise import spread
from training.segment.limit import choose_mask_above
from training.segment.loader import WindowSteps
from training.segment.material import SegmentMaterial, load_segment_material
from training.segment.network import Segmenter
from training.segment.objective import SegmentObjective
from training.segment.recipe import SegmentRecipe
from training.weights import load_imagenet

LOOK = 16
"""Pictures at a time, for the guard."""


def train(order: Order[SegmentRecipe], budget: Budget) -> Path:
    """Fit, export, quantise, calibrate, prove; return the folder of the bundle written below `order.out`."""
    material = load_segment_material(order.dataset, order.recipe, order.seed)
    say(material.summary())
    fitted = fit(_run(order, material), order.out, budget, must_resume=order.must_resume)
    above, overlap = choose_mask_above(fitted.graph, material.calibration)
    say(f"fitted {fitted.epochs} epochs in {fitted.fit_s / 60:.1f} min ({fitted.stopped}); exporting")
    say(f"calibration part: dice {overlap:.4f} where a pixel is defective above {above:g}")
    batches = (material.fit.images[start : start + LOOK] for start in range(0, len(material.fit), LOOK))
    add_guard(fitted.graph, batches, material.fit.labels.numpy(), order.recipe.fit)
    folder = deliver(_delivery(order, material, fitted, above), budget)
    (order.out / CHECKPOINT).unlink(missing_ok=True)
    return folder


def build_segmenter(material: SegmentMaterial, recipe: SegmentRecipe) -> Segmenter:
    """A fresh network, with ImageNet's weights in the backbone where the recipe says so."""
    size = (material.spec.height, material.spec.width)
    pretrained = recipe.pretrained and recipe.backbone == "efficientnet-lite0"
    frozen = recipe.decoder.frozen_stages if pretrained else 0
    network = Segmenter(recipe.backbone, size, len(material.kinds), recipe.decoder.channels, frozen)
    network.light = LevelLight() if recipe.level_light else None
    if pretrained:
        load_imagenet(network.backbone)
        network.freeze_normalisation()
    return network.to(memory_format=torch.channels_last)


def outputs_of(graph: StationGraph) -> tuple[str, ...]:
    if not isinstance(graph.network, Segmenter):
        raise TypeError(f"expected a segmenter, got {type(graph.network).__name__}")
    return graph.network.outputs


def _run(order: Order[SegmentRecipe], material: SegmentMaterial) -> FitRun:
    recipe = order.recipe
    be_repeatable(recipe.fit, order.seed)
    return FitRun(
        network=build_segmenter(material, recipe),
        objective=SegmentObjective(material.kind_columns, recipe.fit),
        steps=WindowSteps(material.fit, material.good_columns, recipe, order.seed),
        selection=Plain(material.selection),
        selection_images=len(material.selection),
        afterwards=len(material.validation) + 2 * len(material.held) + recipe.quantise.images,
        recipe=recipe.fit,
        seed=order.seed,
        fingerprint=fingerprint(recipe, order.seed, order.dataset.content_hash, material.labels, material.good),
    )


def _delivery(order: Order[SegmentRecipe], material: SegmentMaterial, fitted: Fitted, above: float) -> Delivery:
    recipe = order.recipe
    return Delivery(
        task="segment",
        graph=fitted.graph,
        outputs=outputs_of(fitted.graph),
        classes=material.kinds,
        dataset=order.dataset,
        seed=order.seed,
        lineage=order.lineage(),
        out=order.out,
        spec=material.spec,
        parts=material.parts,
        calibration=material.held,
        validation=material.validation,
        ranges=spread(material.fit, recipe.quantise.images, order.seed),
        quantise=recipe.quantise,
        keep_float=kept_light(recipe.level_light),
        policy=recipe.policy,
        metric="dice",
        training={
            "backbone": recipe.backbone,
            **fitted.notes(),
            "recipe": recipe.model_dump_json(exclude_unset=True),
        },
        golden=recipe.golden_per_bundle,
        reading={MASK_ABOVE: above},
    )
