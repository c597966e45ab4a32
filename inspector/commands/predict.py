"""`inspector predict`: verdicts on pictures."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import cv2

from inspector.bundle import load_bundle
from inspector.errors import BundleError, UserError
from inspector.inspection import Inspector
from inspector.overlay import draw_findings, draw_heat
from inspector.preprocess import placement, read_image
from inspector.recipe import Recipe, load_recipe
from inspector.values import Frame, PartResult

HELP = "inspect pictures with a bundle and print a verdict for each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle, or a folder of bundles (its latest)")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="8-bit JPEG, PNG, BMP or TIFF")
    parser.add_argument("--recipe", type=Path, default=None, help="recipe (TOML); default: the bundle's own limits")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument(
        "--heat", type=Path, default=None, metavar="FOLDER", help="write each picture with what was seen in it"
    )


def run(args: argparse.Namespace) -> int:
    recipe = load_recipe(args.recipe) if args.recipe else Recipe()
    inspector = Inspector(load_bundle(args.bundle), recipe)
    for number, path in enumerate(args.images):
        frame = Frame(read_image(path), "files", number, datetime.now(UTC), path.name)
        inspected = inspector.inspect([frame])
        drawn = (
            None
            if args.heat is None
            else _draw(args.heat / f"{number:04}-{path.stem}.png", frame, inspected, inspector)
        )
        print(_json(path, inspected, inspector, drawn) if args.json else _text(path, inspected))
    return 0


def _draw(target: Path, frame: Frame, inspected: PartResult, inspector: Inspector) -> Path | None:
    """Write the frame with heat map and findings; nothing where no network judged it.

    Raises:
        BundleError: its network gives neither; UserError: the folder cannot be written.
    """
    prediction = inspected.views[0].prediction
    if prediction is None:
        return None
    spec = inspector.bundle.manifest.input
    if prediction.heat is None and inspector.bundle.manifest.task in ("classify", "embed", "anomaly"):
        raise BundleError(f"{inspector.bundle.path}: --heat: its network gives no heat map; train it anew to get one")
    drawn = frame.image
    if prediction.heat is not None:
        drawn = draw_heat(drawn, prediction.heat, placement(frame.image.shape, spec, inspector.recipe.roi), spec)
    drawn = draw_findings(drawn, prediction.findings)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(cv2.imencode(".png", drawn)[1].tobytes())
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror})") from error
    return target


def _text(path: Path, inspected: PartResult) -> str:
    verdict = inspected.verdict
    if verdict.defect_probability is None:
        return f"{path}: {verdict.outcome} ({'; '.join(verdict.reasons)})"
    why = f" ({'; '.join(verdict.reasons)})" if verdict.reasons else ""
    return f"{path}: {verdict.outcome} {verdict.label}, defect probability {verdict.defect_probability:.4f}{why}"


def _json(path: Path, inspected: PartResult, inspector: Inspector, drawn: Path | None) -> str:
    verdict, view = inspected.verdict, inspected.views[0]
    probabilities = view.prediction.class_probabilities if view.prediction else ()
    findings = view.prediction.findings if view.prediction else ()
    return json.dumps(
        {
            "path": str(path),
            "outcome": verdict.outcome,
            "reasons": verdict.reasons,
            "label": verdict.label,
            "defect_probability": verdict.defect_probability,
            "class_probabilities": dict(zip(inspector.names, probabilities, strict=False)),
            "findings": [asdict(finding) for finding in findings],
            "novelty": view.prediction.novelty if view.prediction else None,
            "p_value": view.prediction.p_value if view.prediction else None,
            "heat": None if drawn is None else str(drawn),
            "bundle": inspector.bundle.id,
        }
    )
