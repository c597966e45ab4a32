"""One self-contained HTML file on how fast a bundle's networks are on a machine, and why not faster."""

from __future__ import annotations

from pathlib import Path

from inspector.benching import Bench, threads_of
from station import pages
from station.demo.look import LOOKS


def require_packages() -> None:
    """Raise UserError, saying what to install, where a package is missing."""
    pages.require_packages("leave out --html")


def write_report(bench: Bench, out: Path) -> None:
    """Write the page; raise UserError where it cannot be written."""
    from station.benching import plots

    page = pages.render(
        "benching/report.html.j2",
        bench=bench,
        figures=bench.figures(),
        rows=[(pace, threads_of(pace), bench.bound_of(pace), bench.cost_of(pace)) for pace in bench.paces],
        looks=LOOKS,
        plots={"times": plots.times_plot(bench.paces), "roofline": plots.roofline_plot(bench)},
    )
    pages.write(page, out)
