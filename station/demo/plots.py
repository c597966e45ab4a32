"""The report's plots as SVG that takes its text and line colours from the page, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from inspector.values import Outcome
from station.demo.figures import KnownPart, ReliabilityBin, latencies_ms
from station.demo.look import INK, LOOKS, RULE

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "hatch.linewidth": 0.6,
}
_BLUE = LOOKS[Outcome.PASS].colour
_EDGE = 0.0005
"""Shares of 0 and 1 have no place on a logit axis; they are drawn here, hollow."""
_TICKS = {0.001: "0.1 %", 0.01: "1 %", 0.1: "10 %", 0.5: "50 %", 0.9: "90 %", 0.99: "99 %", 0.999: "99.9 %"}


def latency_plot(parts: Sequence[KnownPart], p50_ms: float | None, p99_ms: float | None) -> str | None:
    """Histogram of trigger to verdict; None where no part has a latency."""
    latencies = latencies_ms(parts)
    if not latencies.size or p50_ms is None or p99_ms is None:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        shown = np.minimum(latencies, max(2 * p99_ms, 1.5 * p50_ms))
        axes.hist(shown, bins=40, color=_BLUE, alpha=0.85, linewidth=0)
        for value, name, style in ((p50_ms, "p50", "-"), (p99_ms, "p99", "--")):
            axes.axvline(value, color=INK, linewidth=1.2, linestyle=style)
            place = (value, 0.92 if name == "p50" else 0.78)
            text = f"{name} {value:.1f} ms"
            axes.annotate(text, place, (4, 0), xycoords=("data", "axes fraction"), textcoords="offset points")
        axes.set(xlabel="trigger to verdict, ms (the last bar holds everything beyond)", ylabel="parts")
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))

    return svg_of(draw, "latency", 2.5)


def reliability_plot(bins: Sequence[ReliabilityBin]) -> str | None:
    """Said against seen on logit axes, where the many parts near 0 can be told apart; None without bins."""
    if not bins:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.plot([_EDGE, 1 - _EDGE], [_EDGE, 1 - _EDGE], color=INK, linewidth=0.9, linestyle=":")
        for one in bins:
            _draw_bin(axes, one)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(FixedLocator(list(_TICKS)))
            axis.set_minor_locator(NullLocator())
        axes.set(xlabel="defect probability said (mean of the bin)", ylabel="share that was defective")
        axes.set(xlim=(_EDGE / 2, 1 - _EDGE / 2), ylim=(_EDGE / 2, 1 - _EDGE / 2))
        axes.set_xticklabels(_TICKS.values(), rotation=30, ha="right")
        axes.set_yticklabels(_TICKS.values())

    return svg_of(draw, "reliability", 3.9)


def _draw_bin(axes: Axes, one: ReliabilityBin) -> None:
    axes.set(xscale="logit", yscale="logit")
    x = float(np.clip(one.mean_probability, _EDGE, 1 - _EDGE))
    y = float(np.clip(one.defective.value, _EDGE, 1 - _EDGE))
    low, high = np.clip((one.low, one.high), _EDGE, 1 - _EDGE)
    at_edge = one.defective.value in (0.0, 1.0)
    axes.plot([x, x], [low, high], color=_BLUE, linewidth=1.6, alpha=0.55)
    axes.plot([x], [y], marker="o", markersize=6.5, color=_BLUE, markerfacecolor="none" if at_edge else _BLUE)
    if one.defective.count:  # the many bins without a defect lie side by side; the caption speaks for them
        label = f"{one.defective.count}/{one.defective.n}"
        axes.annotate(label, (x, y), (-7, -3), textcoords="offset points", fontsize=8, ha="right")


def time_plot(parts: Sequence[KnownPart], most_bins: int = 30) -> str:
    """Outcomes other than PASS along the run, and the brightness of the pictures below."""

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.3))
        _draw_outcomes(upper, parts, most_bins)
        _draw_brightness(lower, parts)

    return svg_of(draw, "time", 3.9, 10.8)


def _draw_outcomes(axes: Axes, parts: Sequence[KnownPart], most_bins: int) -> None:
    cuts = [cut for cut in np.array_split(np.arange(len(parts)), min(most_bins, len(parts))) if cut.size]
    left = np.array([parts[cut[0]].record.trigger - 0.5 for cut in cuts])
    width = np.array([parts[cut[-1]].record.trigger + 0.5 for cut in cuts]) - left
    bottom = np.zeros(len(cuts))
    for outcome in (Outcome.REJECT, Outcome.REVIEW, Outcome.NOT_INSPECTED):
        counts = np.array([sum(parts[i].record.outcome is outcome for i in cut) for cut in cuts], np.float64)
        shares = 100 * counts / [cut.size for cut in cuts]
        look = LOOKS[outcome]
        if counts.any():
            bars = axes.bar(left, shares, width * 0.9, bottom, align="edge", color=look.colour, hatch=look.hatch)
            bars.set_label(f"{look.shape} {outcome}")
        bottom += shares
    missed = [part.record.trigger for part in parts if part.escaped]
    if missed:
        axes.plot(missed, [0] * len(missed), "v", color=INK, markersize=7, clip_on=False, label="escaped")
    axes.set(ylabel="% of parts")
    axes.margins(x=0.01)
    axes.grid(axis="x", visible=False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0)


def _draw_brightness(axes: Axes, parts: Sequence[KnownPart]) -> None:
    seen = [(part.record.trigger, part.record.views[0].quality.brightness) for part in parts if part.record.views]
    if seen:
        trigger, brightness = zip(*seen, strict=True)
        axes.plot(trigger, brightness, color=INK, linewidth=0.9)
    axes.set(xlabel="part", ylabel="mean grey\nlevel")
    axes.grid(axis="x", visible=False)


def svg_of(draw: Callable[[Figure], None], name: str, height_in: float, width_in: float = 5.3) -> str:
    """Draw a figure and return it as inline SVG; INK becomes the page's text colour, RULE its line colour."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        draw(figure)
        target = io.StringIO()
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None})
    svg = target.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor").replace(RULE, "var(--rule)")
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', rf'<svg role="img" class="{name}" viewBox="\1">', svg, count=1)
    return re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
