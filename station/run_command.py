"""`inspector station run|check|measure|relearn`, the verbs `order` and `orders`, and `challenge`."""

from __future__ import annotations

import argparse
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inspector.errors import ConfigError, UserError
from inspector.logs import is_structured
from station.challenges.command import add_challenge
from station.checking import check_station
from station.config import StationConfig, load_station_config
from station.measuring import lines_of, measure_station
from station.order_command import add_verbs
from station.relearning import give_order
from station.running import run_station
from station.screen import screen
from station.watch import memory_path

MOST_FRAMES = 1000
"""They are held in memory."""
HELP = "run a station, check it, measure its runtimes, give it orders, have its drift watch learn anew, or challenge it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    run_verb = verbs.add_parser(
        "run",
        help="inspect until the camera ends or SIGTERM",
        description="Run a station: a live table on a terminal, plain lines elsewhere. SIGTERM or Ctrl-C stops it "
        "after the parts that were triggered have their verdicts; after a kill, the next run accounts for them.",
    )
    check_verb = verbs.add_parser(
        "check",
        help="report every fault of a configuration at once",
        description="Try bundle, camera, folder, database and outputs of a configuration without running it.",
    )
    measure_verb = verbs.add_parser(
        "measure",
        help="compare and time every runtime of this box with the station's own frames",
        description="Run golden samples and frames of the station's camera through runtimes x precisions x threads; "
        'keep the table in the station\'s folder, where `kind = "auto"` and spares come from.',
    )
    measure_verb.add_argument("--frames", type=int, default=20, metavar="N", help="frames of the station's camera")
    measure_verb.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the evidence")
    for verb, action in ((run_verb, _run), (check_verb, _check), (measure_verb, _measure)):
        verb.add_argument("config", type=Path, metavar="CONFIG", help="station configuration (TOML)")
        verb.set_defaults(run=action)
    relearn_verb = verbs.add_parser(
        "relearn",
        help="end a drift alarm: the watch learns anew",
        description="Have the drift watch learn anew what is usual, when the cause of an alarm is found and removed. "
        "Who, why and the alarms that end go into the ledger. A running station takes the order with its next part, a "
        "stopped one at its next start.",
    )
    relearn_verb.add_argument("config", type=Path, metavar="CONFIG", help="station configuration (TOML)")
    relearn_verb.add_argument("--by", required=True, metavar="NAME", help="who orders it")
    relearn_verb.add_argument("--why", required=True, metavar="TEXT", help="what was found and done")
    relearn_verb.set_defaults(run=_relearn)
    add_verbs(verbs)
    add_challenge(verbs)
    run_verb.add_argument("--verbose", action="store_true", help="log each verdict and every change of state")


def run(args: argparse.Namespace) -> int:
    """Never reached: a verb is required, and each sets its own."""
    raise AssertionError(args)


def _run(args: argparse.Namespace) -> int:
    config = load_station_config(args.config)
    in_lines = args.verbose or is_structured()
    logging.getLogger().setLevel(logging.INFO if in_lines else logging.WARNING)
    with stop_on_signals() as stop:
        summary = run_station(config, stop, None if in_lines else screen)
    print(summary.text())
    return 0


def _check(args: argparse.Namespace) -> int:
    config: StationConfig = load_station_config(args.config)
    faults = check_station(config, print)
    if faults:
        raise ConfigError(f"{args.config}: {len(faults)} checks failed: {'; '.join(faults)}")
    print(f"{args.config}: fit to run")
    return 0


def _relearn(args: argparse.Namespace) -> int:
    config = load_station_config(args.config)
    if not config.recipe.drift.enabled:
        raise ConfigError(f"{args.config}: the recipe's drift.enabled is false; expected a watch that could learn anew")
    if not config.station.folder.is_dir():
        raise ConfigError(f"{config.station.folder}: station.folder: no such folder; expected a station that has run")
    ended = give_order(memory_path(config.station.folder, config.camera.name), args.by, args.why)
    alarms = f"ends the alarms of {', '.join(ended)}" if ended else "there is no alarm to end"
    print(f"camera {config.camera.name} is to learn anew with its next part; {alarms}")
    return 0


def _measure(args: argparse.Namespace) -> int:
    if not 1 <= args.frames <= MOST_FRAMES:
        raise UserError(f"--frames {args.frames}: expected 1 to {MOST_FRAMES}")
    table = measure_station(load_station_config(args.config), args.frames)
    print("\n".join(lines_of(table)))
    if args.json:
        try:
            args.json.write_text(table.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise UserError(f"--json: {args.json}: cannot be written ({error.strerror})") from error
    return 0


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Give an event that SIGTERM or SIGINT sets; the former handlers come back at the end."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
