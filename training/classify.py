"""`inspector train --task classify`, from a checked data set to a bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from inspector.bundle import MODEL_FILES, Calibrations, Manifest, Precision
from inspector.dataset import Dataset
from inspector.errors import UserError
from inspector.labels import has_several, labelled_by
from training.budget import Budget
from training.card import figures, write_card
from training.certifying import deliver_bundle
from training.classifier import ClassifyObjective
from training.conversion import convert
from training.export import export_onnx
from training.fast import fit_fast
from training.fitting import CHECKPOINT, FitRun, Fitted, be_repeatable, fingerprint, fit
from training.golden import choose_golden, golden_files
from training.graph import StationGraph
from training.heads import Network
from training.labels.task import train as train_labels
from training.light import LevelLight, kept_light
from training.loader import FitSteps, Plain
from training.material import Material, load_material
from training.mending import Attempt, Mending, mended
from training.novelty import learn_novelty
from training.order import Order, say
from training.parent import Parent, like_parent, load_backbone, load_head, read_parent
from training.proof import LogitJudge, Proof, prove
from training.quantise import spread
from training.recipe import TrainingRecipe
from training.weights import load_imagenet


def train(order: Order[TrainingRecipe], budget: Budget) -> Path:
    """Fit, export, quantise, calibrate, prove parity; return the folder of the bundle written below `order.out`."""
    order = replace(order, dataset=_labelled(order))
    if has_several(row.label for row in order.dataset.rows if row.split != "test"):
        if order.parent is not None:
            raise UserError("--parent: expected labels of one class a part; the data set has parts with several")
        return train_labels(order, budget)
    parent = None if order.parent is None else read_parent(order.parent)
    if parent is not None:
        order = replace(order, recipe=like_parent(order.recipe, parent, fast=order.fast))
    material = load_material(order.dataset, order.recipe, order.seed, parent.classes if parent else ())
    say(material.summary())
    fitted = _fitted(order, material, parent, budget)
    say(f"fitted {fitted.epochs} epochs in {fitted.fit_s / 60:.1f} min ({fitted.stopped}); exporting")
    with tempfile.TemporaryDirectory() as scratch:
        attempt = _export(fitted, material, order, Path(scratch))
        graphs = attempt.converted.paths
        proof = prove(attempt.graph, outputs_of(fitted), graphs, material, order.recipe)
        manifest = _manifest(order, material, fitted, proof, attempt)
        files = _files(graphs, material, proof, manifest, order.recipe)
        folder = deliver_bundle(order.out, manifest, files, order.dataset, material.parts, order.recipe.policy)
    (order.out / CHECKPOINT).unlink(missing_ok=True)
    _tell(proof, manifest)
    say(f"bundle {folder} after {budget.used_s() / 60:.1f} min")
    return folder


def _labelled(order: Order[TrainingRecipe]) -> Dataset:
    """The data set without its rows of `test`, with labels from the recipe's column."""
    rows = tuple(row for row in order.dataset.rows if row.split != "test")
    return replace(order.dataset, rows=labelled_by(rows, order.recipe.label_column, order.dataset.good))


def _fitted(order: Order[TrainingRecipe], material: Material, parent: Parent | None, budget: Budget) -> Fitted:
    be_repeatable(order.recipe.fit, order.seed)
    if order.fast and parent is not None:
        return fit_fast(parent, material, order.recipe, order.features)
    fitted = fit(_run(order, material, parent), order.out, budget, must_resume=order.must_resume)
    add_guard(fitted, material, order.recipe)
    return fitted


def _run(order: Order[TrainingRecipe], material: Material, parent: Parent | None) -> FitRun:
    recipe = order.recipe
    be_repeatable(recipe.fit, order.seed)
    mapped = mapped_classes(material, recipe)
    decides = (recipe, order.seed, order.dataset.content_hash, material.classes, material.good)
    return FitRun(
        network=build_network(material, recipe, mapped, parent),
        objective=ClassifyObjective(mapped, recipe.fit),
        steps=FitSteps(material.fit, material.good_columns, recipe, order.seed),
        selection=Plain(material.selection),
        selection_images=len(material.selection),
        afterwards=len(material.validation) + len(material.calibration) + recipe.quantise.images,
        recipe=recipe.fit,
        seed=order.seed,
        fingerprint=fingerprint(*decides, *([parent.bundle.id] if parent else [])),
    )


