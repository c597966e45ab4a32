"""Plots of an evaluation as SVG in the page's own colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from inspector.figures import JudgedPart
from inspector.values import Outcome
from inspector.verdict import Policy
from station.demo.look import INK, LOOKS
from station.demo.plots import reliability_plot, svg_of
from station.evaluation.curves import Curve

__all__ = ["curve_plot", "reliability_plot", "score_plot", "seconds_plot"]

Floats = NDArray[np.float64]
_GOOD, _DEFECTIVE = LOOKS[Outcome.PASS].colour, LOOKS[Outcome.REJECT].colour
_LINES = (_GOOD, _DEFECTIVE, "#009e73", "#cc79a7", "#e0a000", "#7d6b91", "#56b4e9")
_EDGE = 1e-4
"""Probabilities beyond are drawn here: the first and last bar hold everything beyond."""
_TICKS = {0.0001: "0.01 %", 0.001: "0.1 %", 0.01: "1 %", 0.1: "10 %", 0.5: "50 %", 0.9: "90 %", 0.99: "99 %"}
_TICKS |= {0.999: "99.9 %", 0.9999: "99.99 %"}


def score_plot(parts: Sequence[JudgedPart], policy: Policy) -> str:
    """Defect probabilities of good parts upwards and of defective ones downwards, each as a share of its kind."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        edges = np.linspace(_logit(_EDGE), _logit(1 - _EDGE), 61)
        for is_defect, colour, word, side in ((False, _GOOD, "good", 1), (True, _DEFECTIVE, "defective", -1)):
            said = np.array([part.prediction.defect_probability for part in parts if part.is_defect is is_defect])
            if said.size:
                heights = 100 * side * np.histogram(_logit(said), edges)[0] / said.size
                hatch = "" if side > 0 else "////"
                name = f"{said.size} {word} parts"
                axes.bar(edges[:-1], heights, np.diff(edges), align="edge", color=colour, hatch=hatch, label=name)
        axes.axhline(0, color=INK, linewidth=0.8)
        _draw_limits(axes, policy)
        axes.xaxis.set_major_locator(FixedLocator([float(_logit(tick)) for tick in _TICKS]))
        axes.set_xticklabels(_TICKS.values())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):g} %"))
        axes.set(xlabel="defect probability", ylabel="share of the kind", xlim=(edges[0], edges[-1]))
        axes.margins(y=0.18)
        axes.grid(axis="x", visible=False)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)

    return svg_of(draw, "scores", 3.3, 10.8)


def _draw_limits(axes: Axes, policy: Policy) -> None:
    limits = ((policy.pass_below, "pass below", "right", -4), (policy.reject_above, "reject from", "left", 4))
    for limit, word, side, offset in limits:
        place = float(_logit(limit))
        axes.axvline(place, color=INK, linewidth=1.2, linestyle="--")
        axes.annotate(
            f"{word} {limit:.4g}",
            (place, 0.95),
            (offset, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha=side,
            va="center",
        )


def curve_plot(curves: Sequence[Curve]) -> str | None:
    """Precision against recall, one line per curve; None without any."""
    if not curves:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for number, curve in enumerate(curves):
            colour, style = _LINES[number % len(_LINES)], ("-", "--", ":")[number // len(_LINES) % 3]
            axes.step(
                curve.recall,
                curve.precision,
                where="post",
                color=colour,
                linestyle=style,
                linewidth=2.2 if number == 0 else 1.2,
                label=curve.name,
            )
        axes.set(xlabel=curves[0].recall_of, ylabel=curves[0].precision_of, xlim=(0, 1.01), ylim=(0, 1.03))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.legend(loc="lower left", fontsize=8.5)

    return svg_of(draw, "recall", 3.9)


def seconds_plot(seconds: Sequence[float]) -> str:
    """Time per part."""
    shown_ms = 1e3 * np.array(seconds)
    p50, p99 = (float(np.quantile(shown_ms, share, method="inverted_cdf")) for share in (0.5, 0.99))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.hist(np.minimum(shown_ms, max(1.5 * p99, 1.5 * p50)), bins=40, color=_GOOD, alpha=0.85, linewidth=0)
        for value, name, style, height in ((p50, "p50", "-", 0.92), (p99, "p99", "--", 0.78)):
            axes.axvline(value, color=INK, linewidth=1.2, linestyle=style)
            place = (value, height)
            text = f"{name} {value:.1f} ms"
            axes.annotate(text, place, (4, 0), xycoords=("data", "axes fraction"), textcoords="offset points")
        axes.set(xlabel="time per part, ms (the last bar holds everything beyond)", ylabel="parts")
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))

    return svg_of(draw, "seconds", 2.5)


def _logit(share: Floats | float) -> Floats:
    inside = np.clip(np.asarray(share, np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(inside / (1 - inside)))
