"""One chart of the drift watch: a figure that learns what is usual and then watches, and a rate in subgroups.

learning -> watching -> alarmed. Both kinds are serialisable at any moment, and what they keep does not grow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean

from pydantic import Field

from inspector.charts import REMEMBERED, SUBGROUPS_LEARNT, PrimeChart, broken_rule, fit_chart
from inspector.documents import Document
from inspector.martingale import (
    LEAST_REFERENCE,
    Detector,
    ReferenceFault,
    correlation_time,
    normal_scores,
    payments,
    require_reference,
)

_LEVEL_WEIGHT = 0.02
"""Of the newest part in the level that people see: an EWMA over some 100 parts."""
_TOGETHER = 1.6
"""Independent parts have a correlation time of 1; estimated on a thousand of them, it stays below this."""
_BLOCK = 5
"""A block is so many correlation times long; the means of neighbouring blocks then hardly hang together."""


@dataclass(frozen=True, slots=True)
class Change:
    """A figure that is not what it was. Part numbers count from the watch's start."""

    rose: bool
    before: float
    now: float
    since_part: int


@dataclass(frozen=True, slots=True)
class Unfit:
    """A figure whose parts could not teach what is usual; it learns again. Said once."""

    why: str


@dataclass(frozen=True, slots=True)
class NoNumber:
    """A figure that came as NaN or infinite."""

    value: float


class FigureState(Document):
    """What a restart of the station must not forget of a figure."""

    learnt: tuple[float, ...] = Field(default=(), description="values of the parts learnt, in their order")
    reference: tuple[float, ...] = Field(default=(), description="means of blocks of parts, sorted; empty: learning")
    block: int = Field(default=1, ge=1, description="parts in a block")
    block_sum: float = Field(default=0.0, description="of the block begun")
    block_count: int = Field(default=0, ge=0, description="parts in the block begun")
    stakes: tuple[float, ...] = Field(default=(), description="evidence of the detector, by bet")
    steps: int = Field(default=0, ge=0, description="blocks that the detector has seen")
    halfway: int = Field(default=0, ge=0, description="the last at which it was less than halfway to an alarm")
    sum_after: float = Field(default=0.0, description="of blocks after that one")
    usual: float = Field(default=0.0, description="mean of the parts learnt")
    level: float = Field(default=0.0, description="moving average")
    alarmed: bool = Field(default=False, description="it has changed; nothing more is said of it")
    unfit: bool = Field(default=False, description="it has said that it could not learn")


class FigureChart:
    """Learns `learn_parts` values, then watches their distribution.

    Parts that hang together (a material's lot, a lamp's warmth) are no independent witnesses: the detector then sees
    the means of blocks long enough to be nearly independent (Runger and Willemain, "Batch-means control charts for
    autocorrelated data", IIE Transactions 28, 1996).
    """

    def __init__(self, learn_parts: int, limit: float, may_be_constant: bool, state: FigureState | None = None) -> None:
        self._learn_parts = learn_parts
        self._limit = limit
        self._may_be_constant = may_be_constant
        state = state or FigureState()
        self._learnt = list(state.learnt)
        self._block, self._sum, self._count = state.block, state.block_sum, state.block_count
        self._reference = state.reference
        self._detector = self._detect(state) if state.reference else None
        self.usual, self.level = state.usual, state.level
        self.alarmed, self._unfit = state.alarmed, state.unfit

    def _detect(self, state: FigureState) -> Detector:
        return Detector(state.reference, self._limit, state.stakes, state.steps, state.halfway, state.sum_after)

    @property
    def learning(self) -> bool:
        return self._detector is None

    @property
    def strength(self) -> float:
        """How far the evidence of a change has come, 0..1."""
        if self.alarmed:
            return 1.0
        return self._detector.strength if self._detector else 0.0

    @property
    def learnt_all(self) -> bool:
        """Has it as many values as it needs, and still learns?"""
        return len(self._learnt) >= self._learn_parts

    def take(self, value: float, part: int) -> Change | Unfit | NoNumber | None:
        """Take the value of the part of that number, and end the learning with the last value needed."""
        told = self.note(value, part)
        return self.end_learning(part) if told is None and self.learnt_all else told

    def note(self, value: float, part: int) -> Change | NoNumber | None:
        """Take a value in microseconds: one that comes before the learning is ended waits for that."""
        if not math.isfinite(value):
            alarmed, self.alarmed = self.alarmed, True
            return None if alarmed else NoNumber(value)
        if self._detector is None:
            self._learnt.append(value)
            return None
        self.level += _LEVEL_WEIGHT * (value - self.level)
        return None if self.alarmed else self._watch(self._detector, value, part)

    def end_learning(self, part: int) -> Change | Unfit | NoNumber | None:
        """Make what was learnt the reference, in a fraction of a millisecond, and watch what came after it."""
        learnt, waiting = self._learnt[: self._learn_parts], self._learnt[self._learn_parts :]
        self._learnt = []
        try:
            self._block = block_length(learnt, self._may_be_constant)
            self._reference = tuple(require_reference(block_means(learnt, self._block), self._may_be_constant))
        except ReferenceFault as fault:
            self._learnt = waiting
            told, self._unfit = self._unfit, True
            return None if told else Unfit(str(fault))
        self._detector = Detector(self._reference, self._limit)
        self.usual = self.level = fmean(learnt)
        said = [self.note(value, part) for value in waiting]
        return next((each for each in said if each is not None), None)

    def _watch(self, detector: Detector, value: float, part: int) -> Change | None:
        self._sum += value
        self._count += 1
        if self._count < self._block:
            return None
        mean = self._sum / self._count
        self._sum, self._count = 0.0, 0
        return self._change(detector, part) if detector.update(mean) else None

    def _change(self, detector: Detector, part: int) -> Change:
        self.alarmed = True
        parts_ago = (detector.steps - detector.since) * self._block
        return Change(detector.rose, self.usual, detector.after, max(0, part - parts_ago))

    def state(self) -> FigureState:
        watching = self._detector
        return FigureState(
            learnt=tuple(self._learnt),
            reference=self._reference if watching else (),
            block=self._block,
            block_sum=self._sum,
            block_count=self._count,
            stakes=watching.stakes if watching else (),
            steps=watching.steps if watching else 0,
            halfway=watching.halfway if watching else 0,
            sum_after=watching.sum_after if watching else 0.0,
            usual=self.usual,
            level=self.level,
            alarmed=self.alarmed,
            unfit=self._unfit,
        )


