"""`inspector db VERB`: make, upgrade, examine and look after a database."""

from __future__ import annotations

import argparse
from importlib import import_module

HELP = "make, upgrade, check and look after the database"

VERBS = {
    "upgrade": "db.commands.upgrade",
    "check": "db.commands.check",
    "verify-audit": "db.commands.verify_audit",
    "sign-audit": "db.commands.sign_audit",
    "account": "db.commands.account",
    "forward": "db.commands.forward",
    "upload-images": "db.commands.upload_images",
    "sweep": "db.commands.sweep",
    "backup": "db.commands.backup",
    "restore": "db.commands.restore",
    "audit-key": "db.commands.audit_key",
    "export": "db.commands.export",
}
"""Each module has HELP, add_arguments(parser) and run(args) -> exit status."""

# SQLAlchemy and Alembic are loaded by the action and not by these modules: `inspector --help` imports every command.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="|".join(VERBS), required=True)
    for name, target in VERBS.items():
        module = import_module(target)
        verb = verbs.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(verb)
        verb.set_defaults(perform=module.run)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    status: int = args.perform(args)
    return status
