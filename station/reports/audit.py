"""`inspector report audit`: how many bad parts passed, from the passes drawn at random and labelled blind."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from station.reports.writing import add_report_arguments, described, records_of, window, write_csv, write_json

if TYPE_CHECKING:
    from db.label_queries import Audit
    from inspector.audit import EscapeEstimate
    from station.reports.void import VoidPeriod

HELP = "how many bad parts passed: an estimate with bounds from audited passes"
COLUMNS = ("stratum", "probability", "passes", "drawn", "labelled_blind", "escapes", "at_most_escapes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_report_arguments(parser)
    parser.add_argument("--confidence", type=float, default=0.95, metavar="C", help="of every bound (default: 0.95)")


def run(args: argparse.Namespace) -> int:
    from db.label_queries import audit
    from inspector.audit import estimate_escapes
    from inspector.errors import UserError
    from station.reports.void import void_periods_of

    if not 0 < args.confidence < 1:
        raise UserError(f"--confidence {args.confidence:g}: expected more than 0 and less than 1")
    if args.html:
        from station.pages import require_packages

        require_packages("leave out --html")
    with records_of(args) as connection:
        known = audit(connection, window(args))
        void = void_periods_of(connection, args.since)
    estimate = estimate_escapes(known.strata, args.confidence)
    if args.json:
        write_json(args.json, figures(known, estimate, void))
    if args.csv:
        write_csv(args.csv, COLUMNS, table(estimate))
    if args.html:
        from station.reports.audit_page import write_page

        write_page(args.html, known, estimate, described(args), void)
    print("\n".join(lines(known, estimate, void)))
    return 0


def lines(known: Audit, estimate: EscapeEstimate, void: Sequence[VoidPeriod] = ()) -> list[str]:
    """The report as lines for a person."""
    percent = f"{100 * estimate.confidence:g} %"
    bounds, worst = estimate.bounds, estimate.worst
    said = [
        f"escapes   {estimate.text()}",
        f"  estimate  {estimate.hajek:.1f} of {estimate.passes - estimate.not_sampled} passes "
        f"({100 * estimate.rate:.3g} %), standard error {estimate.hajek_error:.1f}; "
        f"from the probabilities alone {estimate.horvitz_thompson:.1f}",
        f"  bounds    at most {bounds.at_most} ({percent}, one-sided); {bounds.low} to {bounds.high} ({percent})",
    ]
    if estimate.drawn > estimate.labelled:
        said.append(
            f"  without a label {estimate.drawn - estimate.labelled} of {estimate.drawn} drawn: if they are the worst "
            f"they can be, at most {worst.at_most}; {worst.low} to {worst.high}"
        )
    if estimate.not_sampled:
        said.append(f"  {estimate.not_sampled} passes are of strata without a label: all counted in `at most`")
    if known.beyond:
        said.append(f"  {known.beyond} passes are of runs without an audit: nothing is said of them")
    if known.caught:
        share = 100 * estimate.share_of_defective(known.caught)
        said.append(
            f"  {known.caught} stopped parts are labelled defective: at most {share:.2g} % of defective parts pass"
        )
    return [*said, *(f"  {period.text()}" for period in void)]


def figures(known: Audit, estimate: EscapeEstimate, void: Sequence[VoidPeriod] = ()) -> dict[str, Any]:
    """What `--json` writes; docs/audit.md says what each is."""
    return {
        "passes": estimate.passes,
        "drawn": estimate.drawn,
        "labelled_blind": estimate.labelled,
        "escapes_found": estimate.found,
        "confidence": estimate.confidence,
        "escapes_estimated": estimate.hajek,
        "escapes_standard_error": estimate.hajek_error,
        "escapes_horvitz_thompson": estimate.horvitz_thompson,
        "escapes_at_most": estimate.bounds.at_most,
        "escapes_low": estimate.bounds.low,
        "escapes_high": estimate.bounds.high,
        "escapes_at_most_worst": estimate.worst.at_most,
        "escapes_low_worst": estimate.worst.low,
        "escapes_high_worst": estimate.worst.high,
        "escape_share_of_passes": estimate.rate,
        "escape_share_of_passes_at_most": estimate.at_most,
        "passes_not_sampled": estimate.not_sampled,
        "passes_without_audit": known.beyond,
        "stopped_labelled_defective": known.caught,
        "escape_share_of_defective_at_most": (estimate.share_of_defective(known.caught) if known.caught else None),
        "certificate_void": [period.fields() for period in void],
        "strata": [asdict(one) for one in estimate.strata],
        "found": [
            {
                **asdict(one),
                "part_id": str(one.part_id),
                "triggered_at": one.triggered_at.isoformat(),
            }
            for one in known.found
        ],
    }


def table(estimate: EscapeEstimate) -> list[tuple[object, ...]]:
    """One row for each stratum, with its own bound, and one for all."""
    from inspector.audit import most_escapes

    risk = 1 - estimate.confidence
    rows: list[tuple[object, ...]] = [
        (
            one.name,
            one.probability,
            one.population,
            one.drawn,
            one.labelled,
            one.escapes,
            most_escapes(one.population, one.labelled, one.escapes, risk),
        )
        for one in estimate.strata
    ]
    total = (estimate.passes, estimate.drawn, estimate.labelled, estimate.found, estimate.bounds.at_most)
    return [*rows, ("all", "", *total)]
