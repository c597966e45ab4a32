"""Plots of a bench as SVG in the page's own colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inspector.benching import Bench, threads_of
from inspector.pace import Pace
from inspector.peaks import Peaks
from station.demo.look import INK
from station.demo.plots import svg_of

_COLOURS = {"float": "#0072b2", "cpu-int8": "#d55e00", "trt-int8": "#7d6b91"}
_MARKS = {"onnxruntime": "o", "openvino": "s"}


def times_plot(paces: Sequence[Pace]) -> str:
    """A bar to the median time of one picture, a line on to p99 and a point at p99.9, fastest on top."""
    ordered = sorted(paces, key=lambda pace: -pace.p50_ms / pace.batch)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for row, pace in enumerate(ordered):
            p50, p99, p999 = (value / pace.batch for value in (pace.p50_ms, pace.p99_ms, pace.p999_ms))
            axes.barh(row, p50, color=_COLOURS[pace.precision], height=0.6)
            axes.plot([p50, p99], [row, row], color=INK, linewidth=1)
            axes.plot([p999], [row], marker="|", color=INK)
        axes.set_yticks(range(len(ordered)), [name_of(pace) for pace in ordered])
        axes.set(xlabel="ms per picture: bar to the median, line to p99, mark at p99.9", xlim=(0, None))
        axes.grid(axis="y", visible=False)

    return svg_of(draw, "times", 0.9 + 0.27 * len(ordered), 10.8)


def name_of(pace: Pace) -> str:
    return f"{pace.runtime} {pace.precision}, {_counted(threads_of(pace))}, batch {pace.batch}"


def _counted(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def roofline_plot(bench: Bench) -> str:
    """What the machine can do by arithmetic intensity, and where each network stands below that."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for peaks in bench.peaks.values():
            _draw_roof(axes, peaks)
        for pace in bench.paces:
            if (limit := bench.bound_of(pace)) is not None and bench.work.macs:
                peaks = bench.peaks[threads_of(pace)]
                moved = limit.memory_ms / 1e3 * peaks.bytes_per_s
                speed = pace.batch * bench.work.macs / (pace.best_ms / 1e3) / 1e9
                mark, colour = _MARKS.get(pace.runtime, "^"), _COLOURS[pace.precision]
                axes.plot([pace.batch * bench.work.macs / moved], [speed], mark, color=colour, markersize=6)
        axes.set(xscale="log", yscale="log", xlabel="multiply-accumulates for each byte that must be moved")
        axes.set_ylabel("10^9 multiply-accumulates per second")

    return svg_of(draw, "roofline", 3.6, 10.8)


def _draw_roof(axes: Axes, peaks: Peaks) -> None:
    intensity = np.logspace(-1, 4, 60)
    for precision in ("float", "cpu-int8"):
        limit = np.minimum(intensity * peaks.bytes_per_s, peaks.macs_per_s(precision)) / 1e9
        axes.plot(intensity, limit, color=_COLOURS[precision], linewidth=1.2)
        words = f"{precision.removeprefix('cpu-')}, {_counted(peaks.threads)}"
        axes.annotate(words, (intensity[-1], limit[-1]), ha="right", va="bottom", fontsize=8)
