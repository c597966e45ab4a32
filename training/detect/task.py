"""`inspector train --task detect`, from a checked data set to a bundle."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inspector.preprocess import InputSpec
from inspector.samples import Sample
from training.budget import Budget
from training.delivery import Delivery, deliver
from training.detect.building import DetectObjective, build_detector
from training.detect.loader import Whole, WindowSteps
from training.detect.network import Detector
from training.detect.pictures import BoxedPictures, box_classes, choose_side, choose_strides, nearest_size, with_boxes
from training.detect.recipe import DetectRecipe
from training.detect.shift import measure_shift
from training.detect.tail import tail_nodes
from training.fitting import CHECKPOINT, FitRun, Fitted, be_repeatable, fingerprint, fit
from training.graph import StationGraph
from training.guard import add_guard
from training.order import Order, say
from training.splits import Parts, cut_parts
from training.viewed import Viewed, view, view_tiles

LARGEST_WINDOW_PX = 320
LOOK = 8
"""Pictures at a time, for the guard."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Everything a run works on. Only `fit` is trained on; see `training.splits.Parts`."""

    parts: Parts
    spec: InputSpec
    classes: tuple[str, ...]
    strides: tuple[int, ...]
    template: bool
    fit: BoxedPictures
    selection: BoxedPictures
    calibration: Viewed
    validation: Viewed

    @property
    def size(self) -> tuple[int, int]:
        return self.spec.height, self.spec.width

    def summary(self) -> str:
        counts = ", ".join(f"{name} {len(samples)}" for name, samples in self.parts.named().items())
        size = f"{self.spec.width} x {self.spec.height} px" + (" with template" if self.template else "")
        boxes = sum(len(boxed.boxes) for boxed in self.fit.boxed)
        strides = ", ".join(map(str, self.strides))
        return f"{boxes} boxes of {len(self.classes)} classes; images: {counts}; input {size}, cells of {strides} px"


def train(order: Order[DetectRecipe], budget: Budget) -> Path:
    """Fit, export, quantise, calibrate, prove; return the folder of the bundle written below `order.out`."""
    material = load_material(order)
    say(material.summary())
    fitted = fit(_run(order, material), order.out, budget, must_resume=order.must_resume)
    say(f"fitted {fitted.epochs} epochs in {fitted.fit_s / 60:.1f} min ({fitted.stopped}); exporting")
    settle_shift(fitted.graph, material)
    guard_detector(fitted.graph, material.fit, order.recipe)
    folder = deliver(_delivery(order, material, fitted), budget)
    (order.out / CHECKPOINT).unlink(missing_ok=True)
    return folder


def settle_shift(graph: StationGraph, material: Material) -> None:
    """Give the network what mirrored pictures could not teach it; see `training.detect.shift`."""
    shift = measure_shift(graph, material.fit)
    graph.network.get_buffer("shift").copy_(shift)
    say("boxes shifted by " + ", ".join(f"{value:+.2f}" for value in shift.tolist()) + " px")


def guard_detector(graph: StationGraph, pictures: BoxedPictures, recipe: DetectRecipe) -> None:
    """Let the network tell how far a picture lies from these; its kind is that of most of its boxes."""
    pixels = [torch.from_numpy(boxed.pixels) for boxed in pictures.boxed]
    batches = (torch.stack(pixels[i : i + LOOK]).permute(0, 3, 1, 2) for i in range(0, len(pixels), LOOK))
    kinds = np.array([np.bincount(boxed.labels).argmax() if len(boxed.labels) else -1 for boxed in pictures.boxed])
    add_guard(graph, batches, kinds, recipe.fit)


