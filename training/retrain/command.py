"""`inspector retrain`: from what operators corrected to a candidate, or to a refusal that says why."""

from __future__ import annotations

import argparse
from importlib import import_module

HELP = "freeze labels into a snapshot, and hold a candidate against the serving bundle"
VERBS = {
    "snapshot": ("training.retrain.snapshot_command", "freeze the labels of a recipe, and say whether they are enough"),
    "gate": ("training.retrain.gate_command", "hold a candidate against the serving bundle on parts neither has seen"),
}
"""Each is a module with `add_arguments(verb)`, which sets what runs; torch and SQLAlchemy are loaded by the action."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, (module, words) in VERBS.items():
        import_module(module).add_arguments(verbs.add_parser(name, help=words, description=words))


def run(args: argparse.Namespace) -> int:
    """Never reached: a verb is required, and each sets its own."""
    raise AssertionError(args)
