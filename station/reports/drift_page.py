"""The drift report as a page: one chart for each figure over time, with its usual level and its alarms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from db.records import Event
from inspector.drift_alarms import FIGURES
from inspector.values import Outcome
from station import pages
from station.demo.look import INK, LOOKS
from station.demo.plots import svg_of
from station.reports.drift import DriftRecord, Moment

_WIDTH_IN, _HEIGHT_IN = 10.8, 1.5


def write_page(out: Path, record: DriftRecord, about: str) -> None:
    plots = {
        watch: charts(moments, [event for event in record.alarms if event.station == watch[0]])
        for watch, moments in record.watches.items()
    }
    pages.write(pages.render("reports/drift.html.j2", looks=LOOKS, about=about, record=record, plots=plots), out)


def charts(moments: Sequence[Moment], alarms: Sequence[Event]) -> str:
    """Draw each figure's level over time: a dotted line is what was usual, a dashed one an alarm."""
    names = list(moments[-1].point.levels)

    def draw(figure: Figure) -> None:
        for place, axes in enumerate(figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]):
            _draw_figure(axes, names[place], moments, alarms)
        axes.xaxis_date()
        axes.set_xlabel("UTC")

    return svg_of(draw, "drift", 0.6 + _HEIGHT_IN * len(names), _WIDTH_IN)


def _draw_figure(axes: Axes, name: str, moments: Sequence[Moment], alarms: Sequence[Event]) -> None:
    shown = [moment for moment in moments if name in moment.point.levels]
    times = [_day(moment.at) for moment in shown]
    axes.plot(
        times,
        [moment.point.levels[name] for moment in shown],
        color=LOOKS[Outcome.PASS].colour,
        linewidth=1.6,
        marker="o" if len(shown) == 1 else "",
    )
    axes.axhline(shown[-1].point.usual[name], color=INK, linewidth=0.9, linestyle=":")
    for alarm in alarms:
        axes.axvline(_day(alarm.at), color=LOOKS[Outcome.REJECT].colour, linewidth=1.1, linestyle="--")
    axes.set_ylabel(FIGURES[name].name if name in FIGURES else name, rotation=0, ha="right", va="center")
    axes.margins(y=0.25)


def _day(moment: datetime) -> float:
    """Return a moment as matplotlib counts: days since 1970."""
    return moment.timestamp() / 86_400
