"""`inspector train`: a labelled folder in, a bundle out. Heavy imports wait until the arguments are known good."""

from __future__ import annotations

import argparse
import logging
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from inspector.bundle import Bundle, load_bundle
from inspector.dataset import Dataset, read_dataset
from inspector.documents import Document, parse, parse_json, read_toml
from inspector.errors import BundleError, DatasetError, RecipeError, UserError
from inspector.figures import load_figures
from inspector.heads import HEADS
from inspector.plugins import load_plugin
from inspector.runtimes import RUNTIMES
from training.allocation import keep_memory, wait_politely
from training.budget import Budget
from training.leaks import require_no_leak
from training.order import Order
from training.soundness import Cuts, require_sound

HELP = "train a network on a labelled folder and write a bundle"
TASKS = {
    "classify": ("training.recipe:TrainingRecipe", "training.classify:train"),
    "anomaly": ("training.anomaly.recipe:AnomalyRecipe", "training.anomaly.task:train"),
    "embed": ("training.embed.recipe:EmbedRecipe", "training.embed.task:train"),
    "detect": ("training.detect.recipe:DetectRecipe", "training.detect.task:train"),
    "segment": ("training.segment.recipe:SegmentRecipe", "training.segment.task:train"),
}
"""Per task: the document that --recipe holds, and `train(order, budget) -> folder of the bundle`, which loads torch."""
WARM, FAST = ("classify",), ("classify", "anomaly")
"""Tasks that can start from a bundle's weights, and those that can keep its features."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="labelled folder, in any of six layouts")
    parser.add_argument("--task", required=True, choices=TASKS, help="what the network is to tell")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for bundles; made if need be")
    parser.add_argument("--good", metavar="LABEL,...", help="labels of defect-free parts (default: good)")
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE", help="training recipe, TOML (default: measured defaults)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same network")
    parser.add_argument("--minutes", type=float, metavar="M", help="time for everything; epochs are cut to fit")
    parser.add_argument("--strategy", choices=("auto", "ddp"), help="ddp: one process per device (default: recipe's)")
    parser.add_argument(
        "--devices", type=int, metavar="N", help="processes or GPUs that fit together (default: recipe's)"
    )
    parser.add_argument(
        "--parent", type=Path, metavar="BUNDLE", help="start from its weights, size and recipe (classify)"
    )
    parser.add_argument(
        "--fast", action="store_true", help="keep the parent's features, fit what reads them (classify, anomaly)"
    )
    parser.add_argument("--features", type=Path, metavar="DIR", help="keep features by picture here (--fast)")
    parser.add_argument(
        "--made-at", type=_moment, metavar="TIME", help="what the bundle says of its making: same run, same bundle id"
    )
    parser.add_argument("--resume", action="store_true", help="refuse to start anew where there is nothing to resume")
    parser.add_argument(
        "--allow-leaks", action="store_true", help="train although near-duplicates lie in both train and val"
    )


def run(args: argparse.Namespace) -> int:
    budget = Budget.starting_now(_positive(args.minutes))
    if not 0 <= args.seed < 2**32:
        raise UserError(f"--seed: expected 0 to {2**32 - 1}, found {args.seed}")
    parent = parent_of(args)
    asked = read_recipe(args.recipe, args.task) if args.recipe or parent is None else recipe_of(parent, args.task)
    recipe = with_devices(asked, args.strategy, args.devices)
    dataset = read_labelled(args.dataset, args.good)
    require_writable(args.out)
    require_sound(dataset, args.task, cast(Cuts, recipe), args.seed)
    require_no_leak(dataset, allowed=args.allow_leaks)
    keep_memory()
    wait_politely()
    train = _named(TASKS[args.task][1])
    _load_early(args.task)
    logging.getLogger("training").setLevel(logging.INFO)
    from training.outputs import ParityBroken
    from training.scoring import QuantisationDrop

    order = Order(dataset, args.out, recipe, args.seed, args.resume, args.made_at, parent, args.fast, args.features)
    try:
        print(train(order, budget))
    except (ParityBroken, QuantisationDrop) as refused:
        raise type(refused)(f"{refused}{_what_is_left(args.out)}") from refused
    return 0


def _what_is_left(out: Path) -> str:
    """After minutes of fitting only what came after it failed: say how that alone is done again."""
    from training.fitting import CHECKPOINT

    if not (out / CHECKPOINT).exists():
        return ""
    again = "the same command with --resume goes on from it, also with another [quantise] in --recipe"
    return f". The fitted network is kept in {out / CHECKPOINT}: {again}"


def _load_early(task: str) -> None:
    """Import what is needed after fitting: a library that is missing must not show half an hour from now."""
    load_plugin("inspector.runtimes", "onnxruntime", RUNTIMES)
    load_plugin("inspector.heads", task, HEADS)
    load_figures(task)


def _named(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def read_recipe(path: Path | None, task: str) -> Document:
    """Return the task's recipe, its defaults without a file; raise RecipeError naming file and every wrong field."""
    document: type[Document] = _named(TASKS[task][0])
    return document() if path is None else read_toml(path, document, RecipeError)


