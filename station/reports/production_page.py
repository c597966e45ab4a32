"""A shift or a lot as a page: what was made, what was stopped and why, and whether that is usual."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from db.history.control import Control
from db.history.defects import Pareto
from db.history.tallies import Period, Tally, interval
from inspector.risk import Rate
from inspector.values import Outcome
from station import pages
from station.demo.look import INK, LOOKS
from station.demo.plots import svg_of
from station.reports.production import Production, control_text, latency_text

_WIDTH_IN = 10.8
_MOST_ROWS, _BUNDLE_DIGITS = 30, 16
_PASS, _REJECT = LOOKS[Outcome.PASS].colour, LOOKS[Outcome.REJECT].colour
_DAY_S = 86_400


def write_page(out: Path, made: Production) -> None:
    chart = made.control
    page = pages.render(
        "reports/production.html.j2",
        looks=LOOKS,
        made=made,
        outcomes=Outcome,
        bounds=_bounds,
        latency=latency_text(made.latency),
        control=control_text(chart),
        about=_about(made),
        share=_percent,
        width=lambda by: _BUNDLE_DIGITS if by == "bundle" else None,
        groups=_groups(made),
        time_plot=time_plot(made.over_time) if made.over_time else None,
        pareto_plot=pareto_plot(made.pareto) if made.pareto.bars else None,
        control_plot=None if isinstance(chart, str) else control_plot(chart),
    )
    pages.write(page, out)


def _about(made: Production) -> str:
    """What all parts of the report have in common."""
    common = {by: next(iter(group)) for by, group in made.groups.items() if len(group) == 1}
    station = made.scope.station or common.get("station")
    said = [f"Station {station}" if station else "All stations"]
    if recipe := made.scope.recipe or common.get("recipe"):
        said.append(f"recipe {recipe}")
    if bundle := common.get("bundle"):
        said.append(f"bundle {bundle[:_BUNDLE_DIGITS]}")
    return ", ".join(said)


def _groups(made: Production) -> dict[str, list[tuple[str | None, Tally]]]:
    """Rows of the tables, where there is something to compare. Classes have a table of their own."""
    compared = {by: group for by, group in made.groups.items() if by != "class" and len(group) > 1}
    return {by: list(group.items())[:_MOST_ROWS] for by, group in compared.items()}


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _bounds(rate: Rate) -> str:
    low, high = interval(rate)
    return f"{100 * low:.3g} to {100 * high:.3g} %"


def time_plot(over_time: Sequence[Period]) -> str:
    """What was stopped, as a share of the parts of each period, and how many parts there were."""

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
        left = [_day(period.start) for period in over_time]
        width = [(_day(period.end) - day) * 0.92 for period, day in zip(over_time, left, strict=True)]
        bottom = [0.0] * len(left)
        for outcome in (Outcome.REJECT, Outcome.REVIEW, Outcome.NOT_INSPECTED):
            shares = [100 * p.tally.rate(outcome).value if p.tally.parts else 0.0 for p in over_time]
            look = LOOKS[outcome]
            if any(shares):
                bars = upper.bar(left, shares, width, bottom, align="edge", color=look.colour, hatch=look.hatch)
                bars.set_label(f"{look.shape} {outcome}")
            bottom = [below + share for below, share in zip(bottom, shares, strict=True)]
        upper.set(ylabel="stopped, % of parts")
        if upper.get_legend_handles_labels()[0]:
            upper.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0)
        lower.bar(left, [period.tally.parts for period in over_time], width, align="edge", color=_PASS)
        lower.set(ylabel="parts", xlabel="UTC", xlim=(left[0], _day(over_time[-1].end)))
        lower.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
        _dates(lower)
        for axes in (upper, lower):
            axes.grid(axis="x", visible=False)

    return svg_of(draw, "time", 3.9, _WIDTH_IN)


def pareto_plot(known: Pareto) -> str:
    """Rejects by class, and the share of all rejects that the classes so far make up."""
    bars = known.bars[:12]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        places = range(len(bars))
        axes.bar(places, [bar.share.count for bar in bars], 0.7, color=_REJECT, hatch=LOOKS[Outcome.REJECT].hatch)
        axes.set_xticks(places, [bar.label or "unnamed" for bar in bars], rotation=20, ha="right")
        axes.set(ylabel="rejects", ylim=(0, 1.05 * known.rejects))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="x", visible=False)
        so_far = axes.twinx()
        so_far.plot(places, [100 * bar.cumulated.value for bar in bars], marker="o", markersize=4.5, color=INK)
        so_far.set(ylim=(0, 105), ylabel="% of rejects, added up")
        so_far.grid(visible=False)

    return svg_of(draw, "pareto", 3.2)


def control_plot(known: Control) -> str:
    """The share of stopped parts of each period with the limits of its size; the last is the one that is judged."""
    shown = [*known.reference, known.judged]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        places = range(1 - len(shown), 1)
        shares = [100 * period.tally.stopped.value for period in shown]
        limits = [known.limits.of(period.tally.parts) for period in shown]
        axes.axhline(100 * known.limits.centre.value, color=INK, linewidth=0.9, linestyle=":")
        for side in (0, 1):
            axes.step(places, [100 * pair[side] for pair in limits], where="mid", color=INK, linewidth=0.9)
        axes.plot(places, shares, color=_PASS, linewidth=1.2, marker="o", markersize=4.5)
        look = LOOKS[Outcome.REJECT if known.beyond else Outcome.PASS]
        axes.plot([0], [shares[-1]], look.marker, markersize=9, color=look.colour)
        axes.set(xlabel="periods before this one", ylabel="stopped, % of parts", ylim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="x", visible=False)

    return svg_of(draw, "control", 3.2)


def _dates(axes: Axes) -> None:
    axes.xaxis_date()
    formatter = ConciseDateFormatter(axes.xaxis.get_major_locator())  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)


def _day(moment: datetime) -> float:
    """Return a moment as matplotlib counts: days since 1970."""
    return moment.timestamp() / _DAY_S