def load_material(order: Order[DetectRecipe]) -> Material:
    """Cut the parts by group and bring their pictures into memory; raises DatasetError, UnreadableImage."""
    recipe, good = order.recipe, order.dataset.good
    parts = cut_parts(order.dataset, recipe.parts, order.seed, label_is_class=False)
    template = recipe.detector.template == "auto" and any(sample.template_path for sample in parts.fit)
    classes = box_classes(parts.fit)
    spec = choose_input(parts.fit, recipe)
    look = functools.partial(view_tiles, tiles=recipe.tiles) if recipe.tiles else view
    viewed = {name: look(samples, spec, good=good, template=template) for name, samples in parts.named().items()}
    boxed = {name: with_boxes(viewed[name], classes, good) for name in ("fit", "selection")}
    return Material(
        parts=parts,
        spec=spec,
        classes=classes,
        strides=recipe.detector.strides or choose_strides(boxed["fit"]),
        template=template,
        fit=boxed["fit"],
        selection=boxed["selection"],
        calibration=viewed["calibration"],
        validation=viewed["validation"],
    )


def choose_input(samples: Sequence[Sample], recipe: DetectRecipe) -> InputSpec:
    """The input as the recipe says; what it leaves open is a tile's size, or a square near the pictures'."""
    if recipe.tiles:
        height, width = nearest_size(recipe.tiles.height), nearest_size(recipe.tiles.width)
    else:
        height = width = choose_side(samples)
    return InputSpec(height=recipe.input.height or height, width=recipe.input.width or width, fit=recipe.input.fit)


def window_side(recipe: DetectRecipe, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a training window: crops of large inputs make a step cheap and varied."""
    most = recipe.detector.window or LARGEST_WINDOW_PX
    return min(most, size[0]), min(most, size[1])


def _run(order: Order[DetectRecipe], material: Material) -> FitRun:
    recipe = order.recipe
    be_repeatable(recipe.fit, order.seed)
    classes = len(material.classes)
    network = build_detector(recipe, material.size, material.strides, classes, template=material.template)
    return FitRun(
        network=network,
        objective=DetectObjective(recipe.detector.box_weight),
        steps=WindowSteps(material.fit, window_side(recipe, material.size), recipe, order.seed),
        selection=Whole(material.selection),
        selection_images=len(material.selection),
        afterwards=len(material.validation) + len(material.calibration) + recipe.quantise.images,
        recipe=recipe.fit,
        seed=order.seed,
        fingerprint=fingerprint(recipe, order.seed, order.dataset.content_hash, material.classes, order.dataset.good),
    )


def _delivery(order: Order[DetectRecipe], material: Material, fitted: Fitted) -> Delivery:
    recipe = order.recipe
    return Delivery(
        task="detect",
        graph=fitted.graph,
        outputs=outputs_of(fitted.graph),
        classes=material.classes,
        dataset=order.dataset,
        seed=order.seed,
        lineage=order.lineage(),
        out=order.out,
        spec=material.spec,
        parts=material.parts,
        calibration=material.calibration,
        validation=material.validation,
        ranges=spread_boxed(material.fit, recipe.quantise.images, order.seed),
        quantise=recipe.quantise,
        policy=recipe.policy,
        metric="map50",
        training={
            "backbone": recipe.backbone,
            **fitted.notes(),
            "strides": ", ".join(map(str, material.strides)),
            "recipe": recipe.model_dump_json(exclude_unset=True),
        },
        golden=recipe.golden_per_bundle,
        template=material.template,
        tiles=recipe.tiles,
        keep_float=tail_nodes,
    )


def outputs_of(graph: StationGraph) -> tuple[str, ...]:
    if not isinstance(graph.network, Detector):
        raise TypeError(f"expected a detector, got {type(graph.network).__name__}")
    return graph.network.outputs


def spread_boxed(pictures: BoxedPictures, count: int, seed: int) -> NDArray[np.uint8]:
    """At most `count` fitting pictures (N, H, W, 3k), those with boxes first: they show every activation."""
    order = np.random.default_rng(seed).permutation(len(pictures)).tolist()
    ranked = sorted(order, key=lambda index: len(pictures.boxed[index].boxes) == 0)
    return np.stack([pictures.boxed[index].pixels for index in sorted(ranked[:count])])
