"""`inspector db forward`: carry what a station has written to its plant, without the station running."""

from __future__ import annotations

import argparse

from db.commands import add_database

HELP = "forward a station's rows to its plant's database, once or until there are none"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)
    parser.add_argument("--to", metavar="URL", required=True, help="the plant's database")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--parked", action="store_true", help="send once more what the plant refused")
    again.add_argument("--all", action="store_true", help="send every row once more: the plant was restored")


def run(args: argparse.Namespace) -> int:
    from db.engine import default_url
    from db.forward import Forwarder

    with Forwarder(args.database or default_url(), args.to) as forwarder:
        again = forwarder.again() if args.parked else 0
        if args.all:
            forwarder.everything()
        forwarder.drain()
        state = forwarder.state()
    of_these = f", {again} of them parked before" if args.parked else ""
    print(f"{state.forwarded} rows forwarded{of_these}; {state.parked} refused and parked, {state.unforwarded} left")
    return 0
