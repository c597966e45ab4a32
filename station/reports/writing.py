"""What reports have in common: where the records are, which of them count, and the files that are written."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.label_queries import Window


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    parser.add_argument("--since", type=moment, metavar="TIME", help="parts triggered since then: 2026-01-31[T12:00]")
    parser.add_argument("--recipe", metavar="NAME", help="parts of this recipe only")
    add_files(parser)


def add_source(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--database", metavar="URL", help="URL or SQLite file (default: INSPECTOR_DATABASE, or here)")
    where.add_argument("--config", type=Path, metavar="CONFIG", help="station configuration whose database it is")


def add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page to read and to print")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")


def moment(words: str) -> datetime:
    try:
        at = datetime.fromisoformat(words)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{words!r}; expected a time as 2026-01-31 or 2026-01-31T12:00") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def window(args: argparse.Namespace) -> Window:
    from db.label_queries import Window

    return Window(args.since, args.recipe)


@contextmanager
def records_of(args: argparse.Namespace) -> Iterator[Connection]:
    """Connect to the database that was named, or to that of the configuration."""
    from db.engine import default_url, open_engine, storage_errors

    url = args.database or default_url()
    if args.config:
        from station.config import load_station_config

        url = load_station_config(args.config).database_url
    engine = open_engine(url)
    try:
        with storage_errors(engine.url), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    _write(path, json.dumps(figures, indent=2) + "\n", "--json")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
    except OSError as error:
        raise UserError(f"--csv {path}: cannot be written ({error.strerror})") from error


def _write(path: Path, words: str, option: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{option} {path}: cannot be written ({error.strerror})") from error


def described(args: argparse.Namespace) -> str:
    """Say in words which parts the report is about."""
    since = f"Parts since {args.since:%Y-%m-%d %H:%M} UTC" if args.since else "All parts on record"
    return f"{since}, recipe {args.recipe}" if args.recipe else since
