"""`inspector gui`: the operator's desktop."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

from inspector.errors import UserError

HELP = "open the operator's desktop: review of parts, live view of stations"

# Qt and SQLAlchemy are loaded by the action and not by this module: `inspector --help` imports every command.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        metavar="URL",
        help="URL or SQLite file (default: INSPECTOR_DATABASE, else inspector.sqlite, else the demo's, running)",
    )
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="root of the image store (default: images beside an SQLite file)"
    )
    parser.add_argument(
        "--bundles", type=Path, metavar="DIR", help="where trained bundles appear (default: bundles beside the images)"
    )
    parser.add_argument(
        "--station",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a station's own port, as http://127.0.0.1:8472, for what it does as it happens; may be repeated",
    )
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="what the stations' ports ask for, if they do")
    parser.add_argument("--language", choices=("en", "de"), help="default: the system's, else English")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark", help="colours")


def run(args: argparse.Namespace) -> int:
    from gui.application import require_display, run_desktop
    from gui.database import open_source
    from gui.demo_line import demo_line, is_wanted
    from gui.live.stream import parse_address

    token = _token(args.token_file)
    for address in args.station:
        parse_address(address)
    stations = [(address, token) for address in args.station]
    with ExitStack() as stack:
        if is_wanted(args.database):
            require_display()
            stations.append((stack.enter_context(demo_line()), None))
        source = open_source(args.database, args.images, args.bundles)
        stack.callback(source.engine.dispose)
        return run_desktop(source, args.language, args.theme, tuple(stations))


def _token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"--token-file {path}: cannot be read ({error}); expected a file that holds the token"
        ) from error
