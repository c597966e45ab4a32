"""Limits whose error rates are certified by Learn-then-Test, along two limits that order their own hypotheses.

Source: Angelopoulos, Bates, Candes, Jordan and Lei, "Learn then Test", 2021; Annals of Applied Statistics 19, 2025.

What is claimed. Let the things that are inspected be independent and of one process. With the confidence asked for,
over the draw of the held parts, *all* these hold at once for the limits returned, and for every pair that lies
outside them: the share of defective things that pass is at most `escape` (of each kind with a bound of its own, at
most that), and the share of good things that are rejected is at most `overkill`. Both rates are conditional on the
truth, so they hold for any share of defects.

Why. A defective thing escapes when its score is below `pass_below`, so the escape rate never falls as that limit
rises. Fixed-sequence testing walks the limit upwards from 0 and stops where "the rate is above the bound" can no
longer be refuted by its exact binomial p-value. Misses are counted at all limits at once, so the walk ends at an
order statistic: where k misses are allowed, at the score k + 1 from below (Wilks 1941; ties only ever lower the
count). The walk can err only if it passes the first limit whose rate is too large; at that one limit the p-value is a
plain binomial one, so neither the number of limits nor their being read off the parts costs anything. Bounds of
several kinds share the walk: the first limit at which *any* kind is too bad is still one limit of one kind, so the
lowest of their limits needs no correction. The reject limit is the mirror image. The two walks share the error by
Bonferroni (a group may hold good and defective parts, so they need not be independent): how many misses each may have
is settled by the *numbers* of parts alone, before any score is looked at, and the walks use up what discrete counts
leave over. 299 defective parts without a miss therefore prove 1 % at 95 % beside an overkill bound, where there are
good parts enough.

A map from score to probability that was fitted on the same parts does no harm as long as it never falls: the limit is
the image of the same order statistic, and scores that it makes equal count against neither rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.documents import Document
from inspector.errors import CertificateError
from inspector.risk import parts_needed, refuting

Floats = NDArray[np.float64]
ANY = "any defect"
"""Name of the escape rate over all kinds of defects."""
GOOD = "good"
_LEAST_ERROR = 1e-12


class Claim(Document):
    """What is to be proved: shares of defective parts that pass and of good parts that are rejected."""

    escape: float = Field(default=0.01, gt=0, lt=1, description="at most this share of the defective passes")
    overkill: float = Field(default=0.05, gt=0, lt=1, description="at most this share of the good is rejected")
    confidence: float = Field(default=0.95, ge=0.5, lt=1, description="with which all bounds hold at once")
    kinds: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=dict, description="escape bound of single kinds of defects"
    )

    def bound(self, name: str) -> float:
        """Return the escape bound of a kind of defect, or of `ANY`."""
        return self.kinds.get(name, self.escape)

    @property
    def error(self) -> float:
        return round(1 - self.confidence, 12)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Scores of independent things: those by which they might escape, and those by which they might be rejected."""

    defective: Mapping[str, Floats]
    """Of each kind, and of `ANY`: (n,) larger is more defective; a thing passes when its score is below the limit."""
    good: Floats
    """(m,); a thing is rejected when its score reaches the limit."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many misses each rate may have, settled by counts alone."""

    escapes: Mapping[str, int]
    escape_error: float
    """Probability that the walk of the pass limit errs."""
    overkills: int
    overkill_error: float


@dataclass(frozen=True, slots=True)
class Reach:
    """Every pair with `pass_below` at most this, and `reject_above` at least this, is certified."""

    pass_below: float
    reject_above: float


@dataclass(frozen=True, slots=True)
class Shortage:
    """Too few things for a bound, and how many would do."""

    name: str
    """A kind of defect, `ANY`, or `GOOD`."""
    n: int
    bound: float
    needed: int
    """Without a miss."""
    misses: int
    """Seen at the limits in use."""
    needed_with_misses: int

    def text(self) -> str:
        """Return e.g. `138 of any defect, 299 without a miss needed (161 more) to prove at most 1 %`."""
        what = "good rejected" if self.name == GOOD else f"{self.name} passed"
        text = f"{self.n} held ({self.name}), {self.needed} without a miss needed ({self.needed - self.n} more)"
        if self.misses:
            more = self.needed_with_misses - self.n
            text += f", {self.needed_with_misses} with the {self.misses} missed at the limits in use ({more} more)"
        return f"{text}, to prove at most {100 * self.bound:g} % of {what}"


class CertificateRefused(CertificateError):
    """Too few parts for what is claimed."""

    def __init__(self, shortages: tuple[Shortage, ...]) -> None:
        super().__init__("certificate refused: " + "; ".join(shortage.text() for shortage in shortages))
        self.shortages = shortages


