"""`inspector report VERB`: each verb is a module, imported only when it is asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module

HELP = (
    "what the records say: of a shift, a lot, a part, two bundles, an audit, of persons' agreement and the line's drift"
)

VERBS = {
    "shift": "station.reports.shift",
    "lot": "station.reports.lot",
    "part": "station.reports.part",
    "bundles": "station.reports.bundles",
    "audit": "station.reports.audit",
    "agreement": "station.reports.agreement",
    "drift": "station.reports.drift",
}
"""Each module has HELP, add_arguments(parser) and run(args) -> exit status."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="verbs", metavar="|".join(VERBS), required=True)
    for name, target in VERBS.items():
        module = import_module(target)
        verb = verbs.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(verb)
        action: Callable[[argparse.Namespace], int] = module.run
        verb.set_defaults(run=action)


def run(args: argparse.Namespace) -> int:
    """Never reached: a verb is required, and each sets its own."""
    raise AssertionError(args)
