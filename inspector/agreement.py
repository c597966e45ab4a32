"""Do persons, and the machine, say the same of the same parts? From labels given blind.

Cohen's kappa (Educational and Psychological Measurement 20, 1960) with the standard error of Fleiss, Cohen and Everitt
(Psychological Bulletin 72, 1969); Fleiss' kappa (Psychological Bulletin 76, 1971), also for parts with unequal numbers
of raters, with the standard error of Gwet (Educational and Psychological Measurement 81, 2021); effectiveness, miss
rate and false-alarm rate of the attribute study in the AIAG's Measurement Systems Analysis, 4th edition, chapter III C.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UndefinedFigure
from inspector.risk import Rate

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rating:
    """One label of one part by one person. Several by the same person are trials, in the order they were given."""

    part: Hashable
    rater: str
    label: str
    is_defect: bool


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement beyond chance: 1 is full, 0 is what chance gives."""

    value: float
    low: float
    high: float
    standard_error: float
    observed: float
    """Share of agreement."""
    expected: float
    """Share that chance would give."""
    n: int
    """Parts."""
    confidence: float

    def text(self) -> str:
        """Return e.g. `0.82 (0.71 to 0.93, 95 %) from 120 parts`."""
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f}, {100 * self.confidence:g} %) from {self.n} parts"


class Mark(StrEnum):
    """What the AIAG's manual says of an appraiser with such a rate."""

    ACCEPTABLE = "acceptable"
    MARGINAL = "marginal"
    UNACCEPTABLE = "unacceptable"


@dataclass(frozen=True, slots=True)
class Criterion:
    """A rate of decisions, its mark, and what the parts show of it."""

    decisions: Rate
    parts: Rate
    """Parts with at least one wrong decision of this kind. Trials on one part are not independent; parts are."""
    limits: tuple[float, float]
    """Acceptable up to the first, marginal up to the second."""

    @property
    def mark(self) -> Mark:
        """The manual's mark, which looks at the rate seen and not at its bound."""
        acceptable, marginal = self.limits
        if self.decisions.value <= acceptable:
            return Mark.ACCEPTABLE
        return Mark.MARGINAL if self.decisions.value <= marginal else Mark.UNACCEPTABLE

    def at_most(self, confidence: float = 0.95) -> float:
        """Return an exact upper bound on the rate: a part with any such fault counts whole, which errs upwards."""
        return self.parts.upper(confidence)

    def is_shown(self, confidence: float = 0.95) -> bool:
        """Do the parts suffice to say that it is acceptable?"""
        return self.at_most(confidence) <= self.limits[0]

    def text(self) -> str:
        """Return e.g. `1 of 80, at most 5.8 % (95 %): acceptable`."""
        seen = f"{self.decisions.count} of {self.decisions.n}"
        return f"{seen}, at most {100 * self.at_most():.1f} % (95 %): {self.mark}"


@dataclass(frozen=True, slots=True)
class AttributeStudy:
    """One person held against the reference."""

    rater: str
    errors: Criterion
    """1 - effectiveness: decisions that differ from the reference."""
    miss: Criterion
    false_alarm: Criterion

    @property
    def effectiveness(self) -> float:
        return 1 - self.errors.decisions.value

    @property
    def mark(self) -> Mark:
        """The worst of the three."""
        return max((self.errors.mark, self.miss.mark, self.false_alarm.mark), key=list(Mark).index)

    def text(self) -> str:
        """Return effectiveness, then each rate with its count, bound and mark."""
        named = (("errors", self.errors), ("misses", self.miss), ("false alarms", self.false_alarm))
        rates = "; ".join(f"{name} {one.text()}" for name, one in named)
        return f"effectiveness {100 * self.effectiveness:.1f} %; {rates}"