def block_length(values: list[float], may_be_constant: bool) -> int:
    """Return how many parts make a block, 1 of independent parts; raise ReferenceFault where blocks would be few."""
    require_reference(values, may_be_constant)
    if (time := correlation_time(values)) < _TOGETHER:
        return 1
    block = math.ceil(_BLOCK * time)
    if len(values) // block < LEAST_REFERENCE:
        raise ReferenceFault(
            f"not steady while learning: parts hang together over {time:.0f} parts, and {len(values)} are too few for "
            f"that; expected learn_parts of at least {block * LEAST_REFERENCE}, or a line that has warmed up"
        )
    return block


def block_means(values: list[float], block: int) -> list[float]:
    """Return the means of whole blocks of consecutive values."""
    if block == 1:
        return list(values)
    return [fmean(values[start : start + block]) for start in range(0, len(values) - block + 1, block)]


def prepare(learn_parts: int) -> None:
    """Make the tables of every reference that so many parts can teach: they take too long for a part on the line."""
    normal_scores(learn_parts - 1)
    payments(learn_parts)
    for block in range(math.ceil(_BLOCK * _TOGETHER), learn_parts // LEAST_REFERENCE + 1):
        payments(learn_parts // block)


class RateState(Document):
    """What a restart of the station must not forget of a rate."""

    learnt: tuple[int, ...] = Field(default=(), description="events in each subgroup learnt")
    parts: int = Field(default=0, ge=0, description="in the subgroup begun")
    events: int = Field(default=0, ge=0, description="in the subgroup begun")
    recent: tuple[float, ...] = Field(default=(), description="z of the last subgroups")
    rate: float = Field(default=0.0, ge=0, le=1, description="of the last subgroup")
    rule: str | None = Field(default=None, description="run rule that the last subgroup broke")
    alarmed: bool = Field(default=False, description="it has changed; nothing more is said of it")


@dataclass(frozen=True, slots=True)
class RuleBroken:
    """A run rule that the newest subgroup breaks and the one before did not."""

    rule: str
    before: float
    now: float


class RateChart:
    """Learns 25 subgroups, then watches the rate on a p' chart."""

    def __init__(self, subgroup: int, risk: float, state: RateState | None = None) -> None:
        state = state or RateState()
        self._subgroup, self._risk = subgroup, risk
        self._learnt = list(state.learnt)
        self._parts, self._events = state.parts, state.events
        self._recent = list(state.recent)
        self._rule = state.rule
        self.rate, self.alarmed = state.rate, state.alarmed
        self.chart: PrimeChart | None = self._fit() if len(self._learnt) == SUBGROUPS_LEARNT else None

    def _fit(self) -> PrimeChart:
        return fit_chart(self._learnt, self._subgroup, self._risk)

    def take(self, is_event: bool, part: int) -> Change | RuleBroken | None:
        """Take one part; something is said at the end of a subgroup only."""
        self._parts += 1
        self._events += is_event
        if self._parts < self._subgroup:
            return None
        events, self._parts, self._events = self._events, 0, 0
        self.rate = events / self._subgroup
        if self.chart is not None:
            return self._judge(self.chart, events, part)
        self._learnt.append(events)
        if len(self._learnt) == SUBGROUPS_LEARNT:
            self.chart = self._fit()
        return None

    def _judge(self, chart: PrimeChart, events: int, part: int) -> Change | RuleBroken | None:
        if self.alarmed:
            return None
        if chart.alarms(events):
            self.alarmed = True
            return Change(self.rate > chart.centre, chart.centre, self.rate, part - self._subgroup)
        self._recent = [*self._recent, chart.z(events)][-REMEMBERED:]
        before, self._rule = self._rule, broken_rule(self._recent, chart.margin)
        if self._rule is None or before is not None:
            return None
        return RuleBroken(self._rule, chart.centre, self.rate)

    def state(self) -> RateState:
        return RateState(
            learnt=tuple(self._learnt),
            parts=self._parts,
            events=self._events,
            recent=tuple(self._recent),
            rate=self.rate,
            rule=self._rule,
            alarmed=self.alarmed,
        )
