"""`inspector db restore`: make a database of a backup, and say whether it is sound."""

from __future__ import annotations

import argparse
from pathlib import Path

from db.commands import add_database
from inspector.errors import DatabaseError

HELP = "make a database of a backup: a file that is not there yet, or an empty database of PostgreSQL"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help="what `inspector db backup` wrote")
    parser.add_argument("--key", metavar="FILE", type=Path, help="public key of the audit log")
    parser.add_argument("--heads", metavar="FILE", type=Path, help="its checkpoints kept outside")


def run(args: argparse.Namespace) -> int:
    from db.audit_keys import read_public
    from db.backup import restore
    from db.engine import default_url, name_of, parse_url
    from db.migrations import HEAD

    if args.heads and not args.key:
        raise DatabaseError("--heads: needs --key, which proves that they are what was signed")
    database = args.database or default_url()
    found, missing = restore(args.file, database, read_public(args.key) if args.key else None, args.heads)
    name = name_of(parse_url(database))
    if found.revision == HEAD:
        print(f"database {name} is sound: {found.parts} parts, {found.audit_rows} rows in the audit log")
    else:
        print(f"database {name} has schema {found.revision}: run `inspector db upgrade`, then `check`")
    if missing:
        print(f"roles not made, since this login may not: {', '.join(missing)}; run `db upgrade` as one that may")
    return 0
