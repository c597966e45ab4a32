"""All numbers of the screen, read at once and off the GUI thread; none is there where the parts do not define it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection

from db.history.choices import Choices, choices
from db.history.defects import Pareto, pareto
from db.history.labelled import Escapes, Overkill, Truth, escapes, overkill, truths
from db.history.latencies import Latency, latency
from db.history.over_time import Mean, Measure, Stopped, even_edges, means_over_time, stopped_over_time
from db.history.scope import Scope
from db.history.tallies import Tally, interval, span, tally
from inspector.calibration.reliability import BINS, bins
from inspector.charts import broken_rule
from inspector.errors import UndefinedFigure
from inspector.ewma import MovingAverage, moving_average
from inspector.prime_limits import PrimeLimits, prime_limits
from inspector.risk import Rate

STRETCHES = 40
"""At most so many points in a chart over time."""
Figure = TypeVar("Figure")


@dataclass(frozen=True, slots=True)
class Question:
    """What the person chose. `back` None: all parts on record."""

    back: timedelta | None = timedelta(days=7)
    scope: Scope = field(default_factory=Scope)
    label: str | None = None
    """A class: what is stopped counts where the verdict names it, of all parts."""
    measure: Measure = Measure.BRIGHTNESS


@dataclass(frozen=True, slots=True)
class ControlPoint:
    """A stretch of time on the p' chart."""

    stopped: Stopped
    rate: Rate
    limits: tuple[float, float]
    rule: str | None
    """The run rule that the points up to this one break."""


@dataclass(frozen=True, slots=True)
class ControlChart:
    """Stopped parts by stretches, against limits from these stretches themselves."""

    usual: PrimeLimits
    points: tuple[ControlPoint, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """A measure by stretches, and its moving average."""

    means: tuple[Mean, ...]
    average: MovingAverage


@dataclass(frozen=True, slots=True)
class TrustBin:
    """Labelled parts of like probability: what was said on average, and how many were defective."""

    said: float
    defective: Rate
    interval: tuple[float, float]
    parts: tuple[Truth, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The answer to a `Question`."""

    question: Question
    scope: Scope
    """As it was read: with its time."""
    choices: Choices
    tally: Tally
    yields: tuple[tuple[Stopped, tuple[float, float]], ...]
    """Stretches with parts, each with the two-sided interval of what passed."""
    control: ControlChart | None
    pareto: Pareto
    drift: Drift | None
    escapes: Escapes | None
    overkill: Overkill
    trust: tuple[TrustBin, ...]
    latency: Latency | None
    stopped: Rate | None
    """Of the class that was chosen, else of all."""


def read_numbers(connection: Connection, question: Question, now: datetime) -> Numbers:
    """Answer a question. Where no part of production is in the scope, rendered ones are shown instead."""
    scope = _scope(connection, question, now)
    seen = span(connection, scope)
    known = truths(connection, scope)
    stretches = even_edges(*seen, STRETCHES) if seen is not None else []
    every = stopped_over_time(connection, scope, stretches) if stretches else ()
    of_class = _of_class(connection, scope, question, stretches, every)
    counts = [one.rate for one in of_class if one.rate is not None]
    return Numbers(
        question=question,
        scope=scope,
        choices=choices(connection, scope),
        tally=tally(connection, scope),
        yields=tuple((one, _passed(one.rate)) for one in every if one.rate is not None),
        control=_defined(lambda: control_chart(of_class)),
        pareto=pareto(connection, scope),
        drift=_drift(connection, scope, question.measure, stretches),
        escapes=_defined(lambda: escapes(connection, scope)),
        overkill=overkill(connection, scope, known, question.label),
        trust=trust(known),
        latency=_defined(lambda: latency(connection, scope)),
        stopped=Rate(sum(rate.count for rate in counts), sum(rate.n for rate in counts)) if counts else None,
    )


def control_chart(stretches: tuple[Stopped, ...]) -> ControlChart:
    """Hold each stretch against all that are shown; raise UndefinedFigure where they define no limits."""
    present = [(one, one.rate) for one in stretches if one.rate is not None]
    usual = prime_limits([rate for _, rate in present])
    sigmas = [(usual.of(rate.n), rate) for _, rate in present]
    z = [_z(rate, usual) for _, rate in present]
    points = [
        ControlPoint(one, rate, limits, broken_rule(z[: number + 1]))
        for number, ((one, rate), (limits, _)) in enumerate(zip(present, sigmas, strict=True))
    ]
    return ControlChart(usual, tuple(points))


def trust(known: tuple[Truth, ...]) -> tuple[TrustBin, ...]:
    """Cut labelled parts by probability into bins of like size, at least 10 parts each where there are so many."""
    judged = sorted((one for one in known if one.defect_probability is not None), key=_probability)
    if not judged:
        return ()
    said = np.array([_probability(one) for one in judged])
    cut, made = 0, []
    for each in bins(said, np.array([one.is_defect for one in judged], bool), max(1, min(BINS, len(judged) // 10))):
        rate = Rate(each.n_defect, each.n)
        made.append(TrustBin(each.said, rate, interval(rate), tuple(judged[cut : cut + each.n])))
        cut += each.n
    return tuple(made)


def _probability(one: Truth) -> float:
    return one.defect_probability if one.defect_probability is not None else 0.0


def _z(rate: Rate, usual: PrimeLimits) -> float:
    """By how many sigma a stretch lies above the centre; 0 where the stretches do not vary at all."""
    centre = usual.centre.value
    sigma = usual.sigma_z * (centre * (1 - centre) / rate.n) ** 0.5
    return (rate.value - centre) / sigma if sigma > 0 else 0.0


def _scope(connection: Connection, question: Question, now: datetime) -> Scope:
    scope = question.scope
    if question.back is not None:
        scope = scope.between(now - question.back, now)
    if span(connection, scope) is not None:
        return scope
    return Scope(scope.since, scope.until, scope.station, scope.recipe, scope.lot, True, scope.bundle_id)


def _of_class(
    connection: Connection,
    scope: Scope,
    question: Question,
    stretches: list[datetime],
    every: tuple[Stopped, ...],
) -> tuple[Stopped, ...]:
    if question.label is None or not stretches:
        return every
    return stopped_over_time(connection, scope, stretches, question.label)


def _drift(connection: Connection, scope: Scope, measure: Measure, stretches: list[datetime]) -> Drift | None:
    means = means_over_time(connection, scope, stretches, measure) if stretches else ()
    average = _defined(lambda: moving_average([mean.value for mean in means]))
    return None if average is None else Drift(means, average)


def _passed(stopped: Rate) -> tuple[float, float]:
    return interval(Rate(stopped.n - stopped.count, stopped.n))


def _defined(figure: Callable[[], Figure]) -> Figure | None:
    try:
        return figure()
    except UndefinedFigure:
        return None
