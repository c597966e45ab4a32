"""`inspector station challenge CONFIG register|list|due|next|since|release`."""

from __future__ import annotations

import argparse
import csv
import getpass
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.errors import AccessRefused, ChallengeRefused, ConfigError, UserError
from inspector.values import Outcome
from station.challenges.orders import NextOrder, ReleaseOrder, give
from station.config import StationConfig, load_station_config

if TYPE_CHECKING:
    from sqlalchemy import Connection

_COLUMNS = ("part_id", "trigger", "triggered_at", "part_ref", "lot", "serial", "outcome", "reasons")


def add_challenge(verbs: Any) -> None:
    """Add the verb to those of `inspector station`."""
    parser = verbs.add_parser(
        "challenge",
        help="register parts of known truth, show them to the line, release a line that is held for them",
        description="Challenge parts are parts of known truth, shown to the line to prove that it still finds them "
        "(docs/challenge.md). They are in no count of production.",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="station configuration (TOML)")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_register(actions)
    _add(actions, "list", _list, "show the register")
    _add(actions, "due", _due, "say when the last one was met, what is due, and whether the line is held")
    following = _add(actions, "next", _next, "say that the next part on the line is this challenge part")
    following.add_argument("code", metavar="CODE", help="code of the registered part")
    following.add_argument("--by", required=True, metavar="NAME", help="who says so")
    since = _add(actions, "since", _since, "list every part since the last challenge that was met")
    since.add_argument("--csv", type=Path, default=None, metavar="FILE", help="write the list")
    release = _add(actions, "release", _release, "release a held line; asks for the password of an account that may")
    release.add_argument("--by", required=True, metavar="NAME", help="account in the station's database")
    release.add_argument("--why", required=True, metavar="TEXT", help="what was found and done")


def _add(actions: Any, name: str, action: Any, words: str) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = actions.add_parser(name, help=words)
    verb.set_defaults(run=action)
    return verb


def _add_register(actions: Any) -> None:
    verb = _add(actions, "register", _register, "register a part; a further one of a code replaces the one before")
    verb.add_argument("code", metavar="CODE", help="its serial number, or its id in the plant's own numbering")
    verb.add_argument("--by", required=True, metavar="NAME", help="who registers it")
    verb.add_argument("--expect", choices=("reject", "review", "pass"), default="reject", help="what it must be judged")
    verb.add_argument("--label", default=None, metavar="CLASS", help="defect class that it must be given; unset: any")
    verb.add_argument("--from", dest="valid_from", type=_moment, default=None, metavar="TIME", help="unset: now")
    verb.add_argument("--to", dest="valid_to", type=_moment, default=None, metavar="TIME", help="unset: for ever")
    verb.add_argument("--note", default="", metavar="TEXT")


def _register(args: argparse.Namespace) -> int:
    from db.challenges import ChallengePart, register

    config = load_station_config(args.config)
    now = datetime.now(UTC)
    part = ChallengePart(
        station=config.station.name,
        code=args.code,
        registered_by=args.by,
        expected=Outcome(args.expect.upper()),
        label=args.label,
        note=args.note,
        valid_from=args.valid_from or now,
        valid_to=args.valid_to,
        registered_at=now,
    )
    with _writing(config) as connection:
        register(connection, part)
    print(f"{config.station.name}: {part.text()}, registered by {args.by}")
    return 0


def _list(args: argparse.Namespace) -> int:
    from db.challenges import registered

    config = load_station_config(args.config)
    with _reading(config) as connection:
        found = registered(connection, config.station.name)
    now = datetime.now(UTC)
    for part in found:
        until = f" to {part.valid_to:%Y-%m-%d %H:%M}" if part.valid_to else ""
        valid = "valid" if part.is_valid(now) else "not valid"
        label = part.label or "any class"
        print(
            f"{part.code:<24} {part.expected:<7} {label:<16} {valid}: from {part.valid_from:%Y-%m-%d %H:%M}{until} UTC "
            f"by {part.registered_by}"
        )
    if not found:
        print(f"{config.station.name}: no challenge part is registered")
    return 0


def _due(args: argparse.Namespace) -> int:
    from db.challenges import standing
    from db.queries import latest_run
    from station.challenges.schedule import Serving, due

    config = load_station_config(args.config)
    with _reading(config) as connection:
        stands, run = standing(connection, config.station.name), latest_run(connection, config.station.name)
    settled = stands.settled
    print(f"last settled: {f'{settled.at:%Y-%m-%d %H:%M:%S} UTC' if settled else 'never'}")
    if config.challenge is None:
        print("due: nothing, the configuration has no [challenge]")
    elif run is not None:
        serving = Serving(run.recipe, run.bundle_id, run.started_at)
        found = due(config.challenge, settled, serving, datetime.now(UTC))
        print(f"due: {f'since {found.since:%Y-%m-%d %H:%M:%S} UTC: {found.why}' if found else 'nothing'}")
    print(f"line: {f'held: {stands.held}' if stands.held else 'not held'}")
    return 0


