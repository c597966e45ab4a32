"""`inspector db sign-audit`: sign what the audit log gained; to be run by a timer, where the key is."""

from __future__ import annotations

import argparse
from pathlib import Path

from db.commands import add_database, writing

HELP = "sign the rows that the audit log gained, and keep the signatures outside the database"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)
    parser.add_argument("--key", metavar="FILE", type=Path, required=True, help="private key")
    parser.add_argument(
        "--heads", metavar="FILE", type=Path, required=True, help="where the checkpoints are kept outside the database"
    )


def run(args: argparse.Namespace) -> int:
    from db.audit_checkpoints import checkpoints, keep_heads, sign_log
    from db.audit_keys import read_private
    from db.records import utc_now

    key = read_private(args.key)
    with writing(args) as connection:
        made = sign_log(connection, key, utc_now())
        there = checkpoints(connection)
    keep_heads(args.heads, there)
    rows = sum(each.last - each.first + 1 for each in made)
    print(f"audit log: {rows} rows signed; {len(there)} checkpoints kept in {args.heads}")
    return 0