ERROR_LIMITS, MISS_LIMITS, FALSE_ALARM_LIMITS = (0.10, 0.20), (0.02, 0.05), (0.05, 0.10)


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable], confidence: float = 0.95) -> Kappa:
    """Agreement of two raters on the same parts, in the same order.

    Raises:
        UndefinedFigure: the lengths differ, there is no part, or both said one and the same of all.
    """
    if len(first) != len(second):
        raise UndefinedFigure(f"kappa: {len(first)} labels of one rater and {len(second)} of the other; expected pairs")
    if not first:
        raise UndefinedFigure("kappa: no part was labelled by both; expected at least one")
    names = {name: place for place, name in enumerate(dict.fromkeys([*first, *second]))}
    if len(names) == 1:
        raise UndefinedFigure(f"kappa: both said {first[0]!r} of all parts; expected two categories or more")
    table = np.zeros((len(names), len(names)))
    for one, other in zip(first, second, strict=True):
        table[names[one], names[other]] += 1
    shares = table / len(first)
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    observed, expected = float(np.trace(shares)), float(rows @ columns)
    kappa = (observed - expected) / (1 - expected)
    variance = _cohen_variance(shares, kappa, expected) / len(first)
    return _with_interval(kappa, math.sqrt(max(0.0, variance)), observed, expected, len(first), confidence)


def _cohen_variance(shares: Floats, kappa: float, expected: float) -> float:
    """Variance of kappa times the number of parts: Fleiss, Cohen and Everitt 1969, equation 13."""
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    agreed = np.diag(shares) @ (1 - (rows + columns) * (1 - kappa)) ** 2
    apart = shares * (columns[:, None] + rows[None, :]) ** 2
    differing = (1 - kappa) ** 2 * (apart.sum() - np.trace(apart))
    return float(agreed + differing - (kappa - expected * (1 - kappa)) ** 2) / (1 - expected) ** 2


def fleiss_kappa(parts: Sequence[Sequence[Hashable]], confidence: float = 0.95) -> Kappa:
    """Agreement of any number of raters: for each part, the labels that it was given, one of each rater.

    Raises:
        UndefinedFigure: no part, a part with one rater, or one category only.
    """
    if not parts:
        raise UndefinedFigure("kappa: no part; expected at least one that two raters labelled")
    if lonely := sum(len(labels) < 2 for labels in parts):
        raise UndefinedFigure(f"kappa: {lonely} of {len(parts)} parts have one rater or none; expected two or more")
    names = {name: place for place, name in enumerate(dict.fromkeys(label for labels in parts for label in labels))}
    if len(names) == 1:
        raise UndefinedFigure(f"kappa: all said {parts[0][0]!r} of all parts; expected two categories or more")
    counts = np.zeros((len(parts), len(names)))
    for place, labels in enumerate(parts):
        for label in labels:
            counts[place, names[label]] += 1
    return _fleiss(counts, confidence)


def _fleiss(counts: Floats, confidence: float) -> Kappa:
    """Kappa of counts (parts, categories)."""
    n, raters = len(counts), counts.sum(axis=1)
    agreed = (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))
    shares = counts / raters[:, None]
    by_chance = shares @ shares.mean(axis=0)
    observed, expected = float(agreed.mean()), float(by_chance.mean())
    kappa = (observed - expected) / (1 - expected)
    each = (agreed - expected) / (1 - expected) - 2 * (1 - kappa) * (by_chance - expected) / (1 - expected)
    error = math.sqrt(float(((each - kappa) ** 2).sum()) / (n * (n - 1))) if n > 1 else math.inf
    return _with_interval(kappa, error, observed, expected, n, confidence)


def _with_interval(kappa: float, error: float, observed: float, expected: float, n: int, confidence: float) -> Kappa:
    """Take the normal interval, widened to what the exact limits of the agreement give with chance as seen.

    The normal one shrinks to nothing where all agree; the exact limits of n parts do not.
    """
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    agreement, side = Rate(min(n, round(observed * n)), n), (1 + confidence) / 2
    low, high = ((limit - expected) / (1 - expected) for limit in (agreement.lower(side), agreement.upper(side)))
    least, most = max(-1.0, min(kappa - reach, low)), min(1.0, max(kappa + reach, high))
    return Kappa(kappa, least, most, error, observed, expected, n, confidence)


