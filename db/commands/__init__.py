"""The verbs of `inspector db`, and what they have in common."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def add_database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        metavar="URL",
        help="URL or SQLite file (default: INSPECTOR_DATABASE, else inspector.sqlite in the working folder)",
    )


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Engine]:
    """Open the database that was named; its schema must be this program's."""
    from db.engine import default_url, open_engine

    engine = open_engine(args.database or default_url())
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def reading(args: argparse.Namespace) -> Iterator[Connection]:
    from db.engine import storage_errors

    with opened(args) as engine, storage_errors(engine.url), engine.connect() as connection:
        yield connection


@contextmanager
def writing(args: argparse.Namespace) -> Iterator[Connection]:
    """One transaction: all or nothing."""
    from db.engine import WRITES, storage_errors

    with opened(args) as engine, storage_errors(engine.url), engine.connect() as connection:
        connection = connection.execution_options(**{WRITES: True})
        with connection.begin():
            yield connection
