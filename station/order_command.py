"""`inspector station order|orders`: tell a station what to do, and see what came of it."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inspector.bundle import load_bundle
from inspector.errors import ConfigError
from station.config import StationConfig, load_station_config

KINDS = {
    "run": "let a held line run",
    "hold": "account for parts without inspecting them, and divert them",
    "recipe": "change over to a recipe of the configuration: NAME, or NAME@REVISION",
    "bundle": "let this bundle serve",
    "shadow": "score parts by this bundle too, without consequences; none: end it",
    "rollback": "let serve what served before, or the bundle of this id, which has served here",
    "self-test": "judge the golden samples now",
}


def add_verbs(verbs: Any) -> None:
    order = verbs.add_parser(
        "order",
        help="change bundle or recipe, roll back, hold, run, self-test",
        description="Leave an order for a station. One that runs takes it within half a second, one that is stopped at "
        "its next start. It is done or refused, and the ledger says which, by whom it was given, and why.",
    )
    order.add_argument("config", type=Path, metavar="CONFIG", help="station configuration (TOML)")
    kinds = order.add_subparsers(dest="kind", metavar="KIND", required=True)
    for kind, words in KINDS.items():
        parser = kinds.add_parser(kind, help=words, description=words)
        if kind in ("recipe", "bundle"):
            parser.add_argument("wanted", metavar="RECIPE" if kind == "recipe" else "BUNDLE")
        elif kind == "shadow":
            parser.add_argument("wanted", metavar="BUNDLE", nargs="?", default="")
        elif kind == "rollback":
            parser.add_argument("wanted", metavar="ID", nargs="?", default="")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why")
        parser.add_argument("--by", default=None, metavar="NAME", help="who orders it; unset: the account's name")
        parser.set_defaults(run=_order)
    orders = verbs.add_parser(
        "orders", help="list a station's orders", description="List orders and what came of them."
    )
    orders.add_argument("config", type=Path, metavar="CONFIG", help="station configuration (TOML)")
    orders.set_defaults(run=_orders)


def _order(args: argparse.Namespace) -> int:
    from db.orders import Order, OrderKind, give

    config = load_station_config(args.config)
    kind = OrderKind(args.kind)
    wanted = _wanted(kind.value, getattr(args, "wanted", ""), config)
    order = Order(config.station.name, kind, args.by or getpass.getuser(), args.reason, wanted)
    with _ledger(config) as connection:
        number = give(connection, order)
    print(f"order {number}: {kind}{f' {wanted}' if wanted else ''} is wanted of {config.station.name}")
    return 0


def _wanted(kind: str, wanted: str, config: StationConfig) -> str:
    """Return the bundle's own folder, or the recipe's name; raise UserError for what cannot be."""
    from station.ordering import listed

    if kind == "recipe":
        listed(config, wanted)
    if kind in ("recipe", "rollback"):
        return wanted
    return str(load_bundle(Path(wanted)).path.resolve()) if wanted else ""


def _orders(args: argparse.Namespace) -> int:
    from db.orders import orders

    config = load_station_config(args.config)
    with _ledger(config) as connection:
        for given in orders(connection, config.station.name):
            order = given.order
            what = f"{order.kind} {order.wanted}".strip()
            print(
                f"{given.number:>4} {order.at:%Y-%m-%d %H:%M:%S} {given.state:8} {what}; {order.person}: {order.reason}"
            )
            if given.actual:
                print(f"     {given.actual}")
    return 0


@contextmanager
def _ledger(config: StationConfig) -> Iterator[Any]:
    from db.engine import WRITES, open_engine, storage_errors

    if not config.station.folder.is_dir():
        raise ConfigError(f"{config.station.folder}: station.folder: no such folder; expected a station that has run")
    engine = open_engine(config.database_url, create=True)
    try:
        writing = engine.execution_options(**{WRITES: True})
        with storage_errors(engine.url), writing.begin() as connection:
            yield connection
    finally:
        engine.dispose()
