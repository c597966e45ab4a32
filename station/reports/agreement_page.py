"""Agreement as a page, with a plot of every kappa and its interval."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from inspector.agreement import Kappa
from inspector.values import Outcome
from station import pages
from station.demo.look import INK, LOOKS
from station.demo.plots import svg_of
from station.reports.studies import Studies


def write_page(out: Path, known: Studies, about: str) -> None:
    page = pages.render("reports/agreement.html.j2", looks=LOOKS, about=about, known=known, plot=kappa_plot(known))
    pages.write(page, out)


def kappa_plot(known: Studies) -> str | None:
    """Every kappa with its interval; None where none is stated."""
    named = [("all persons", known.all_raters)]
    named += [(f"{one} and {other}", kappa) for (one, other), kappa in known.pairs.items()]
    named += [(f"{rater} and machine", kappa) for rater, kappa in known.machine.items()]
    rows = [(name, kappa) for name, kappa in named if isinstance(kappa, Kappa)]
    if not rows:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, (_, kappa) in enumerate(rows):
            colour = LOOKS[Outcome.PASS].colour
            axes.plot([kappa.low, kappa.high], [place, place], color=colour, linewidth=1.8, alpha=0.6)
            axes.plot([kappa.value], [place], marker="o", markersize=6.5, color=colour)
        axes.axvline(0, color=INK, linewidth=0.9, linestyle=":")
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set(xlabel="kappa: 0 as by chance, 1 full agreement", ylim=(len(rows) - 0.5, -0.5))
        axes.set_xlim(right=1.03)
        axes.grid(axis="y", visible=False)

    return svg_of(draw, "kappa", 0.9 + 0.45 * len(rows), 10.8)
