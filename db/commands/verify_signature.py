"""`inspector bundle verify-signature`: is it signed with a key that is trusted?"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "check that a bundle is whole and signed with a trusted key"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle, or a folder of bundles (its latest)")
    parser.add_argument(
        "--key", metavar="FILE", type=Path, required=True, action="append", help="trusted public key; may be repeated"
    )


def run(args: argparse.Namespace) -> int:
    from db.audit_keys import read_public
    from db.signatures import require_signed
    from inspector.bundle import load_bundle

    bundle = load_bundle(args.bundle)
    found = require_signed(bundle, [read_public(path) for path in args.key])
    when = f"{found.signed_at:%Y-%m-%d %H:%M}"
    print(f"bundle {bundle.id[:16]}: signed with key {found.key_id[:16]}, it says by {found.person} on {when} UTC")
    return 0
