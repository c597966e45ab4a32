"""`inspector db audit-key`: make the key pair that signs the audit log."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "make the key that signs the audit log, and its public half"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path, help="where audit-key.pem and audit-key.pub.pem go")


def run(args: argparse.Namespace) -> int:
    from db.audit_keys import new_key, write_keys

    key = new_key()
    private, public = write_keys(key, args.folder)
    print(f"key {key.key_id[:16]}: {private} signs, {public} verifies")
    return 0