def mapped_classes(material: Material, recipe: TrainingRecipe) -> tuple[int, ...]:
    """Classes that the defect map tells apart; none where no mask teaches it."""
    taught = recipe.fit.dense_weight > 0 and bool(material.fit.masks.any())
    return tuple(i for i in range(len(material.classes)) if i not in material.good_columns) if taught else ()


def build_network(
    material: Material, recipe: TrainingRecipe, mapped: tuple[int, ...], parent: Parent | None = None
) -> Network:
    """Return a network with its first weights: the parent's where there is one, and those of ImageNet else."""
    network = Network(recipe.backbone, (material.spec.height, material.spec.width), len(material.classes), mapped)
    network.light = LevelLight() if recipe.level_light else None
    if parent is not None:
        load_backbone(network, parent.weights, folded=False)
        load_head(network, parent, material.classes)
    elif recipe.pretrained and recipe.backbone == "efficientnet-lite0":
        load_imagenet(network.backbone)
        network.freeze_normalisation()
    return network.to(memory_format=torch.channels_last)


def add_guard(fitted: Fitted, material: Material, recipe: TrainingRecipe) -> None:
    """Let the fitted network tell how far a part lies from the fitting part."""
    fitted.graph.network.novelty = learn_novelty(fitted.graph, material.fit, recipe)


def outputs_of(fitted: Fitted) -> tuple[str, ...]:
    network = fitted.graph.network
    if not isinstance(network, Network):
        raise TypeError(f"expected a classifier, got {type(network).__name__}")
    return network.outputs


def _export(fitted: Fitted, material: Material, order: Order[TrainingRecipe], folder: Path) -> Attempt:
    def export(graph: StationGraph, path: Path) -> None:
        export_onnx(graph, material.spec.height, material.spec.width, path, outputs_of(fitted))

    path, recipe = folder / MODEL_FILES["float"], order.recipe.quantise
    export(fitted.graph, path)
    judge = LogitJudge(path, material, order.recipe)
    images = spread(material.fit, recipe.images, order.seed)
    keep = kept_light(order.recipe.level_light)
    first = Attempt(fitted.graph, convert(path, images, recipe, keep, judge))
    return mended(first, Mending(export, judge, images, recipe, keep, order.seed))


def _manifest(
    order: Order[TrainingRecipe], material: Material, fitted: Fitted, proof: Proof, attempt: Attempt
) -> Manifest:
    return Manifest(
        task="classify",
        classes=material.classes,
        good=material.good,
        label_column=order.recipe.label_column,
        input=material.spec,
        output_names=outputs_of(fitted),
        limits=proof.policy,
        lineage=order.lineage(),
        parity=proof.parity,
        kept_float=attempt.converted.kept,
        training={
            "backbone": order.recipe.backbone,
            **fitted.notes(),
            **attempt.notes(),
            **{f"{name}_images": len(samples) for name, samples in material.parts.named().items()},
            "validation_is": material.parts.validation_origin,
            "recipe": order.recipe.model_dump_json(exclude_unset=True),
        },
    )


def _files(
    graphs: Mapping[Precision, Path], material: Material, proof: Proof, manifest: Manifest, recipe: TrainingRecipe
) -> dict[str, bytes]:
    tables = _tables(proof, manifest)
    chosen = choose_golden(material.calibration, proof.held, proof.policy, recipe.golden_per_bundle)
    return {
        **{MODEL_FILES[precision]: path.read_bytes() for precision, path in graphs.items()},
        **golden_files(material.calibration, chosen, proof.held, material.classes),
        "calibration.json": (Calibrations(proof.calibrations).model_dump_json(indent=2) + "\n").encode(),
        "card.md": write_card(manifest, material.parts, tables, proof.calibrations).encode(),
    }


def _tables(proof: Proof, manifest: Manifest) -> dict[Precision, list[tuple[str, str]]]:
    return {precision: figures(measured, manifest) for precision, measured in proof.measured.items()}


def _tell(proof: Proof, manifest: Manifest) -> None:
    for precision, measured in proof.measured.items():
        say(f"validation, {precision}: " + "; ".join(f"{name} {text}" for name, text in figures(measured, manifest)))
    parity = proof.parity
    say(
        f"decisions changed on {parity.n}: {parity.float_flips} by export, {parity.int8_flips} by quantisation, "
        f"{parity.int8_renamed} of them the class"
    )
