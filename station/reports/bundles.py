"""`inspector report bundles`: what two bundles made of the same parts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.errors import UserError
from station.reports.writing import add_source, moment, records_of, write_csv, write_json

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.history.comparison import Comparison, Flip

HELP = "what two bundles made of the same parts: one in the shadow, or both served"
COLUMNS = ("serial", "part_id", "at", "first", "second", "first_probability", "second_probability")
_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="id of the bundle that is looked at")
    parser.add_argument(
        "--against", metavar="BUNDLE", help="one that judged the same serial numbers (default: what served beside it)"
    )
    add_source(parser)
    parser.add_argument("--since", type=moment, metavar="TIME", help="parts triggered since then: 2026-01-31[T12:00]")
    parser.add_argument("--until", type=moment, metavar="TIME", help="parts triggered before then")
    parser.add_argument("--station", metavar="NAME", help="parts of this station only")
    parser.add_argument("--recipe", metavar="NAME", help="parts of this recipe only")
    parser.add_argument("--simulated", action="store_true", help="count rendered parts too")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the newest parts on which they differ")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")


def run(args: argparse.Namespace) -> int:
    with records_of(args) as connection:
        found = _compared(connection, args)
    if not found.parts:
        where = f"{args.against} and {args.bundle} both judged" if args.against else f"{args.bundle} saw in the shadow"
        raise UserError(f"bundle: no part that {where} is on record; expected at least one, by the bundles' whole ids")
    if args.json:
        write_json(args.json, figures(found, args.against, args.bundle))
    if args.csv:
        write_csv(args.csv, COLUMNS, [list(_flip(one).values()) for one in found.flips])
    print("\n".join(lines(found, args.against, args.bundle)))
    return 0


def _compared(connection: Connection, args: argparse.Namespace) -> Comparison:
    from db.history.comparison import comparison, shadow_comparison
    from db.history.scope import Scope

    scope = Scope(args.since, args.until, args.station, args.recipe, simulated=args.simulated)
    if args.against is None:
        return shadow_comparison(connection, scope, args.bundle)
    return comparison(connection, scope, args.against, args.bundle)


def figures(found: Comparison, first: str | None, second: str) -> dict[str, Any]:
    """Every figure; `first` None: what served beside the second one."""
    from db.history.tallies import interval

    low, high = interval(found.differ)
    rate = found.differ
    counts = {name: getattr(found, name) for name in ("both_pass", "first_stops", "second_stops", "both_stop")}
    return {
        "first": first,
        "second": second,
        "parts": found.parts,
        **counts,
        "differ": {"count": rate.count, "of": rate.n, "share": rate.value, "low": low, "high": high},
        "flips": [_flip(one) for one in found.flips],
    }


def lines(found: Comparison, first: str | None, second: str) -> Sequence[str]:
    """The report as lines for a person."""
    from db.history.tallies import interval

    low, high = interval(found.differ)
    one = "what served" if first is None else f"bundle {first[:12]}"
    other = f"bundle {second[:12]}" + (" in the shadow" if first is None else "")
    return (
        f"{one} and {other} on {found.parts} parts",
        f"  both pass {found.both_pass}, both stop {found.both_stop}",
        f"  stopped by {one} alone {found.first_stops}, by {other} alone {found.second_stops}",
        f"  they differ on {found.differ.count} of {found.differ.n} ({low:.2%} to {high:.2%} with 95 % confidence)",
        *(_line(one) for one in found.flips[:_SHOWN]),
    )


def _line(flip: Flip) -> str:
    part = flip.part_id if flip.serial is None else flip.serial
    said = (f"{name} ({_number(value)})" for name, value in _said(flip))
    return f"  {flip.at:%Y-%m-%d %H:%M} UTC  {part}  {' -> '.join(said)}"


def _said(flip: Flip) -> Sequence[tuple[str, float | None]]:
    return (flip.first.value, flip.first_probability), (flip.second.value, flip.second_probability)


def _number(probability: float | None) -> str:
    return "not judged" if probability is None else f"{probability:.3f}"


def _flip(flip: Flip) -> dict[str, Any]:
    """By the names of `COLUMNS`."""
    return {
        "serial": flip.serial,
        "part_id": None if flip.part_id is None else str(flip.part_id),
        "at": flip.at.isoformat(),
        "first": flip.first.value,
        "second": flip.second.value,
        "first_probability": flip.first_probability,
        "second_probability": flip.second_probability,
    }
