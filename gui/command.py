"""`inspector gui`: the operator's desktop."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "open the operator's desktop: review of parts, live view of stations"

# Qt and SQLAlchemy are loaded by the action and not by this module: `inspector --help` imports every command.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        metavar="URL",
        help="URL or SQLite file (default: INSPECTOR_DATABASE, else inspector.sqlite, else the demo's)",
    )
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="root of the image store (default: images beside an SQLite file)"
    )
    parser.add_argument("--language", choices=("en", "de"), help="default: the system's, else English")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark", help="colours")


def run(args: argparse.Namespace) -> int:
    from gui.application import run_desktop
    from gui.database import open_source

    source = open_source(args.database, args.images)
    try:
        return run_desktop(source, args.language, args.theme)
    finally:
        source.engine.dispose()
