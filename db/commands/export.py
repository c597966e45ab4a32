"""`inspector db export`: parts, views and labels as Parquet files, one of each a month."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from db.commands import add_database, reading
from inspector.errors import UserError

HELP = "write parts, views and labels as Parquet files, one of each a month"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files go")
    parser.add_argument("--since", type=_moment, metavar="TIME", help="parts triggered since then: 2026-01-31[T12:00]")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="parts triggered before then")
    parser.add_argument("--station", metavar="NAME", help="parts of this station only")
    parser.add_argument("--recipe", metavar="NAME", help="parts of this recipe only")
    parser.add_argument("--simulated", action="store_true", help="rendered parts too")


def run(args: argparse.Namespace) -> int:
    try:
        from db.history.export import export
    except ModuleNotFoundError as error:
        raise UserError(f"export needs {error.name}: pip install 'open-inspector[parquet]'") from error
    from db.history.scope import Scope

    scope = Scope(args.since, args.until, args.station, args.recipe, simulated=args.simulated)
    with reading(args) as connection:
        for written in export(connection, scope, args.out):
            print(f"{written.path}: {written.rows} rows")
    return 0


def _moment(words: str) -> datetime:
    try:
        at = datetime.fromisoformat(words)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{words!r}; expected a time as 2026-01-31 or 2026-01-31T12:00") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