def certified_reach(held: Held, claim: Claim, used: Reach | None = None) -> tuple[Reach, Allowance]:
    """Return how far the limits may go; `used` are limits in use, for which a refusal counts the misses.

    Raises:
        CertificateError: no part of a kind, scores that are no numbers or all alike.
        CertificateRefused: too few parts for the claim.
    """
    require_sound(held)
    seen = misses_at(held, used) if used else {}
    allowance = allow({name: scores.size for name, scores in held.defective.items()}, held.good.size, claim, seen)
    pass_below = min(pass_limit(scores, allowance.escapes[name]) for name, scores in held.defective.items())
    return Reach(pass_below, reject_limit(held.good, allowance.overkills)), allowance


def misses_at(held: Held, limits: Reach) -> dict[str, int]:
    """Count the things of each kind that pass below the limits, and under `GOOD` the good ones that are rejected."""
    escapes = {name: int((scores < limits.pass_below).sum()) for name, scores in held.defective.items()}
    return {**escapes, GOOD: int((held.good >= limits.reject_above).sum())}


def pass_limit(defective: Floats, misses: int) -> float:
    """Return the largest limit, at most 1, below which no more than `misses` of the scores (n,) lie."""
    return float(min(np.partition(defective, misses)[misses], 1.0))


def reject_limit(good: Floats, misses: int) -> float:
    """Return the smallest limit that no more than `misses` of the scores (m,) reach; above 1 there is no such limit."""
    return float(np.nextafter(-np.partition(-good, misses)[misses], np.inf))


def require_sound(held: Held) -> None:
    """Refuse scores of which no rate is defined."""
    scores = {**{f"defective ({name})": one for name, one in held.defective.items()}, "good": held.good}
    for name, one in scores.items():
        if one.ndim != 1 or one.size == 0:
            raise CertificateError(f"certificate: no {name} part; expected at least one, else the rate is undefined")
        if np.isnan(one).any():
            raise CertificateError(f"certificate: a score of the {name} parts is not a number; expected none such")
        if np.isinf(one).any():
            raise CertificateError(f"certificate: a score of the {name} parts is infinite; expected finite scores")
    everything = np.concatenate(list(scores.values()))
    if (everything == everything[0]).all():
        raise CertificateError(
            f"certificate: all scores are {everything[0]:g}; expected scores that tell good from defective parts"
        )


def allow(defective: Mapping[str, int], good: int, claim: Claim, seen: Mapping[str, int] | None = None) -> Allowance:
    """Share the error between the two walks so that the most of both bounds can be used; looks at counts only.

    Raises CertificateRefused, with how many more parts are needed, where no sharing will do.
    """
    bounds = {name: claim.bound(name) for name in defective}
    tails = {name: refuting(n, bounds[name], claim.error) for name, n in defective.items()}
    over = refuting(good, claim.overkill, claim.error)
    levels = np.unique(np.concatenate(list(tails.values())))
    misses = {name: np.searchsorted(tail, levels, side="right") - 1 for name, tail in tails.items()}
    spent = np.max([_at(tails[name], k) for name, k in misses.items()], axis=0)
    overkills = np.searchsorted(over, claim.error - spent, side="right") - 1
    used = np.mean([k / (defective[name] * bounds[name]) for name, k in misses.items()], axis=0)
    used = np.where(np.isfinite(spent) & (overkills >= 0), used + overkills / (good * claim.overkill), -1.0)
    if used.size == 0 or used.max() < 0:
        raise CertificateRefused(shortages(defective, good, claim, seen or {}))
    best = int(used.argmax())
    escapes = {name: int(k[best]) for name, k in misses.items()}
    return Allowance(escapes, float(spent[best]), int(overkills[best]), float(over[overkills[best]]))


def _at(tail: Floats, misses: NDArray[np.intp]) -> Floats:
    """P(X <= k) for each k; without an allowed miss, not even none, it is infinite."""
    return np.asarray(np.append(tail, np.inf)[misses])


def shortages(defective: Mapping[str, int], good: int, claim: Claim, seen: Mapping[str, int]) -> tuple[Shortage, ...]:
    """Return what is too few, each with the number that would do.

    Where each walk alone could be afforded but not both, more are asked for of that kind of which fewer will do.
    """
    counts = [(name, n, claim.bound(name)) for name, n in defective.items()]
    rates = [*counts, (GOOD, good, claim.overkill)]
    alone = [_shortage(*rate, claim.error, seen) for rate in rates if (1 - rate[2]) ** rate[1] > claim.error]
    if alone:
        return tuple(alone)
    name, n, bound = max(counts, key=lambda rate: (1 - rate[2]) ** rate[1])
    left = max(claim.error - (1 - claim.overkill) ** good, _LEAST_ERROR)
    left_for_good = max(claim.error - (1 - bound) ** n, _LEAST_ERROR)
    ways = (_shortage(name, n, bound, left, seen), _shortage(GOOD, good, claim.overkill, left_for_good, seen))
    return (min(ways, key=lambda way: way.needed - way.n),)


def _shortage(name: str, n: int, bound: float, error: float, seen: Mapping[str, int]) -> Shortage:
    misses = seen.get(name, 0)
    return Shortage(name, n, bound, parts_needed(0, bound, error), misses, parts_needed(misses, bound, error))
