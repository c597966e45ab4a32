"""From numbers to charts: what is a point, what is said of it, and which parts it is made of."""

from __future__ import annotations

from datetime import datetime

from db.history.latencies import Latency
from db.history.listing import Wanted
from db.history.over_time import Measure, Stopped
from db.history.scope import Scope
from gui.charts.model import Chart, Form, Look, Name, Point, Trace
from gui.figures.numbers import Drift, Numbers
from gui.figures.tiles import between, percent
from gui.words import tr
from inspector.values import Outcome

BARS = 8
"""Classes shown in the Pareto chart; the others are one bar."""
_DIVERTED = (Outcome.REJECT, Outcome.REVIEW, Outcome.NOT_INSPECTED)


def all_charts(numbers: Numbers) -> tuple[Chart, ...]:
    """Six charts, row by row."""
    return (
        yield_chart(numbers),
        stopped_chart(numbers),
        drift_chart(numbers),
        pareto_chart(numbers),
        trust_chart(numbers),
        latency_chart(numbers),
    )


def rule_word(rule: str) -> str:
    """A run rule of `inspector.charts`; one that is not known stands for itself."""
    words = {
        "one point beyond 3 sigma": tr("one point beyond 3 sigma"),
        "2 of 3 points beyond 2 sigma": tr("2 of 3 points beyond 2 sigma"),
        "4 of 5 points beyond 1 sigma": tr("4 of 5 points beyond 1 sigma"),
        "8 points on one side": tr("8 points on one side"),
    }
    return words.get(rule, rule)


def measure_word(measure: Measure) -> str:
    return {
        Measure.BRIGHTNESS: tr("Brightness"),
        Measure.FOCUS: tr("Sharpness"),
        Measure.NOVELTY: tr("Novelty"),
        Measure.PROBABILITY: tr("Defect probability"),
    }[measure]


def yield_chart(numbers: Numbers) -> Chart:
    points = []
    for place, (one, limits) in enumerate(numbers.yields):
        if one.rate is None:
            continue
        passes, n = one.rate.n - one.rate.count, one.rate.n
        said = tr("{count} of {n} passed", count=passes, n=n)
        band = tr("between {low} and {high} (95 %)", low=percent(limits[0]), high=percent(limits[1]))
        wanted = Wanted(numbers.scope.between(*_within(numbers.scope, one.start, one.end)))
        points.append(
            Point(
                place, passes / n, f"{_time(one.start)}: {percent(passes / n)}, {said}; {band}", *limits, parts=wanted
            )
        )
    return Chart(
        title=tr("Yield"),
        caption=tr("With exact 95 % intervals"),
        points=tuple(points),
        names=_times([one.start for one, _ in numbers.yields]),
        x_range=_places(len(points)),
        percent=True,
        empty=tr("No part in this choice."),
    )


def stopped_chart(numbers: Numbers) -> Chart:
    """The p' chart."""
    label, found = numbers.question.label, numbers.control
    title = tr("Stopped parts, p' chart") if label is None else tr("Stopped as {label}, p' chart", label=label)
    if found is None:
        empty = tr("No chart: it needs two stretches of time with parts, and parts of both kinds.")
        return Chart(title, empty=empty)
    points = []
    for place, one in enumerate(found.points):
        said = tr("{count} of {n} parts", count=one.rate.count, n=one.rate.n)
        words = f"{_time(one.stopped.start)}: {percent(one.rate.value)}, {said}"
        words += "" if one.rule is None else f"; {rule_word(one.rule)}"
        wanted = _stops(numbers, one.stopped)
        points.append(Point(place, one.rate.value, words, flagged=one.rule is not None, parts=wanted))
    xs = tuple(float(place) for place in range(len(points)))
    centre = found.usual.centre
    caption = tr(
        "Centre {share} ({count} of {n}), limits of these {stretches} stretches; diamonds break a run rule",
        share=percent(centre.value),
        count=centre.count,
        n=centre.n,
        stretches=found.usual.subgroups,
    )
    lines = (
        Trace(Look.CENTRE, xs, tuple(centre.value for _ in xs)),
        Trace(Look.LIMIT, xs, tuple(one.limits[0] for one in found.points)),
        Trace(Look.LIMIT, xs, tuple(one.limits[1] for one in found.points)),
    )
    names = _times([one.stopped.start for one in found.points])
    return Chart(title, caption, Form.LINE, tuple(points), lines, names, _places(len(points)), percent=True)


def drift_chart(numbers: Numbers) -> Chart:
    """The EWMA chart."""
    title = tr("{measure}, EWMA", measure=measure_word(numbers.question.measure))
    if numbers.drift is None:
        return Chart(title, empty=tr("No chart: it needs two stretches of time in which this was measured."))
    return _drift_chart(numbers, title, numbers.drift)


def _drift_chart(numbers: Numbers, title: str, found: Drift) -> Chart:
    points = []
    for place, (mean, level) in enumerate(zip(found.means, found.average.levels, strict=True)):
        said = tr(
            "level {level}, mean {mean} of {n} views", level=f"{level.value:.4g}", mean=f"{mean.value:.4g}", n=mean.n
        )
        wanted = Wanted(numbers.scope.between(*_within(numbers.scope, mean.start, mean.end)))
        points.append(Point(place, level.value, f"{_time(mean.start)}: {said}", flagged=level.beyond, parts=wanted))
    xs, levels = tuple(float(place) for place in range(len(points))), found.average.levels
    caption = tr(
        "Centre {centre}, {n} views; dots: means; limits 3 sigma of these stretches",
        centre=f"{found.average.centre:.4g}",
        n=sum(mean.n for mean in found.means),
    )
    lines = (
        Trace(Look.CENTRE, xs, tuple(found.average.centre for _ in xs)),
        Trace(Look.CURVE, xs, tuple(mean.value for mean in found.means)),
        Trace(Look.LIMIT, xs, tuple(level.low for level in levels)),
        Trace(Look.LIMIT, xs, tuple(level.high for level in levels)),
    )
    names = _times([mean.start for mean in found.means])
    return Chart(title, caption, Form.LINE, tuple(points), lines, names, _places(len(points)))


