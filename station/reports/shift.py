"""`inspector report shift`: one shift, or any stretch of time, on a page."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from station.reports.choice import add_choice, add_shift, edges_of, scope_of
from station.reports.telling import tell
from station.reports.writing import records_of

HELP = "outcomes, defects, latency and control of a shift, or of any time"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_choice(parser)
    add_shift(parser)


def run(args: argparse.Namespace) -> int:
    from station.reports.production import production_of

    name, edges = edges_of(args, datetime.now(UTC))
    with records_of(args) as connection:
        made = production_of(connection, name, scope_of(args), edges)
    return tell(args, made)
