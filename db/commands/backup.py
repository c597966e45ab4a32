"""`inspector db backup`: copy a database that is in use."""

from __future__ import annotations

import argparse
from pathlib import Path

from db.commands import add_database

HELP = "copy the database to a new file, while others write to it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help="the backup; it must not be there yet")


def run(args: argparse.Namespace) -> int:
    from db.backup import back_up
    from db.engine import default_url

    size_bytes = back_up(args.database or default_url(), args.file)
    print(f"backup {args.file}: {size_bytes / 1e6:.1f} MB, whole and readable")
    return 0
