"""`inspector report lot LOT`: one lot on a page."""

from __future__ import annotations

import argparse

from inspector.errors import UserError
from station.reports.choice import add_choice, scope_of
from station.reports.telling import tell
from station.reports.writing import records_of

HELP = "outcomes, defects and latency of a lot"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lot", metavar="LOT", help="as it came with the parts' triggers")
    add_choice(parser)


def run(args: argparse.Namespace) -> int:
    from station.reports.production import production_of

    with records_of(args) as connection:
        made = production_of(connection, f"lot {args.lot}", scope_of(args, args.lot))
    if not made.tally.parts and not made.open and not made.left_out:
        raise UserError(f"lot {args.lot!r}: no part of it is on record; expected a lot as its parts' triggers named it")
    return tell(args, made)
