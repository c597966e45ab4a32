"""`inspector bundle`: look at a bundle and verify it."""

from __future__ import annotations

import argparse
from pathlib import Path

from inspector.bundle import MODEL_FILES, Bundle, load_bundle
from inspector.commands import build_engine
from inspector.inspection import Inspector
from inspector.recipe import Recipe

HELP = "show a bundle's card, verify its hashes and its golden self-test, or build TensorRT engines of it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    show = verbs.add_parser("show", help="print the card", description="Print a bundle's id, figures and card.")
    verify = verbs.add_parser(
        "verify",
        help="check hashes and golden samples",
        description="Check every byte, then inspect the golden samples.",
    )
    engine = verbs.add_parser(
        "build-engine",
        help="build TensorRT-RTX engines, without a GPU",
        description="Build TensorRT-RTX engines for GPUs that need not be in this machine, and prove them.",
    )
    for verb, action in ((show, _show), (verify, _verify)):
        verb.set_defaults(run=action)
    for verb in (show, verify, engine):
        verb.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle, or a folder of bundles (its latest)")
    build_engine.add_arguments(engine)


def run(args: argparse.Namespace) -> int:
    """Never reached: a verb is required, and each sets its own."""
    raise AssertionError(args)


def _show(args: argparse.Namespace) -> int:
    bundle = load_bundle(args.bundle)
    print(f"id       {bundle.id}")
    print(f"task     {bundle.manifest.task}; classes {', '.join(bundle.manifest.classes)}")
    print(f"folder   {bundle.path}\n")
    card = bundle.path / "card.md"
    print(card.read_text() if card.is_file() else "no card.md")
    return 0


def _verify(args: argparse.Namespace) -> int:
    bundle = load_bundle(args.bundle)
    print(f"{bundle.path}: every file is the one that was written (bundle {bundle.id[:16]})")
    for precision, file in MODEL_FILES.items():
        if (bundle.path / file).is_file():
            print(_self_test(bundle, Recipe(precision=precision)))
    return 0


def _self_test(bundle: Bundle, recipe: Recipe) -> str:
    inspector = Inspector(bundle, recipe)
    n = inspector.self_test()
    how = inspector.describe()
    return f"golden self-test at {recipe.precision}: {n} of {n} samples as recorded ({how['runtime']}, {how['device']})"
