"""`inspector db check`: is a database sound?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from db.commands import add_database, opened
from inspector.errors import DatabaseError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.check import Report

HELP = "look for damage, forgotten parts, doubled triggers and missing images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)
    parser.add_argument("--images", metavar="DIR", type=Path, help="root of the image store; its files are checked too")


def run(args: argparse.Namespace) -> int:
    from db.check import check
    from db.engine import name_of

    if args.images is not None and not args.images.is_dir():
        raise DatabaseError(f"--images {args.images}: no such folder; expected the root of the image store")
    with opened(args) as engine:
        report = check(engine, args.images)
        if report.faults:
            raise DatabaseError(f"database {name_of(engine.url)}: {'; '.join(report.faults)}")
        print(_sound(engine, report))
    return 0


def _sound(engine: Engine, report: Report) -> str:
    from db.engine import name_of

    files = "" if report.images_checked else " (files not looked at: no --images)"
    return (
        f"database {name_of(engine.url)} is sound: revision {report.revision}, {report.parts} parts, "
        f"{report.open_parts} open, {report.images} images{files}"
    )
