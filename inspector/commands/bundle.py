"""`inspector bundle`: look at a bundle and verify it."""

from __future__ import annotations

import argparse
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from inspector.bundle import load_bundle
from inspector.certificate import standing
from inspector.commands import build_engine, verify
from inspector.recipe import Recipe

GROUP = "inspector.bundle_verbs"
"""Verbs of packages that the core does not know: modules with HELP, add_arguments(parser) and run(args)."""
HELP = "show a bundle's card, verify its hashes and its golden self-test, or build TensorRT engines of it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    show = verbs.add_parser("show", help="print the card", description="Print a bundle's id, figures and card.")
    check = verbs.add_parser(
        "verify",
        help="check hashes and golden samples, and on request every runtime of this machine",
        description="Check every byte, then inspect the golden samples; with every runtime of this machine on request.",
    )
    engine = verbs.add_parser(
        "build-engine",
        help="build TensorRT-RTX engines, without a GPU",
        description="Build TensorRT-RTX engines for GPUs that need not be in this machine, and prove them.",
    )
    show.set_defaults(run=_show)
    for verb in (show, check, engine):
        verb.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle, or a folder of bundles (its latest)")
    verify.add_arguments(check)
    build_engine.add_arguments(engine)
    for point in entry_points(group=GROUP):
        _add_plugged(verbs, point)


def _add_plugged(verbs: Any, point: EntryPoint) -> None:
    """Add a verb of another package; where what it imports is not installed, it is left out."""
    try:
        plugged = point.load()
    except ModuleNotFoundError:
        return
    verb = verbs.add_parser(point.name, help=plugged.HELP, description=plugged.HELP)
    plugged.add_arguments(verb)
    verb.set_defaults(run=plugged.run)


def run(args: argparse.Namespace) -> int:
    """Never reached: a verb is required, and each sets its own."""
    raise AssertionError(args)


def _show(args: argparse.Namespace) -> int:
    bundle = load_bundle(args.bundle)
    print(f"id       {bundle.id}")
    print(f"task     {bundle.manifest.task}; classes {', '.join(bundle.manifest.classes)}")
    print(f"folder   {bundle.path}")
    print(f"limits   {standing(bundle, Recipe())}\n")
    card = bundle.path / "card.md"
    print(card.read_text() if card.is_file() else "no card.md")
    return 0
