"""`inspector db upgrade|check`: make, upgrade or examine a database."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.errors import DatabaseError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.check import Report

HELP = "make, upgrade or check the database"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="upgrade|check", required=True)
    database = "URL or SQLite file (default: INSPECTOR_DATABASE, else inspector.sqlite in the working folder)"
    upgrade = actions.add_parser("upgrade", help="make the database, or bring its schema to this program's version")
    check = actions.add_parser("check", help="look for damage, forgotten parts, doubled triggers and missing images")
    for action in (upgrade, check):
        action.add_argument("--database", metavar="URL", help=database)
    check.add_argument("--images", metavar="DIR", type=Path, help="root of the image store; its files are checked too")


# SQLAlchemy and Alembic are loaded by the action and not by this module: `inspector --help` imports every command.


def run(args: argparse.Namespace) -> int:
    from db.engine import default_url

    url = args.database or default_url()
    return _upgrade(url) if args.action == "upgrade" else _check(url, args.images)


def _upgrade(url: str) -> int:
    from db.engine import name_of, open_any_version, schema_revision
    from db.migrations import HEAD
    from db.schema import upgrade

    engine = open_any_version(url, create=True)
    try:
        before = schema_revision(engine)
        upgrade(engine)
        happened = "already had" if before == HEAD else f"went from {before or 'nothing'} to"
        print(f"database {name_of(engine.url)} {happened} revision {HEAD}")
    finally:
        engine.dispose()
    return 0


def _check(url: str, images: Path | None) -> int:
    from db.check import check
    from db.engine import name_of, open_engine

    if images is not None and not images.is_dir():
        raise DatabaseError(f"--images {images}: no such folder; expected the root of the image store")
    engine = open_engine(url)
    try:
        report = check(engine, images)
        if report.faults:
            raise DatabaseError(f"database {name_of(engine.url)}: {'; '.join(report.faults)}")
        print(_sound(engine, report))
    finally:
        engine.dispose()
    return 0


def _sound(engine: Engine, report: Report) -> str:
    from db.engine import name_of

    files = "" if report.images_checked else " (files not looked at: no --images)"
    return (
        f"database {name_of(engine.url)} is sound: revision {report.revision}, {report.parts} parts, "
        f"{report.open_parts} open, {report.images} images{files}"
    )
