"""`inspector backtest`: what a bundle would have said of parts that are on record.

`--json` holds at least: bundle_id, engine, workers, inspected, parts, unreadable, changes (by BEFORE>NOW), flips
(part_id, before, now, labels, probability, is_defect), labelled, escapes_before, escapes_now, overkill_before,
overkill_now, wall_s, inspecting_s, seconds_per_part, overhead_s, overhead_share, cost_per_million, currency.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

from inspector.bundle import load_bundle
from inspector.documents import read_toml
from inspector.errors import ConfigError, UserError
from inspector.prices import Prices
from inspector.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from training.backtest.engines import BacktestEngine
    from training.backtest.figures import BacktestReport
    from training.backtest.parts import RecordedPart, Rejudged
    from training.backtest.records import Period

HELP = "what a bundle would have said of recorded parts: flips, time and cost; on this machine or on a Ray cluster"
FLIP_COLUMNS = (
    "part_id",
    "station",
    "lot",
    "triggered_at",
    "before",
    "now",
    "label_before",
    "label_now",
    "defect_probability",
    "is_defect",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle, or a folder of bundles (its latest)")
    parser.add_argument("--since", type=_moment, required=True, metavar="TIME", help="parts triggered since then")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="and before then")
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="root of the image store")
    parser.add_argument("--database", metavar="URL", help="URL or file (default: the demo's ledger)")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="recipe (TOML) to inspect by; its parts only")
    parser.add_argument("--station", metavar="NAME", help="parts of this station only")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes; 1: this one")
    parser.add_argument("--ray", metavar="ADDRESS", help="Ray cluster; local: one on this machine with --workers")
    parser.add_argument("--prices", type=Path, metavar="FILE", help="price file (TOML): cost of 10^6 parts")
    for name, words in (("html", "a page with the flips"), ("csv", "a row a flip"), ("json", "every figure")):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write {words}")


def run(args: argparse.Namespace) -> int:
    from training.backtest.figures import Run, summarise
    from training.backtest.records import Period

    recipe = load_recipe(args.recipe) if args.recipe else Recipe()
    bundle, prices = load_bundle(args.bundle), read_toml(args.prices, Prices, ConfigError) if args.prices else None
    period = Period(args.since, args.until, recipe.name if args.recipe else None, args.station)
    parts, inspected = _parts(args, period)
    engine, name = _engine(args)
    began_s = time.perf_counter()
    said = _said(engine, args, bundle.path.resolve(), recipe, parts)
    took = Run(bundle.id, name, args.workers, inspected, time.perf_counter() - began_s)
    report = summarise(parts, said, took, prices)
    _write(args, report, parts)
    for line in report.lines():
        print(line)
    return 0


def _parts(args: argparse.Namespace, period: Period) -> tuple[list[RecordedPart], int]:
    from db.engine import default_url, open_engine, storage_errors
    from training.backtest.records import inspected_count, recorded_parts

    engine = open_engine(args.database or default_url())
    try:
        with storage_errors(engine.url), engine.connect() as connection:
            parts, inspected = recorded_parts(connection, period), inspected_count(connection, period)
    finally:
        engine.dispose()
    if not parts:
        raise UserError(f"backtest: none of {inspected} parts since {args.since:%Y-%m-%d %H:%M} has all its pictures")
    return parts, inspected


def _engine(args: argparse.Namespace) -> tuple[BacktestEngine, str]:
    from training.backtest.engines import Processes, RayCluster, Serial

    if not 1 <= args.workers <= 1024:
        raise UserError(f"--workers: expected 1 to 1024, got {args.workers}")
    if args.ray is not None:
        return RayCluster(args.ray, args.workers), "ray"
    return (Serial(), "serial") if args.workers == 1 else (Processes(args.workers), "processes")


def _said(
    engine: BacktestEngine, args: argparse.Namespace, bundle: Path, recipe: Recipe, parts: list[RecordedPart]
) -> list[Rejudged]:
    from training.backtest.engines import chunks_of
    from training.backtest.parts import Bench

    bench = Bench(bundle, recipe.model_dump_json(), args.images.resolve())
    with Progress(transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("inspecting", total=len(parts))
        answers = engine.run(bench, chunks_of(parts), lambda done: progress.advance(bar, done))
    return [each for chunk in answers for each in chunk]


def _write(args: argparse.Namespace, report: BacktestReport, parts: list[RecordedPart]) -> None:
    try:
        if args.json:
            args.json.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if args.csv:
            _write_csv(args.csv, report)
        if args.html:
            from training.backtest.page import write_page

            write_page(args.html, report, parts, args.images)
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be written ({error.strerror})") from error


def _write_csv(path: Path, report: BacktestReport) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FLIP_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(flip.model_dump(mode="json") for flip in report.flips)


def _moment(words: str) -> datetime:
    try:
        at = datetime.fromisoformat(words)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{words!r}; expected a time as 2026-01-31 or 2026-01-31T12:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