def with_devices(recipe: Document, strategy: str | None, devices: int | None) -> Document:
    """Return the recipe with what the command line says of its section `fit`; raise RecipeError where that is wrong."""
    said = {name: value for name, value in (("strategy", strategy), ("devices", devices)) if value is not None}
    if not said:
        return recipe
    content = recipe.model_dump()
    if "fit" not in content:
        raise RecipeError(f"--{next(iter(said))}: nothing is fitted step by step for this task")
    return parse("--strategy, --devices", {**content, "fit": {**content["fit"], **said}}, type(recipe), RecipeError)


def parent_of(args: argparse.Namespace) -> Bundle | None:
    """Return the bundle to start from; raise UserError where the task cannot, or nothing says from which."""
    if args.parent is None:
        if args.fast or args.features:
            raise UserError("--fast, --features: expected --parent, the bundle whose features are kept")
        return None
    able = FAST if args.fast else WARM
    if args.task not in able:
        fast = " --fast" if args.fast else ""
        raise UserError(f"--parent{fast}: expected --task {' or '.join(able)}, got {args.task}")
    bundle = load_bundle(args.parent)
    if bundle.manifest.task != args.task:
        raise UserError(f"--parent {args.parent}: is a bundle of task {bundle.manifest.task}, not {args.task}")
    return bundle


def recipe_of(bundle: Bundle, task: str) -> Document:
    """Return the training recipe by which a bundle was made."""
    document: type[Document] = _named(TASKS[task][0])
    source = f"{bundle.path}: manifest.json: training.recipe"
    return parse_json(source, str(bundle.manifest.training.get("recipe", "{}")), document, BundleError)


def _moment(words: str) -> datetime:
    try:
        moment = datetime.fromisoformat(words)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a time as 2026-01-31T12:00:00+00:00, got {words!r}") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"expected a time zone, got {words!r}")
    return moment.astimezone(UTC)


def _positive(minutes: float | None) -> float | None:
    if minutes is not None and not 0 < minutes < float("inf"):
        raise UserError(f"--minutes: expected more than 0, found {minutes:g}")
    return minutes


def read_labelled(folder: Path, good: str | None) -> Dataset:
    """Read without the rows of `test`: their files are neither opened nor asked for."""
    names = tuple(name.strip() for name in (good or "good").split(","))
    dataset = read_dataset(folder, good=names, splits=("train", "val"))
    labels = {row.label for row in dataset.rows if row.split != "test"}
    if good is not None and (unknown := sorted(set(names) - labels)):
        expected = ", ".join(sorted(labels))
        raise DatasetError(
            f"--good: {', '.join(unknown)} is no label of {folder / 'index.csv'}; expected some of {expected}"
        )
    return dataset


def require_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UserError(f"--out: {out}: expected a folder that can be written ({error.strerror})") from error