def pareto_chart(numbers: Numbers) -> Chart:
    found, scope = numbers.pareto, numbers.scope
    points, names = [], []
    for place, bar in enumerate(found.bars[:BARS]):
        label = bar.label or tr("no class")
        said = tr("{count} of {n} parts", count=bar.share.count, n=bar.share.n)
        so_far = tr("with those before {share} of the rejects", share=percent(bar.cumulated.value))
        wanted = None if bar.label is None else Wanted(scope, (Outcome.REJECT,), bar.label)
        chosen = bar.label is not None and bar.label == numbers.question.label
        words = f"{label}: {said}, {between(bar.share)}; {so_far}"
        points.append(Point(place, bar.share.count, words, flagged=chosen, parts=wanted))
        names.append(Name(place, label))
    shown = sum(bar.share.count for bar in found.bars[:BARS])
    if found.bars[BARS:]:
        said = tr("{count} of {n} parts", count=found.rejects - shown, n=found.parts)
        points.append(Point(BARS, found.rejects - shown, f"{tr('others')}: {said}"))
        names.append(Name(BARS, tr("others")))
    return Chart(
        title=tr("Rejects by class"),
        caption=tr("{rejects} rejects of {n} parts", rejects=found.rejects, n=found.parts),
        form=Form.BARS,
        points=tuple(points),
        names=tuple(names),
        x_range=(-0.5, max(len(points), 1) - 0.5),
        empty=tr("No part was rejected."),
    )


def trust_chart(numbers: Numbers) -> Chart:
    """The reliability diagram."""
    points = []
    for one in numbers.trust:
        words = tr(
            "said {said}: {count} of {n} labelled parts are defective, {band}",
            said=percent(one.said),
            count=one.defective.count,
            n=one.defective.n,
            band=between(one.defective),
        )
        wanted = Wanted(numbers.scope, parts=tuple(truth.part_id for truth in one.parts))
        flagged = not one.interval[0] <= one.said <= one.interval[1]
        points.append(Point(one.said, one.defective.value, words, *one.interval, flagged=flagged, parts=wanted))
    count = sum(one.defective.n for one in numbers.trust)
    return Chart(
        title=tr("Probability said, and seen"),
        caption=tr("{n} labelled parts, which are no random ones; a diamond lies off the diagonal", n=count),
        form=Form.POINTS,
        points=tuple(points),
        traces=(Trace(Look.CENTRE, (0.0, 1.0), (0.0, 1.0)),),
        names=tuple(Name(at, percent(at)) for at in (0.0, 0.25, 0.5, 0.75, 1.0)),
        y_range=(0.0, 1.0),
        percent=True,
        empty=tr("No part of this choice is labelled."),
    )


def latency_chart(numbers: Numbers) -> Chart:
    title, found = tr("Latency, ms"), numbers.latency
    if found is None:
        return Chart(title, empty=tr("No part of this choice was timed."))
    points = tuple(
        Point(
            place,
            ms,
            tr("{name}: {ms} ms, of {n} parts", name=name, ms=f"{ms:.1f}", n=found.n),
            parts=Wanted(numbers.scope, slower_than_ms=ms),
        )
        for place, (name, ms) in enumerate(_percentiles(found))
    )
    return Chart(
        title=title,
        caption=tr("Trigger to verdict, {n} parts", n=found.n),
        form=Form.BARS,
        points=points,
        names=tuple(Name(place, name) for place, (name, _) in enumerate(_percentiles(found))),
        x_range=(-0.5, len(points) - 0.5),
    )


def _percentiles(found: Latency) -> tuple[tuple[str, float], ...]:
    return ("50 %", found.p50_ms), ("95 %", found.p95_ms), ("99 %", found.p99_ms), (tr("longest"), found.worst_ms)


def _stops(numbers: Numbers, one: Stopped) -> Wanted:
    within = numbers.scope.between(*_within(numbers.scope, one.start, one.end))
    return Wanted(within, _DIVERTED, numbers.question.label)


def _within(scope: Scope, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """A stretch, cut to the scope's own time."""
    return max(start, scope.since or start), min(end, scope.until or end)


def _time(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}".removesuffix(":00")


def _times(moments: list[datetime]) -> tuple[Name, ...]:
    """Names of stretches, as short as tells them apart."""
    local = [moment.astimezone() for moment in moments]
    days = len({moment.date() for moment in local})
    whole = all(moment.second == 0 for moment in local)
    words = "%d.%m. %H:%M" if days > 1 else "%H:%M" if whole else "%H:%M:%S"
    if days > 1 and all(moment.hour == local[0].hour and moment.minute == 0 for moment in local):
        words = "%Y-%m-%d"
    return tuple(Name(place, f"{moment:{words}}") for place, moment in enumerate(local))


def _places(count: int) -> tuple[float, float]:
    return (-0.5, max(count, 1) - 0.5)
