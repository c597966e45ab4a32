"""`inspector bundle verify`: every byte, every golden sample, and on request every runtime of this machine."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from inspector.bundle import MODEL_FILES, Bundle, load_bundle
from inspector.choice import store_table
from inspector.dataset import SPLITS, read_dataset
from inspector.errors import UserError
from inspector.evaluation import template_of
from inspector.inspection import Inspector
from inspector.parity import RuntimeTable, prove
from inspector.preprocess import read_image
from inspector.recipe import Recipe, load_recipe
from inspector.values import Frame


def add_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("dataset", type=Path, nargs="?", default=None, metavar="DATASET", help="parts for --runtimes all")
    verb.add_argument(
        "--runtimes", choices=("own", "all"), default="own", help="all: compare all that this machine has"
    )
    verb.add_argument("--split", choices=SPLITS, default="test", help="which rows of the data set")
    verb.add_argument("--most", type=int, default=200, metavar="N", help="compare at most N parts of the data set")
    verb.add_argument("--recipe", type=Path, default=None, help="recipe (TOML) of those parts")
    verb.add_argument("--require", default=None, metavar="KIND", help="fail unless this runtime is among the proved")
    verb.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the evidence")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    bundle = load_bundle(args.bundle)
    print(f"{bundle.path}: every file is the one that was written (bundle {bundle.id[:16]})")
    if args.runtimes == "own":
        if args.dataset:
            raise UserError(f"{args.dataset}: a data set is compared with --runtimes all only")
        for precision, file in MODEL_FILES.items():
            if (bundle.path / file).is_file():
                print(_self_test(bundle, Recipe(precision=precision)))
        return 0
    recipe = load_recipe(args.recipe) if args.recipe else Recipe()
    table = prove(bundle, recipe, tuple(_frames(args, bundle)) if args.dataset else ())
    _tell(table)
    path = store_table(bundle, table)
    print(f"kept for `auto` in {path}" if path else "not kept: the folder cannot be written")
    _write(args.json, table)
    _require(args.require, table)
    return 0


def _self_test(bundle: Bundle, recipe: Recipe) -> str:
    inspector = Inspector(bundle, recipe)
    n = inspector.self_test()
    how = inspector.describe()
    return f"golden self-test at {recipe.precision}: {n} of {n} samples as recorded ({how['runtime']}, {how['device']})"


def _frames(args: argparse.Namespace, bundle: Bundle) -> Iterator[Frame]:
    manifest = bundle.manifest
    samples = read_dataset(args.dataset, good=manifest.good, splits=(args.split,)).select(args.split)
    if not samples or args.most < 1:
        raise UserError(f"{args.dataset}: no part of split {args.split!r} to compare; expected at least one")
    step = max(1, len(samples) // args.most)
    for number, sample in enumerate(samples[::step][: args.most]):
        template = template_of(sample, manifest) if manifest.template else None
        image = read_image(sample.path)
        yield Frame(image, "dataset", number, datetime.now(UTC), sample.name, template=template)


def _tell(table: RuntimeTable) -> None:
    print(f"{'runtime':45} {'parts':>5} {'differs':>8} {'flips':>5} {'p50 ms':>8}")
    for one in table.proved:
        compared = f"{one.parts:5} {one.largest_difference:8.4f} {one.flips:5}"
        print(f"{one.candidate.name:45} {compared} {one.p50_ms or 0.0:8.2f}")
    for one in table.evidence:
        if one.refused is not None:
            print(f"refused: {one.candidate.name}: {one.refused}")


def _require(kind: str | None, table: RuntimeTable) -> None:
    if kind is None or any(one.candidate.runtime.kind == kind for one in table.proved):
        return
    reasons = "; ".join(str(one.refused) for one in table.evidence if one.candidate.runtime.kind == kind)
    raise UserError(f"--require {kind}: not proved on this machine ({reasons or 'it was not tried'})")


def _write(path: Path | None, table: RuntimeTable) -> None:
    if path is None:
        return
    try:
        path.write_text(table.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
