"""`inspector retrain gate`: is a candidate good enough to be shown to a person?"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import Progress

from inspector.bundle import load_bundle
from inspector.dataset import SPLITS, read_dataset
from inspector.errors import UserError
from inspector.inspection import Inspector
from inspector.labels import labelled_by
from inspector.recipe import Recipe, load_recipe
from inspector.samples import Dataset, Sample

DESCRIPTION = """Judge the same parts by a candidate and by the serving bundle, at the recipe's precision, and decide: a
candidate for approval by a person, or refused, with every reason. Margins stand in the recipe's [gate]. Take parts that
neither bundle was trained on, as the split `test` of a snapshot. Exit status 0: a candidate; 1: refused."""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    verb.description = DESCRIPTION
    verb.add_argument("candidate", type=Path, metavar="CANDIDATE", help="bundle, or a folder of bundles (its latest)")
    verb.add_argument("serving", type=Path, metavar="SERVING", help="the bundle that serves")
    verb.add_argument("dataset", type=Path, metavar="DATASET", help="labelled folder")
    verb.add_argument("--split", choices=SPLITS, default="test", help="rows of the index that are judged")
    verb.add_argument("--recipe", type=Path, default=None, metavar="FILE", help="recipe (TOML) of the line")
    verb.add_argument(
        "--challenge", type=Path, default=None, metavar="DIR", help="challenge parts, with challenge.json"
    )
    verb.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the report")
    verb.add_argument("--html", type=Path, default=None, metavar="FILE", help="write a page to be signed")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    # What judges needs scipy and, for --html, jinja2: they are of the extra `training`.
    from training.gate.decision import decide
    from training.gate.evidence import REFUSED, Subject
    from training.gate.known import Pair, judge_known
    from training.gate.page import write_page
    from training.gate.running import judge_both

    recipe = load_recipe(args.recipe) if args.recipe else Recipe()
    candidate, serving = (Inspector(load_bundle(path), recipe) for path in (args.candidate, args.serving))
    dataset, samples = _samples(args, serving)
    with Progress(transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("inspecting", total=len(samples))
        sides = judge_both(candidate, serving, samples, lambda done: progress.update(bar, completed=done))
    subject = Subject(
        candidate=candidate.bundle.id,
        serving=serving.bundle.id,
        precision=recipe.precision,
        dataset=dataset.folder.resolve().name,
        dataset_hash=dataset.content_hash,
        split=args.split,
        settings=recipe.gate,
        runtime=candidate.describe()["runtime"],
        made_at=datetime.now(UTC),
    )
    report = decide(*sides, subject, known=judge_known(Pair(candidate, serving), args.challenge))
    _write(args.json, report.model_dump_json(indent=2) + "\n")
    if args.html:
        write_page(args.html, report, samples)
    for line in report.lines():
        print(line)
    return REFUSED if report.reasons else 0


def _samples(args: argparse.Namespace, serving: Inspector) -> tuple[Dataset, tuple[Sample, ...]]:
    manifest = serving.bundle.manifest
    dataset = read_dataset(args.dataset, good=manifest.good or ("good",), splits=(args.split,))
    samples = labelled_by(dataset.select(args.split), manifest.label_column, manifest.good)
    if not samples:
        raise UserError(f"{args.dataset}: no row of split {args.split!r}; expected parts that neither bundle has seen")
    return dataset, samples


def _write(path: Path | None, words: str) -> None:
    if path is None:
        return
    try:
        path.write_text(words)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
