"""The files and lines of a report on production."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from station.reports.writing import write_csv, write_json

if TYPE_CHECKING:
    from station.reports.production import Production


def tell(args: argparse.Namespace, made: Production) -> int:
    from station.reports.production import COLUMNS, figures, lines, table

    if args.html:
        from station.pages import require_packages

        require_packages("leave out --html")
    if args.json:
        write_json(args.json, figures(made))
    if args.csv:
        write_csv(args.csv, COLUMNS, table(made))
    if args.html:
        from station.reports.production_page import write_page

        write_page(args.html, made)
    print("\n".join(lines(made)))
    return 0
