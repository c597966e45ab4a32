"""`inspector bundle import-anomalib`: a bundle from a checkpoint that anomalib has written."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

from inspector.errors import UserError
from training.anomaly.recipe import AnomalyRecipe
from training.budget import Budget
from training.order import Order, say
from training.train_command import read_labelled, read_recipe, require_writable

HELP = "make a bundle from a checkpoint of anomalib: its raw score, quantised, calibrated and proved like any other"
MEMORY, TEACHER = "model.memory_bank", "model.teacher_model."


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
        help="recipe of anomaly training, TOML: [input] as the checkpoint was trained (default: 256 x 256), "
        "what quantising may change, the policy's aims",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides which parts calibrate")


def run(args: argparse.Namespace) -> int:
    recipe = cast(AnomalyRecipe, read_recipe(args.recipe, "anomaly"))
    dataset = read_labelled(args.dataset, args.good)
    require_writable(args.out)
    model = load_checkpoint(args.checkpoint)
    from training.anomaly.anomalib_graph import station_graph
    from training.anomaly.material import load_material
    from training.anomaly.task import delivery
    from training.delivery import deliver

    order = Order(dataset, args.out, recipe, args.seed, False)
    material = load_material(dataset, recipe, args.seed)
    say(material.summary())
    notes: dict[str, float | int | str] = {"learnt": f"by anomalib, imported from {args.checkpoint.name}"}
    print(deliver(delivery(order, material, station_graph(model), notes), Budget.starting_now(None)))
    return 0


def load_checkpoint(path: Path) -> Any:
    """Return the Lightning model in a checkpoint; nothing in the file is run as code.

    Raises:
        UserError: no such file, not a checkpoint of anomalib's PatchCore or STFPM, or anomalib is not installed.
    """
    from training.anomaly.anomalib_graph import anomalib_at_hand, no_download

    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint")
    with anomalib_at_hand(), no_download():
        from anomalib.models import Patchcore, Stfpm

        names = _names(path)
        kind = Patchcore if MEMORY in names else Stfpm if any(name.startswith(TEACHER) for name in names) else None
        if kind is None:
            raise UserError(f"{path}: expected a checkpoint of anomalib's PatchCore or STFPM; it has neither's tensors")
        parts: dict[str, Any] = {"post_processor": False, "evaluator": False, "visualizer": False}
        return kind.load_from_checkpoint(path, map_location="cpu", strict=False, **parts).eval()


def _names(path: Path) -> set[str]:
    """Names of the tensors in a checkpoint."""
    import pickle

    import torch
    from anomalib.utils.serialization import anomalib_safe_globals

    try:
        with anomalib_safe_globals():
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise UserError(
            f"{path}: not a checkpoint that can be read without running code ({type(error).__name__})"
        ) from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise UserError(f"{path}: not a checkpoint of Lightning's: it has no state_dict")
    return set(state)
