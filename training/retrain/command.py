"""`inspector retrain`: from what operators corrected to a candidate, or to a refusal that says why."""

from __future__ import annotations

import argparse

from training.retrain import gate_command, job_commands, rules_command, snapshot_command

HELP = "freeze labels, train on them, and hold the new bundle against the one that serves"
VERBS = {
    "snapshot": (snapshot_command.add_arguments, "freeze the labels of a recipe, and say whether they are enough"),
    "gate": (gate_command.add_arguments, "hold a candidate against the serving bundle on parts neither has seen"),
    "queue": (job_commands.add_queue, "ask for a training"),
    "jobs": (job_commands.add_jobs, "list trainings and what came of them"),
    "cancel": (job_commands.add_cancel, "cancel a training"),
    "rules": (rules_command.add_arguments, "queue what is wanted by rule: new labels, a drift alarm, weekly"),
    "once": (job_commands.add_once, "do the training that waits longest; exit status 1: it failed"),
    "work": (job_commands.add_work, "do trainings as they are asked for, until SIGTERM"),
}
"""What each adds to its parser; torch and SQLAlchemy are loaded by the action."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, (add, words) in VERBS.items():
        add(verbs.add_parser(name, help=words, description=words))


def run(args: argparse.Namespace) -> int:
    """Never reached: a verb is required, and each sets its own."""
    raise AssertionError(args)