def _next(args: argparse.Namespace) -> int:
    from db.challenges import registered

    config = _watched(args)
    with _reading(config) as connection:
        known = {part.code: part for part in registered(connection, config.station.name)}
    now = datetime.now(UTC)
    if args.code not in known or not known[args.code].is_valid(now):
        valid = sorted(code for code, part in known.items() if part.is_valid(now))
        raise ChallengeRefused(
            f"code {args.code!r}: expected a registered part that is valid: {', '.join(valid) or 'none is'}"
        )
    give(config.station.folder, NextOrder, {"code": args.code, "by": args.by, "at": now})
    print(f"the next part of {config.station.name} is {known[args.code].text()}; a running line knows within a second")
    return 0


def _since(args: argparse.Namespace) -> int:
    from db.challenges import since_last_good

    config = load_station_config(args.config)
    with _reading(config) as connection:
        good, parts = since_last_good(connection, config.station.name)
        rows = [_cells(part) for part in parts]
    if args.csv is not None:
        _write_csv(args.csv, rows)
    else:
        for row in rows:
            print("  ".join(row))
    last = f"{good.triggered_at:%Y-%m-%d %H:%M:%S} UTC, part {good.part_id}" if good else "never"
    print(f"{len(rows)} parts since the last challenge that was met: {last}")
    return 0


def _cells(part: Any) -> list[str]:
    tag = part.tag
    moment = part.triggered_at.isoformat(timespec="milliseconds")
    outcome = "" if part.outcome is None else part.outcome.value
    names = (tag.part_ref or "", tag.lot or "", tag.serial or "")
    return [str(part.part_id), str(part.trigger), moment, *names, outcome, "; ".join(part.reasons)]


def _write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([_COLUMNS, *rows])
    except OSError as error:
        raise UserError(f"--csv: {path}: cannot be written ({error.strerror})") from error


def _release(args: argparse.Namespace) -> int:
    from db.accounts import Account, Permission, sign_in
    from db.audit_log import Change, record_change
    from db.challenges import standing

    config = _watched(args)
    password = _password(args.by)
    now = datetime.now(UTC)
    with _writing(config) as connection:
        account = sign_in(connection, args.by, password, now)
        held = standing(connection, config.station.name).held
        allowed = isinstance(account, Account) and (account.may(Permission.ORDER) or account.may(Permission.APPROVE))
        if allowed and held is not None and args.why.strip():
            change = Change(args.by, "line released", f"station {config.station.name}", args.why, {"held": held}, None)
            record_change(connection, change)
    # What was entered wrong is counted, so the transaction ends before anything is refused.
    if not isinstance(account, Account):
        raise AccessRefused(f"sign-in of {args.by!r}: {account}")
    if not allowed:
        raise AccessRefused(
            f"{account.name} is {account.role} and may not release a line; expected engineer or quality"
        )
    if held is None:
        raise UserError(f"{config.station.name}: the line is not held")
    give(config.station.folder, ReleaseOrder, {"by": args.by, "why": args.why, "at": now})
    print(f"{config.station.name}: released by {args.by}; it was held: {held}")
    return 0


def _watched(args: argparse.Namespace) -> StationConfig:
    config = load_station_config(args.config)
    if config.challenge is None:
        raise ConfigError(
            f"{args.config}: challenge: expected a [challenge] table; without one the line takes no orders"
        )
    return config


def _password(name: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"password of {name}: ")
    return sys.stdin.readline().rstrip("\n")


def _moment(words: str) -> datetime:
    try:
        moment = datetime.fromisoformat(words)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a time as 2026-01-31T12:00:00+00:00, found {words!r}") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"expected a time zone, found {words!r}")
    return moment


@contextmanager
def _reading(config: StationConfig) -> Iterator[Connection]:
    from db.engine import open_engine, storage_errors

    engine = open_engine(config.database_url)
    try:
        with storage_errors(engine.url), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _writing(config: StationConfig) -> Iterator[Connection]:
    from db.engine import WRITES, open_engine, storage_errors

    engine = open_engine(config.database_url)
    try:
        with storage_errors(engine.url), engine.connect() as connection:
            connection = connection.execution_options(**{WRITES: True})
            with connection.begin():
                yield connection
    finally:
        engine.dispose()
