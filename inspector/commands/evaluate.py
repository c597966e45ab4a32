"""`inspector evaluate`: figures of a bundle on a labelled data set."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import get_args

from rich.progress import Progress

from inspector.bundle import Precision, load_bundle
from inspector.certificate import standing
from inspector.dataset import SPLITS, read_dataset
from inspector.errors import UserError
from inspector.evaluation import calibration_of, judge, policy_figures
from inspector.figures import Figures, JudgedPart, TaskFigures, load_figures
from inspector.inspection import Inspector
from inspector.labels import labelled_by
from inspector.recipe import Recipe, load_recipe
from inspector.reporting import Evaluation, load_evaluation_report
from inspector.samples import Sample
from inspector.slices import require_known, slice_figures, slice_lines

HELP = "measure a bundle on a labelled data set: accuracy, calibration, escapes and overkill with bounds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle, or a folder of bundles (its latest)")
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="folder with index.csv")
    parser.add_argument("--split", choices=SPLITS, default="test", help="which rows of the index")
    parser.add_argument("--precision", choices=get_args(Precision), default=None, help="default: the recipe's")
    parser.add_argument("--recipe", type=Path, default=None, help="recipe (TOML); default: the bundle's own limits")
    parser.add_argument(
        "--slice",
        type=_names,
        default=(),
        metavar="NAME,...",
        help="figures by label, group, size (of the defect) or a further column of the index",
    )
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write all figures")
    parser.add_argument(
        "--html", type=Path, default=None, metavar="FILE", help="write a report with plots and pictures"
    )
    parser.add_argument("--parts", type=Path, default=None, metavar="FILE", help="write one CSV row per part")


def _names(words: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in words.split(",") if name.strip())


def run(args: argparse.Namespace) -> int:
    report = load_evaluation_report() if args.html else None
    recipe = load_recipe(args.recipe) if args.recipe else Recipe()
    if args.precision:
        recipe = recipe.model_copy(update={"precision": args.precision})
    inspector = Inspector(load_bundle(args.bundle), recipe)
    samples = _samples(args, inspector)
    task = load_figures(inspector.bundle.manifest.task)
    with Progress(transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("inspecting", total=len(samples))
        parts = judge(inspector, samples, lambda done: progress.update(bar, completed=done))
    figures = _figures(args, inspector, task, parts)
    _print(figures, task)
    _write(args, figures, parts)
    if report:
        evaluation = Evaluation(figures, parts, inspector.bundle.manifest, inspector.policy, inspector.describe())
        report.write_report(evaluation, args.html)
    return 0


def _samples(args: argparse.Namespace, inspector: Inspector) -> Sequence[Sample]:
    manifest = inspector.bundle.manifest
    samples = read_dataset(args.dataset, good=manifest.good, splits=(args.split,)).select(args.split)
    if not samples:
        raise UserError(f"{args.dataset / 'index.csv'}: no row of split {args.split!r}; expected at least one")
    require_known(args.slice, samples)
    return labelled_by(samples, manifest.label_column, manifest.good)


def _figures(args: argparse.Namespace, inspector: Inspector, task: TaskFigures, parts: Sequence[JudgedPart]) -> Figures:
    manifest, trust = inspector.bundle.manifest, calibration_of(parts)
    return {
        "n": len(parts),
        "task": manifest.task,
        "precision": inspector.recipe.precision,
        "bundle": inspector.bundle.id,
        "split": args.split,
        "dataset": str(args.dataset),
        **task.figures(parts, manifest),
        **policy_figures(parts),
        "calibration": trust.fields() if trust else None,
        "slices": slice_figures(parts, args.slice),
        "policy": inspector.policy.model_dump(),
        "certificate": standing(inspector.bundle, inspector.recipe),
        "seconds_per_image": fmean(part.seconds for part in parts),
        "runtime": inspector.describe(),
    }


def _write(args: argparse.Namespace, figures: dict[str, object], parts: Sequence[JudgedPart]) -> None:
    try:
        if args.json:
            args.json.write_text(json.dumps(figures, indent=2) + "\n")
        if args.parts:
            with args.parts.open("w", newline="") as stream:
                csv.writer(stream).writerows(_rows(parts))
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be written ({error.strerror})") from error


def _rows(parts: Sequence[JudgedPart]) -> Iterator[tuple[str, ...]]:
    yield ("path", "label", "outcome", "predicted", "defect_probability", "reasons")
    for part in parts:
        verdict = part.verdict
        probability = repr(verdict.defect_probability)
        why = "; ".join(verdict.reasons)
        yield (part.sample.name, part.sample.label, verdict.outcome, verdict.label or "", probability, why)


def _print(figures: dict[str, object], task: TaskFigures) -> None:
    print(f"bundle {str(figures['bundle'])[:16]}, {figures['precision']}, {figures['n']} parts of {figures['split']}")
    for line in task.lines(figures):
        print(line)
    for name, kind in (("escape", "defective"), ("overkill", "good")):
        rate = figures[name]
        print(f"{name:12} {rate['text'] if isinstance(rate, dict) else f'undefined: no {kind} parts'}")
    trust = figures["calibration"]
    if isinstance(trust, dict):
        ece = trust["ece"]
        interval = f"95 %: {ece['low']:.4f} to {ece['high']:.4f}"
        print(f"trust        ECE {ece['value']:.4f} of the defect probability ({interval})")
    print(f"limits       {figures['certificate']}")
    print(f"review       {100 * float(str(figures['review_rate'])):.1f} % of parts")
    print(f"time         {1e3 * float(str(figures['seconds_per_image'])):.2f} ms per image")
    for line in slice_lines(figures["slices"]):
        print(line)
