"""The `inspector` command: sub-commands are found by entry point, so that the core imports nobody."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import NoReturn, Protocol

from inspector.errors import InspectorError, UserError
from inspector.logs import configure

GROUP = "inspector.commands"
_ORDER = (
    "demo",
    "train",
    "evaluate",
    "predict",
    "certify",
    "bench",
    "enrol",
    "bundle",
    "station",
    "gui",
    "label",
    "report",
    "db",
    "release",
    "backtest",
)
_EXTRAS = {"training": "training", "gui": "gui", "db": "plant"}


class Command(Protocol):
    """A module that is a sub-command."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


class OneLineParser(argparse.ArgumentParser):
    """A parser, and by inheritance its sub-parsers, that says in one line what is wrong and where help is."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {one_line(message)}; see `{self.prog} --help`\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command; 0 on success, 2 on bad usage or bad input with one line on stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        configure()
        args = _parser(words).parse_args(words)
        if "run" not in args:
            _parser(words).print_help()
            return 0 if not words else 2
        status = _run(args)
        sys.stdout.flush()
    except InspectorError as error:
        print(f"inspector: {one_line(str(error))}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("inspector: interrupted", file=sys.stderr)
        return 130
    return status


def _run(args: argparse.Namespace) -> int:
    """Run the command; a package of an extra that it imports only now, and that is not there, is bad usage."""
    try:
        status: int = args.run(args)
    except ModuleNotFoundError as error:
        raise UserError(f"{args.command} {_advice(args.package, error)}") from error
    return status


def one_line(message: str) -> str:
    """Return a message that lists its faults on several lines as one."""
    head, *rest = [line.strip() for line in message.splitlines() if line.strip()] or ["unknown fault"]
    return f"{head}: {'; '.join(rest)}" if rest else head


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="inspector",
        description="Industrial defect inspection: train, prove, run and audit. Start with `inspector demo`.",
    )
    parser.add_argument("--version", action="version", version=f"inspector {version('open-inspector')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    asked = next((word for word in words if not word.startswith("-")), None)
    for point in sorted(entry_points(group=GROUP), key=_position):
        _add(commands, point, asked)
    return parser


def _add(commands: argparse._SubParsersAction[OneLineParser], point: EntryPoint, asked: str | None) -> None:
    """Add a sub-command. Only the one asked for is imported; the others must not cost its start."""
    if asked is not None and asked != point.name:
        commands.add_parser(point.name, add_help=False)
        return
    try:
        command: Command = point.load()
    except ModuleNotFoundError as error:
        _add_missing(commands, point, error)
        return
    sub = commands.add_parser(
        point.name, help=command.HELP, description=command.HELP, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    sub.set_defaults(run=command.run, command=point.name, package=_package(point))
    command.add_arguments(sub)


def _add_missing(
    commands: argparse._SubParsersAction[OneLineParser], point: EntryPoint, error: ModuleNotFoundError
) -> None:
    advice = _advice(_package(point), error)
    sub = commands.add_parser(point.name, help=advice, add_help=False)
    sub.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)

    def refuse(_: argparse.Namespace) -> int:
        raise UserError(f"{point.name} {advice}")

    sub.set_defaults(run=refuse)


def _package(point: EntryPoint) -> str:
    return point.value.split(".")[0]


def _advice(package: str, error: ModuleNotFoundError) -> str:
    return f"needs {error.name}: pip install 'open-inspector[{_EXTRAS.get(package, 'all')}]'"


def _position(point: EntryPoint) -> tuple[int, str]:
    return (_ORDER.index(point.name) if point.name in _ORDER else len(_ORDER), point.name)


if __name__ == "__main__":
    sys.exit(main())
