"""`inspector db upgrade`: make the database, or bring its schema to this program's version."""

from __future__ import annotations

import argparse

from db.commands import add_database

HELP = "make the database, or bring its schema to this program's version"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)


def run(args: argparse.Namespace) -> int:
    from db.engine import default_url, name_of, open_any_version, schema_revision, storage_errors
    from db.migrations import HEAD
    from db.partitions import make_partitions
    from db.roles import set_up_roles
    from db.schema import upgrade

    engine = open_any_version(args.database or default_url(), create=True)
    try:
        before = schema_revision(engine)
        upgrade(engine)
        happened = "already had" if before == HEAD else f"went from {before or 'nothing'} to"
        print(f"database {name_of(engine.url)} {happened} revision {HEAD}")
        with storage_errors(engine.url), engine.begin() as connection:
            missing = set_up_roles(connection)
            made = make_partitions(connection)
        if made:
            print(f"{made} monthly partitions made ahead")
        if missing:
            print(f"roles not made, since this login may not: {', '.join(missing)}; run it as one that may")
    finally:
        engine.dispose()
    return 0
