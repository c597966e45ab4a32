"""`inspector demo`: a synthetic line from end to end, judged against the truth that the renderer keeps."""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.errors import ConfigError, UserError
from station.demo.plan import DEFAULT_DEFECT_SHARE, TRAINING_SEED

if TYPE_CHECKING:
    from db.records import Event
    from inspector.risk import Rate
    from inspector.values import InspectionRecord
    from station.config import StationConfig
    from station.demo.figures import Figures
    from station.running import RunSummary

HELP = "run a synthetic line of machined parts end to end, with an embedded database and a report"
SHIPPED_BUNDLE = Path(__file__).parent / "bundle"
REPORT = "report.html"
ENDLESS = 100_000_000

# What costs time to import is imported by the functions that need it: `inspector --help` loads this module.


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for on the command line."""

    out: Path
    parts: int
    seed: int
    pace_hz: float
    bundle: Path
    report: bool
    port: int | None = None
    """Where a line without end tells how it does; none: the line ends."""


@dataclass(frozen=True, slots=True)
class Account:
    """What the ledger holds of the run."""

    summary: RunSummary
    records: list[InspectionRecord]
    events: list[Event]
    an_image: Path | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", type=int, default=600, metavar="N", help="parts to inspect")
    parser.add_argument("--out", type=Path, default=Path("var/demo"), metavar="DIR", help="folder for all that is made")
    parser.add_argument("--seed", type=int, default=2024, metavar="N", help="another seed is another line of parts")
    parser.add_argument("--pace", type=float, default=0.0, metavar="HZ", help="parts per second; 0: as fast as it goes")
    parser.add_argument("--bundle", type=Path, default=SHIPPED_BUNDLE, metavar="BUNDLE", help="what judges the parts")
    parser.add_argument(
        "--live", type=int, metavar="PORT", help="run without end, 2 parts a second, and tell of it at this local port"
    )
    parser.add_argument("--no-report", action="store_true", help="print figures only; needs no plotting packages")


def run(args: argparse.Namespace) -> int:
    order = _order(args)
    config = write_station(order)
    if order.port is not None:
        print(_run_line(config).text())
        return 0
    account = _account(_run_line(config))
    print(account.summary.text())
    print(_judge(order, config, account))
    return 0


def _order(args: argparse.Namespace) -> Order:
    """Check what can be checked before a single part is made."""
    if args.seed == TRAINING_SEED:
        raise UserError(f"--seed: {TRAINING_SEED} made the parts that the demo's bundle learned from; expected another")
    if not (args.bundle / "LATEST").is_file() and not (args.bundle / "manifest.json").is_file():
        raise UserError(f"--bundle: no bundle in {args.bundle}; expected one, such as `make demo-bundle` makes")
    if args.live is not None:
        return Order(args.out, ENDLESS, args.seed, args.pace or 2.0, args.bundle, False, args.live)
    if not args.no_report:
        from station.demo.report import OTHERWISE
        from station.pages import require_packages

        require_packages(OTHERWISE)
    return Order(args.out, args.parts, args.seed, args.pace, args.bundle, not args.no_report)


def write_station(order: Order) -> StationConfig:
    """Write the station's configuration and recipe as files to look at, edit and run again; return it as read back."""
    from station.config import load_station_config

    path = order.out / "station.toml"
    try:
        order.out.mkdir(parents=True, exist_ok=True)
        (order.out / "recipe.toml").write_text(_RECIPE, encoding="utf-8")
        path.write_text(_station_toml(order), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out: {order.out}: cannot be written ({error.strerror})") from error
    return load_station_config(path)


_RECIPE = """\
# How the flange is inspected. Every field left out keeps its default.
name = "flange"

[quality]
width_px = 1280
height_px = 1024
min_focus = 40.0
"""


def _station_toml(order: Order) -> str:
    return f"""\
# Written by `inspector demo`. Run it again with `inspector station run`.
[station]
name = "demo"
folder = "."
bundle = {json.dumps(str(order.bundle.resolve()))}
recipe = "recipe.toml"
resume = false
keep_images = "not-pass"

# Try a fault: lose_at, miss_at, corrupt_at, dark_at, blur_at or freeze_at = the number of a frame.
[camera]
kind = "synthetic"
count = {order.parts}
seed = {order.seed}
pace_hz = {order.pace_hz}
defect_share = {DEFAULT_DEFECT_SHARE}

[output]
kind = "log"
{_health(order)}"""


def _health(order: Order) -> str:
    return "" if order.port is None else f"\n[health]\nport = {order.port}\n"


def _run_line(config: StationConfig) -> RunSummary:
    from station.run_command import stop_on_signals
    from station.running import run_station
    from station.screen import screen

    with stop_on_signals() as stop:
        return run_station(config, stop, screen)


def _account(summary: RunSummary) -> Account:
    """Read the run back from its database: what is reported is what was recorded."""
    from db import queries
    from db.engine import open_engine

    engine = open_engine(summary.database)
    try:
        with engine.connect() as connection:
            records = queries.records(connection, summary.run_id)
            recorded = queries.events(connection, 200, summary.status.station)
            stored = queries.images_referenced(connection, summary.run_id)
    finally:
        engine.dispose()
    began = min((record.triggered_at for record in records), default=None)
    events = [event for event in reversed(recorded) if began is None or (event.at - began).total_seconds() > -60]
    return Account(summary, records, events, summary.images / stored[0].path if stored else None)


def _judge(order: Order, config: StationConfig, account: Account) -> str:
    from station.cameras.synthetic import truth_of
    from station.demo.figures import figures

    truth = {record.part_id: truth_of(record.source) for record in account.records if record.outcome is not None}
    known = figures(account.records, truth)
    lines = ["", "against the renderer's truth:", *_rates(known)]
    if order.report:
        from station.demo.showing import show

        lines += [f"report   {show(known, config, account, order.out / REPORT)}"]
    return "\n".join([*lines, "", "what to try next:", *_next(order, account)])


def _rates(known: Figures) -> list[str]:
    return [
        f"  escape    {_text(known.escape)}   (defective parts that passed)",
        f"  overkill  {_text(known.overkill)}   (good parts that were rejected)",
        f"  review    {_text(known.review)}   (parts left to a person)",
    ]


def _text(rate: Rate | None) -> str:
    return "not stated: the run had no such part" if rate is None else rate.text()


def _next(order: Order, account: Account) -> list[str]:
    look = ("predict", order.bundle, account.an_image) if account.an_image else ("bundle", "show", order.bundle)
    commands: tuple[tuple[object, ...], ...] = (
        ("station", "run", order.out / "station.toml"),
        look,
        ("db", "check", "--database", account.summary.database, "--images", account.summary.images),
    )
    return ["  " + shlex.join(["inspector", *map(str, command)]) for command in commands]
