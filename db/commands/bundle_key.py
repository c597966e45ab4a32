"""`inspector bundle signing-key`: make the key pair that signs bundles."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "make a key that signs bundles, and its public half for stations"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path, help="where bundle-key.pem and bundle-key.pub.pem go")


def run(args: argparse.Namespace) -> int:
    from db.audit_keys import new_key, write_keys
    from db.signatures import KEY_NAMES

    key = new_key()
    private, public = write_keys(key, args.folder, KEY_NAMES)
    print(f"key {key.key_id[:16]}: {private} signs, {public} verifies")
    return 0
