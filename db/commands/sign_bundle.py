"""`inspector bundle sign`: vouch for a bundle with a key that stations trust."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path

HELP = "sign a bundle; its content and its id stay as they are"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle, or a folder of bundles (its latest)")
    parser.add_argument("--key", metavar="FILE", type=Path, required=True, help="private key (bundle-key.pem)")
    parser.add_argument("--by", default=None, metavar="NAME", help="who signs; unset: the account's name")


def run(args: argparse.Namespace) -> int:
    from db.audit_keys import read_private
    from db.records import utc_now
    from db.signatures import sign_bundle
    from inspector.bundle import load_bundle

    bundle, key = load_bundle(args.bundle), read_private(args.key)
    path = sign_bundle(bundle, key, args.by or getpass.getuser(), utc_now())
    print(f"bundle {bundle.id[:16]} signed with key {key.key_id[:16]}: {path}")
    return 0
