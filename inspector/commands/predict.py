"""`inspector predict`: verdicts on pictures."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from inspector.bundle import load_bundle
from inspector.inspection import Inspector
from inspector.preprocess import read_image
from inspector.recipe import Recipe, load_recipe
from inspector.values import Frame, PartResult

HELP = "inspect pictures with a bundle and print a verdict for each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle, or a folder of bundles (its latest)")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="8-bit JPEG, PNG, BMP or TIFF")
    parser.add_argument("--recipe", type=Path, default=None, help="recipe (TOML); default: the bundle's own limits")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def run(args: argparse.Namespace) -> int:
    recipe = load_recipe(args.recipe) if args.recipe else Recipe()
    inspector = Inspector(load_bundle(args.bundle), recipe)
    for number, path in enumerate(args.images):
        inspected = inspector.inspect([Frame(read_image(path), "files", number, datetime.now(UTC), path.name)])
        print(_json(path, inspected, inspector) if args.json else _text(path, inspected))
    return 0


def _text(path: Path, inspected: PartResult) -> str:
    verdict = inspected.verdict
    if verdict.defect_probability is None:
        return f"{path}: {verdict.outcome} ({'; '.join(verdict.reasons)})"
    why = f" ({'; '.join(verdict.reasons)})" if verdict.reasons else ""
    return f"{path}: {verdict.outcome} {verdict.label}, defect probability {verdict.defect_probability:.4f}{why}"


def _json(path: Path, inspected: PartResult, inspector: Inspector) -> str:
    verdict, view = inspected.verdict, inspected.views[0]
    probabilities = view.prediction.class_probabilities if view.prediction else ()
    return json.dumps(
        {
            "path": str(path),
            "outcome": verdict.outcome,
            "reasons": verdict.reasons,
            "label": verdict.label,
            "defect_probability": verdict.defect_probability,
            "class_probabilities": dict(zip(inspector.names, probabilities, strict=False)),
            "bundle": inspector.bundle.id,
        }
    )
