"""What other limits would have made of recorded parts: arrays sorted once, so that each answer is a few look-ups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.history.scores import Scores
from gui.limits import Limits
from inspector.cheapest import THOUSAND, Costs
from inspector.held import BEYOND
from inspector.risk import Rate
from inspector.values import Outcome

Floats = NDArray[np.float64]
CONFIDENCE = 0.95
_RATES = 3
"""The cost's bound takes three rates at theirs, each with a third of the error, so that they hold together."""


@dataclass(frozen=True, slots=True)
class Fates:
    """How many parts would pass, be rejected, go to review."""

    passed: int
    rejected: int
    reviewed: int

    @property
    def parts(self) -> int:
        return self.passed + self.rejected + self.reviewed


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Parts by the scores that limits are held against, each (N,) in rising order."""

    pass_scores: Floats
    reject_scores: Floats

    def at(self, limits: Limits) -> Fates:
        below, above = limits
        passed = int(np.searchsorted(self.pass_scores, below, side="left"))
        rejected = len(self.reject_scores) - int(np.searchsorted(self.reject_scores, above, side="left"))
        return Fates(passed, rejected, len(self.pass_scores) - passed - rejected)


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """Recorded parts: all for the load of review, labelled ones for what would be wrong."""

    every: Judged
    defective: Judged
    good: Judged
    left_out: int
    """Parts that were not inspected as a whole: no limits change that."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What limits would have done. A rate of no labelled part is not there."""

    limits: Limits
    fates: Fates
    escapes: Rate | None
    overkill: Rate | None
    review: Rate | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """One-sided upper bounds at 95 %; the cost with three rates at bounds that hold together."""

    limits: Limits
    escapes: float | None
    overkill: float | None
    review: float | None
    cost: float | None


def recorded(scores: Scores, limits: Sequence[Limits | None]) -> Recorded:
    """Make parts comparable under any limits; `limits` are those that judged each run.

    What was stopped below its run's pass limit (a stranger, a rule) never passes; what was rejected below its reject
    limit (a rule) is always rejected: no limit on the probability changes either.
    """
    both = np.array([one or (0.0, 0.0) for one in limits], np.float64).reshape(-1, 2)
    below, above = both[scores.run, 0], both[scores.run, 1]
    outcomes = list(Outcome)
    stopped = (scores.outcome != outcomes.index(Outcome.PASS)) & (scores.probability < below)
    ruled = (scores.outcome == outcomes.index(Outcome.REJECT)) & (scores.probability < above)
    whole = scores.outcome != outcomes.index(Outcome.NOT_INSPECTED)
    passing = np.where(stopped | ruled, BEYOND, scores.probability)
    rejecting = np.where(ruled, BEYOND, scores.probability)

    def of(chosen: NDArray[np.bool_]) -> Judged:
        kept = chosen & whole
        return Judged(np.sort(passing[kept]), np.sort(rejecting[kept]))

    everything = np.ones(len(whole), bool)
    return Recorded(of(everything), of(scores.truth == 1), of(scores.truth == 0), int((~whole).sum()))


def effect(parts: Recorded, limits: Limits) -> Effect:
    """Judge all parts by these limits."""
    fates, defective, good = parts.every.at(limits), parts.defective.at(limits), parts.good.at(limits)
    return Effect(
        limits,
        fates,
        Rate(defective.passed, defective.parts) if defective.parts else None,
        Rate(good.rejected, good.parts) if good.parts else None,
        Rate(fates.reviewed, fates.parts) if fates.parts else None,
    )


def cost(costs: Costs, escapes: float | None, overkill: float | None, review: float | None) -> float | None:
    """Return the expected cost of 1,000 parts; None where a rate is not known."""
    if escapes is None or overkill is None or review is None:
        return None
    wrong = costs.defect_share * escapes * costs.escape + (1 - costs.defect_share) * overkill * costs.overkill
    return THOUSAND * (wrong + review * costs.review)


def expected_cost(seen: Effect, costs: Costs) -> float | None:
    return cost(costs, *(None if rate is None else rate.value for rate in (seen.escapes, seen.overkill, seen.review)))


def bounds(seen: Effect, costs: Costs) -> Bounds:
    """Exact bounds; of large counts a few milliseconds each, so not while a limit is dragged."""
    rates = (seen.escapes, seen.overkill, seen.review)
    single = [None if rate is None else rate.upper(CONFIDENCE) for rate in rates]
    together = [None if rate is None else rate.upper(1 - (1 - CONFIDENCE) / _RATES) for rate in rates]
    escapes, overkill, review = single
    return Bounds(seen.limits, escapes, overkill, review, cost(costs, *together))


def stays_certified(certified: Limits | None, limits: Limits) -> bool:
    """Whether a proof of `certified` covers `limits`: passing less and rejecting less keeps both of its bounds."""
    return certified is not None and limits[0] <= certified[0] and limits[1] >= certified[1]
