"""One chart of the drift watch: a figure that learns what is usual and then watches, and a rate in subgroups.

learning -> watching -> alarmed. Both kinds are serialisable at any moment, and what they keep does not grow.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from pydantic import Field

from inspector.charts import REMEMBERED, SUBGROUPS_LEARNT, PrimeChart, broken_rule, fit_chart, fit_chart_in_pieces
from inspector.documents import Document
from inspector.drift_learning import Learnt, Reference, make_reference
from inspector.martingale import Detector, ReferenceFault
from inspector.piecework import Pieces, all_pieces, next_piece

_LEVEL_WEIGHT = 0.02
"""Of the newest part in the level that people see: an EWMA over some 100 parts."""
_AT_ONCE = 6
"""Values that waited, taken in one piece of work."""
_PIECES = 48
"""Of work, at most, to fit the charts of both rates; there is time for it until the next subgroup's end."""


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

    learnt: tuple[float, ...] = Field(
        default=(), description="values in their order: those learnt, then those that wait"
    )
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
    """Learns `learn_parts` values, then watches their distribution, or that of the means of blocks of them.

    Ending the learning takes pieces of work, for which somebody calls `work_off`; values that come meanwhile wait.
    """

    def __init__(self, learn_parts: int, limit: float, may_be_constant: bool, state: FigureState | None = None) -> None:
        self._learn_parts = learn_parts
        self._limit = limit
        self._may_be_constant = may_be_constant
        state = state or FigureState()
        self._block, self._sum, self._count = state.block, state.block_sum, state.block_count
        self._detector = self._detect(state) if state.reference else None
        learnt = 0 if self._detector else learn_parts
        self._learnt, self._waiting = Learnt(state.learnt[:learnt]), deque(state.learnt[learnt:])
        self._ending: Pieces[Reference] | None = None
        self.usual, self.level = state.usual, state.level
        self.alarmed, self._unfit = state.alarmed, state.unfit

    def _detect(self, state: FigureState) -> Detector:
        past = (state.stakes, state.steps, state.halfway, state.sum_after)
        return Detector(list(state.reference), self._limit, *past)

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
    def settled(self) -> bool:
        """Does it watch, with no value waiting?"""
        return not (self.learning or self._waiting)

    @property
    def behind(self) -> bool:
        """Is there anything to work off?"""
        return bool(self._waiting) or self.learnt_all

    @property
    def learnt_all(self) -> bool:
        """Has it as many values as it needs, and still learns?"""
        return len(self._learnt) >= self._learn_parts

    def note(self, value: float, part: int) -> Change | NoNumber | None:
        """Take the value of the part of that number, or that which has waited for the longest time, in microseconds."""
        if not math.isfinite(value):
            alarmed, self.alarmed = self.alarmed, True
            return None if alarmed else NoNumber(value)
        if not self.behind:
            return self._take(value, part)
        self._waiting.append(value)
        return None if self.learnt_all else self._take_waiting(part)

    def work_off(self, part: int) -> Change | Unfit | None:
        """Do one piece of what ends the learning, or take some of the values that waited for it."""
        if self.learnt_all:
            return self._end_learning()
        told = None
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            if told is None and not self.learnt_all:
                told = self._take_waiting(part)
        return told

    def _take_waiting(self, part: int) -> Change | None:
        return self._take(self._waiting.popleft(), part - len(self._waiting))

    def _take(self, value: float, part: int) -> Change | None:
        if self._detector is None:
            self._learnt.add(value)
            return None
        self.level += _LEVEL_WEIGHT * (value - self.level)
        return None if self.alarmed else self._watch(self._detector, value, part)

    def _end_learning(self) -> Unfit | None:
        """Do the next piece of making what was learnt the reference; where it cannot teach, learn again."""
        self._ending = self._ending or make_reference(self._learnt, self._may_be_constant)
        try:
            reference = next_piece(self._ending)
        except ReferenceFault as fault:
            self._learnt, self._ending = Learnt(), None
            told, self._unfit = self._unfit, True
            return None if told else Unfit(str(fault))
        if reference is not None:
            self._learnt, self._ending = Learnt(), None
            self._detector = Detector(reference.ordered, self._limit)
            self._block, self.usual, self.level = reference.block, reference.usual, reference.usual
        return None

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
            learnt=(*self._learnt.values, *self._waiting),
            reference=tuple(watching.reference) if watching else (),
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
        learnt_all = len(self._learnt) == SUBGROUPS_LEARNT
        self.chart: PrimeChart | None = fit_chart(self._learnt, subgroup, risk) if learnt_all else None
        self._fitting: Pieces[PrimeChart] | None = None
        self._pieces_at_once = math.ceil(_PIECES / subgroup)

    def take(self, is_event: bool, part: int) -> Change | RuleBroken | None:
        """Take one part; something is said at the end of a subgroup only."""
        self._parts += 1
        self._events += is_event
        if self._parts < self._subgroup:
            return None
        events, self._parts, self._events = self._events, 0, 0
        self.rate = events / self._subgroup
        if self._fitting is not None:
            self.chart, self._fitting = all_pieces(self._fitting), None
        if self.chart is not None:
            return self._judge(self.chart, events, part)
        self._learnt.append(events)
        if len(self._learnt) == SUBGROUPS_LEARNT:
            self._fitting = fit_chart_in_pieces(self._learnt, self._subgroup, self._risk)
        return None

    @property
    def behind(self) -> bool:
        """Is there anything to work off?"""
        return self._fitting is not None

    def work_off(self) -> None:
        """Do a piece or two of fitting the chart; what is left at the end of the next subgroup is done there."""
        for _ in range(self._pieces_at_once):
            if self._fitting is not None and (chart := next_piece(self._fitting)) is not None:
                self.chart, self._fitting = chart, None

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
