"""The audit as a page, with a plot of each stratum's escapes and bounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from db.label_queries import Audit
from inspector.audit import AuditedStratum, EscapeEstimate, least_escapes, most_escapes
from inspector.values import Outcome
from station import pages
from station.demo.look import INK, LOOKS
from station.demo.plots import svg_of
from station.reports.audit import table
from station.reports.void import VoidPeriod

_MOST_ROWS = 50


def write_page(out: Path, known: Audit, estimate: EscapeEstimate, about: str, void: Sequence[VoidPeriod] = ()) -> None:
    page = pages.render(
        "reports/audit.html.j2",
        looks=LOOKS,
        about=about,
        estimate=estimate,
        void=void,
        rows=table(estimate),
        known=known,
        found=known.found[:_MOST_ROWS],
        defective=estimate.share_of_defective(known.caught) if known.caught else None,
        plot=strata_plot(estimate),
    )
    pages.write(page, out)


def strata_plot(estimate: EscapeEstimate) -> str:
    """Share of escapes in each stratum with its own two-sided interval, and over all strata, as percentages."""
    rows = [_share(one, estimate.confidence) for one in estimate.strata if one.population]
    bounds = estimate.bounds
    scale = 100 / estimate.passes
    rows.append(("all", bounds.low * scale, estimate.hajek * scale, bounds.high * scale))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, (_, low, seen, high) in enumerate(rows):
            colour = INK if place == len(rows) - 1 else LOOKS[Outcome.PASS].colour
            axes.plot([low, high], [place, place], color=colour, linewidth=1.8, alpha=0.6)
            axes.plot([seen], [place], marker="o", markersize=6.5, color=colour)
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.set(xlabel="escapes, % of passes", ylim=(len(rows) - 0.5, -0.5))
        axes.set_xlim(left=0)
        axes.grid(axis="y", visible=False)

    return svg_of(draw, "strata", 0.9 + 0.45 * len(rows), 10.8)


def _share(one: AuditedStratum, confidence: float) -> tuple[str, float, float, float]:
    risk, scale = (1 - confidence) / 2, 100 / one.population
    low = least_escapes(one.population, one.labelled, one.escapes, risk)
    high = most_escapes(one.population, one.labelled, one.escapes, risk)
    return one.name, low * scale, 100 * one.escapes / max(1, one.labelled), high * scale
