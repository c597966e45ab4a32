"""Which parts a report on production is about, from the command line."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from inspector.errors import UserError
from inspector.shifts import Shift, ShiftSettings, before, last_ended, shift_on
from station.reports.writing import add_report_arguments, moment

if TYPE_CHECKING:
    from db.history.scope import Scope

REFERENCE = 25
"""So many periods before the one of a report say what is usual (`db.history.control`)."""


def add_choice(parser: argparse.ArgumentParser) -> None:
    add_report_arguments(parser)
    parser.add_argument("--station", metavar="NAME", help="parts of this station only")
    parser.add_argument(
        "--simulated", action="store_true", help="count rendered parts too: a demonstration has no others"
    )


def add_shift(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--until", type=moment, metavar="TIME", help="parts triggered before then (default: now)")
    parser.add_argument("--shift", metavar="NAME", help="one of [shifts] in CONFIG (default: the last that is over)")
    parser.add_argument("--day", type=_day, metavar="DATE", help="on which that shift begins, as 2026-01-31")


def scope_of(args: argparse.Namespace, lot: str | None = None) -> Scope:
    from db.history.scope import Scope

    return Scope(args.since, None, args.station, args.recipe, lot, args.simulated)


def edges_of(args: argparse.Namespace, now: datetime) -> tuple[str, list[datetime]]:
    """Return what the report is called, and the ends of its period and of those before it, rising.

    Raises:
        UserError: nothing says which time is meant, or two things do.
    """
    try:
        return _by_time(args, now) if args.since is not None else _by_shift(args, now)
    except OverflowError as error:
        raise UserError(
            "--since, --until, --day: expected times within the calendar, also 25 periods before"
        ) from error


def _by_shift(args: argparse.Namespace, now: datetime) -> tuple[str, list[datetime]]:
    if args.until is not None:
        raise UserError("--until: expected --since with it")
    settings = _settings(args)
    if args.day is not None and args.shift is None:
        raise UserError(f"--day: expected --shift with it, one of {', '.join(settings.starts)}")
    shift = shift_on(settings, args.day, args.shift) if args.day else last_ended(settings, now, args.shift)
    chain = before(settings, shift, REFERENCE)
    return _name(shift), [*(one.start for one in chain), shift.end]


def _by_time(args: argparse.Namespace, now: datetime) -> tuple[str, list[datetime]]:
    if args.shift is not None or args.day is not None:
        raise UserError("--since and --shift: expected one of them")
    since, until = _second(args.since), _second(args.until or now)
    if until <= since:
        raise UserError(f"--since {since:%Y-%m-%dT%H:%M}: expected a time before {until:%Y-%m-%dT%H:%M}, where it ends")
    width = until - since
    return f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC", [
        since - n * width for n in range(REFERENCE, -1, -1)
    ] + [until]


def _settings(args: argparse.Namespace) -> ShiftSettings:
    if args.config is None:
        raise UserError("which time? expected --since and --until, or --config with [shifts]")
    from station.config import load_station_config

    settings = load_station_config(args.config).shifts
    if settings is None:
        raise UserError(f"{args.config}: shifts: expected a table [shifts], or --since and --until")
    return settings


def _name(shift: Shift) -> str:
    return f"shift {shift.name} of {shift.day:%Y-%m-%d}, {shift.start:%Y-%m-%d %H:%M} to {shift.end:%Y-%m-%d %H:%M} UTC"


def _second(at: datetime) -> datetime:
    """Up to the next whole second."""
    whole = at.astimezone(UTC).replace(microsecond=0)
    return whole if at.microsecond == 0 else whole + timedelta(seconds=1)


def _day(words: str) -> date:
    try:
        return date.fromisoformat(words)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{words!r}; expected a day as 2026-01-31") from error
