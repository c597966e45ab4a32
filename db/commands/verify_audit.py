"""`inspector db verify-audit`: is the audit log the one that was written?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from db.commands import add_database, reading
from inspector.errors import DatabaseError

if TYPE_CHECKING:
    from db.audit_proof import Examination

HELP = "examine the audit log and name the first row that was altered, is missing or was moved"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)
    parser.add_argument("--key", metavar="FILE", type=Path, help="public key; unset: the chain alone is looked at")
    parser.add_argument("--heads", metavar="FILE", type=Path, help="checkpoints kept outside: they show a cut-off end")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write what was found")


def run(args: argparse.Namespace) -> int:
    from db.audit_checkpoints import examine_log
    from db.audit_keys import read_public

    if args.heads and not args.key:
        raise DatabaseError("--heads: needs --key, which proves that they are what was signed")
    key = read_public(args.key) if args.key else None
    with reading(args) as connection:
        found = examine_log(connection, key, args.heads)
    if args.json:
        _write(args.json, found)
    if found.finding is not None:
        raise DatabaseError(f"audit log: {found.finding.text()}")
    print(_sound(found, signatures=key is not None))
    return 0


def _sound(found: Examination, signatures: bool) -> str:
    if not signatures:
        return f"audit log: {found.rows} rows in an unbroken chain (signatures not looked at: no --key)"
    signed = f"signed to row {found.signed_to}" if found.signed_to else "none of them signed"
    return f"audit log: {found.rows} rows in an unbroken chain, {signed}, {found.rows - found.signed_to} since"


def _write(path: Path, found: Examination) -> None:
    finding = found.finding
    document = {
        "sound": finding is None,
        "rows": found.rows,
        "checkpoints": found.checkpoints,
        "signed_to": found.signed_to,
        "unsigned": max(found.rows - found.signed_to, 0),
        "last_signed_at": found.last_signed_at.isoformat() if found.last_signed_at else None,
        "fault": finding.fault.value if finding else None,
        "where": finding.where if finding else None,
        "detail": finding.detail if finding else None,
    }
    try:
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise DatabaseError(f"--json {path}: cannot be written ({error.strerror})") from error
