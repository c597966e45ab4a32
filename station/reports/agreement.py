"""`inspector report agreement`: do persons, and the machine, say the same of the same parts?"""

from __future__ import annotations

import argparse
from typing import Protocol

from station.reports.studies import COLUMNS, Studies, studies, table
from station.reports.writing import add_report_arguments, described, records_of, window, write_csv, write_json

HELP = "agreement of persons with each other, with themselves, with the machine and with a reference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_report_arguments(parser)
    parser.add_argument(
        "--reference", metavar="NAME", help="whose last label is the truth, for effectiveness, misses and false alarms"
    )


def run(args: argparse.Namespace) -> int:
    from db.label_queries import ratings, stopped

    if args.html:
        from station.pages import require_packages

        require_packages("leave out --html")
    with records_of(args) as connection:
        given, machine = ratings(connection, window(args)), stopped(connection, window(args))
    known = studies(given, machine, args.reference)
    if args.json:
        write_json(args.json, known.figures())
    if args.csv:
        write_csv(args.csv, COLUMNS, table(known))
    if args.html:
        from station.reports.agreement_page import write_page

        write_page(args.html, known, described(args))
    print("\n".join(lines(known)))
    return 0


def lines(known: Studies) -> list[str]:
    """The report as lines for a person."""
    said = [f"agreement of {', '.join(known.raters)}: {known.labels} blind labels of {known.parts} parts"]
    said.append(f"  all persons (Fleiss' kappa)    {_text(known.all_raters)}")
    said += [f"  {one} and {other} (Cohen's kappa)    {_text(kappa)}" for (one, other), kappa in known.pairs.items()]
    said += [f"  {rater} and the machine, stop or pass    {_text(kappa)}" for rater, kappa in known.machine.items()]
    said += [f"  {rater} a second time    {_text(one)}" for rater, one in known.repeats.items()]
    said += [f"  {rater} against {known.reference}    {_text(study)}" for rater, study in known.against.items()]
    if known.reference is None:
        said.append(
            "  effectiveness, misses, false alarms    not stated: --reference NAME says whose labels are the truth"
        )
    return said


class _Said(Protocol):
    def text(self) -> str: ...


def _text(study: _Said | str) -> str:
    return study if isinstance(study, str) else study.text()
