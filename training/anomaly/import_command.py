"""`inspector bundle import-anomalib`: a bundle from a checkpoint that anomalib has written."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import cast

from inspector.errors import RecipeError
from training.anomaly.anomalib_checkpoint import Checkpoint, graph_of, read_checkpoint
from training.anomaly.recipe import AnomalyRecipe
from training.budget import Budget
from training.order import Order, say
from training.train_command import read_labelled, read_recipe, require_writable

HELP = "make a bundle from a checkpoint of anomalib: its raw score, quantised, calibrated and proved like any other"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, metavar="CKPT", help="checkpoint of PatchCore or STFPM, .ckpt")
    parser.add_argument(
        "--dataset", required=True, type=Path, metavar="DATASET", help="labelled folder to calibrate and prove it on"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for bundles; made if need be")
    parser.add_argument("--good", metavar="LABEL,...", help="labels of defect-free parts (default: good)")
    parser.add_argument(
        "--recipe",
        type=Path,
        metavar="FILE",
        help="recipe of anomaly training, TOML: what quantising may change, the policy's aims, and [input] where the "
        "checkpoint does not say how large its pictures were (anomalib before 2.7; default: 256 x 256)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides which parts calibrate")


def run(args: argparse.Namespace) -> int:
    recipe = cast(AnomalyRecipe, read_recipe(args.recipe, "anomaly"))
    dataset = read_labelled(args.dataset, args.good)
    require_writable(args.out)
    checkpoint = read_checkpoint(args.checkpoint)
    say(checkpoint.summary())
    recipe = as_trained(recipe, args.recipe, args.checkpoint, checkpoint)
    print(_deliver(Order(dataset, args.out, recipe, args.seed, False), checkpoint, args.checkpoint.name))
    return 0


def as_trained(recipe: AnomalyRecipe, source: Path | None, path: Path, checkpoint: Checkpoint) -> AnomalyRecipe:
    """Return the recipe with the input that the checkpoint was trained on; raise RecipeError where it says otherwise.

    The sides may be any: what recipes ask of them (multiples of 32) is for networks of our own.
    """
    if learnt := sorted({"banks", "anomalib", "synthetic"} & recipe.model_fields_set):
        raise RecipeError(
            f"{source}: {learnt[0]}: expected nothing that is learnt, since {path.name} holds the network"
        )
    if checkpoint.seen is None or checkpoint.seen.size is None:
        return recipe
    height, width = checkpoint.seen.size
    trained = recipe.input.model_copy(update={"height": height, "width": width, "fit": "stretch"})
    if "input" in recipe.model_fields_set and recipe.input != trained:
        found = f"{recipe.input.height} x {recipe.input.width}, {recipe.input.fit}"
        raise RecipeError(
            f"{source}: input: expected height and width {height} x {width}, stretch, which {path.name} was trained "
            f"with, or no [input]; found {found}"
        )
    return recipe.model_copy(update={"input": trained})


def _deliver(order: Order[AnomalyRecipe], checkpoint: Checkpoint, name: str) -> Path:
    from training.anomaly.material import load_material
    from training.anomaly.task import delivery
    from training.delivery import deliver

    material = load_material(order.dataset, order.recipe, order.seed)
    say(material.summary())
    notes: dict[str, float | int | str] = {"learnt": f"by anomalib, imported from {name}"}
    return deliver(delivery(order, material, graph_of(checkpoint), notes), Budget.starting_now(None))