def attribute_study(ratings: Sequence[Rating], reference: Mapping[Hashable, bool], rater: str) -> AttributeStudy:
    """Hold one person's labels against the reference: by part, whether it is defective.

    Raises:
        UndefinedFigure: the person labelled no part of known truth, or no defective or no good one.
    """
    wrong: dict[bool, dict[Hashable, list[bool]]] = {True: defaultdict(list), False: defaultdict(list)}
    for rating in ratings:
        if rating.rater == rater and rating.part in reference:
            truth = reference[rating.part]
            wrong[truth][rating.part].append(rating.is_defect is not truth)
    if not wrong[True] and not wrong[False]:
        raise UndefinedFigure(f"effectiveness: {rater} labelled no part that has a reference; expected at least one")
    for truth, word in ((True, "defective"), (False, "good")):
        if not wrong[truth]:
            raise UndefinedFigure(f"effectiveness: {rater} labelled no part whose reference is {word}; expected some")
    both = {**wrong[True], **wrong[False]}
    return AttributeStudy(
        rater,
        _criterion(both, ERROR_LIMITS),
        _criterion(wrong[True], MISS_LIMITS),
        _criterion(wrong[False], FALSE_ALARM_LIMITS),
    )


def _criterion(wrong: Mapping[Hashable, Sequence[bool]], limits: tuple[float, float]) -> Criterion:
    decisions = Rate(sum(map(sum, wrong.values())), sum(map(len, wrong.values())))
    return Criterion(decisions, Rate(sum(map(any, wrong.values())), len(wrong)), limits)


@dataclass(frozen=True, slots=True)
class Repeatability:
    """Does a person say the same again? `same` counts parts of which all that person's labels are one."""

    rater: str
    same: Rate
    kappa: Kappa | None
    """Of the first label with the second; None where only one category was ever named."""

    @property
    def at_least(self) -> float:
        """Exact lower bound of the share of parts, 95 %."""
        return self.same.lower(0.95)

    def text(self) -> str:
        """Return e.g. `38 of 40 parts the same, at least 85.1 % (95 %); kappa 0.88 (...)`."""
        kappa = f"; kappa {self.kappa.text()}" if self.kappa else ""
        return f"{self.same.count} of {self.same.n} parts the same, at least {100 * self.at_least:.1f} % (95 %){kappa}"


def repeatability(ratings: Sequence[Rating], rater: str) -> Repeatability:
    """How well a person repeats, from the parts labelled twice or more; raise UndefinedFigure where there is none."""
    trials = [labels for labels in trials_of(ratings, rater).values() if len(labels) > 1]
    if not trials:
        raise UndefinedFigure(f"repeatability: {rater} labelled no part twice; expected blind repeats")
    same = Rate(sum(len(set(labels)) == 1 for labels in trials), len(trials))
    named = {label for labels in trials for label in labels[:2]}
    first, second = [labels[0] for labels in trials], [labels[1] for labels in trials]
    return Repeatability(rater, same, cohen_kappa(first, second) if len(named) > 1 else None)


def trials_of(ratings: Sequence[Rating], rater: str) -> dict[Hashable, list[str]]:
    """Return the labels that a person gave each part, in their order."""
    trials: dict[Hashable, list[str]] = defaultdict(list)
    for rating in ratings:
        if rating.rater == rater:
            trials[rating.part].append(rating.label)
    return dict(trials)


def first_labels(ratings: Sequence[Rating]) -> dict[Hashable, dict[str, str]]:
    """Return for each part what each rater said at first: later trials are no further witnesses."""
    first: dict[Hashable, dict[str, str]] = defaultdict(dict)
    for rating in ratings:
        first[rating.part].setdefault(rating.rater, rating.label)
    return dict(first)


def raters_of(ratings: Sequence[Rating]) -> list[str]:
    """Return the raters by name; raise UndefinedFigure without a single label."""
    if not ratings:
        raise UndefinedFigure("agreement: no blind label; expected labels of two persons, or of one twice")
    return sorted(Counter(rating.rater for rating in ratings))
