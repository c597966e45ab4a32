"""How many bad parts passed: an estimate from the passes that were drawn at random and labelled blind.

Point estimate: Horvitz and Thompson (JASA 47, 1952), each escape found standing for 1 / probability parts, and the
ratio form of Hajek (1971) within each stratum, which is the better one here, since the ledger knows how many parts each
stratum holds. Bounds: given how many parts of a stratum are labelled, those are a simple random sample of it, so the
escapes among them are hypergeometric; the exact limits (Buonaccorsi, The American Statistician 41, 1987) of the strata
are added, each at a share of the risk (Bonferroni) in proportion to 1 / probability, which makes the sum least where no
escape is found. They hold for any number of escapes, none included, where the normal interval is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inspector.errors import UndefinedFigure
from inspector.risk import hypergeometric_cdf


@dataclass(frozen=True, slots=True)
class AuditedStratum:
    """Passed parts that were drawn with one probability, and what was found in those that were labelled blind."""

    name: str
    probability: float
    population: int
    """Passed parts that could be drawn."""
    drawn: int
    labelled: int
    escapes: int

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise UndefinedFigure(
                f"audit: stratum {self.name!r}: parts drawn with probability {self.probability:g}; expected more than "
                "0 and at most 1, since of parts that cannot be drawn nothing is known"
            )
        if not 0 <= self.escapes <= self.labelled <= self.drawn <= self.population:
            raise UndefinedFigure(
                f"audit: stratum {self.name!r}: expected escapes <= labelled <= drawn <= parts, got {self.escapes}, "
                f"{self.labelled}, {self.drawn}, {self.population}"
            )

    @property
    def unlabelled(self) -> int:
        return self.drawn - self.labelled


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits on the number of escapes: one-sided upper, and both ends of the two-sided interval."""

    at_most: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class EscapeEstimate:
    """How many of the passed parts are defective. Counts of parts; rates are shares of the passes."""

    strata: tuple[AuditedStratum, ...]
    confidence: float
    passes: int
    drawn: int
    labelled: int
    found: int
    horvitz_thompson: float
    """Escapes estimated from the probabilities alone, weighted up for drawn parts without a label."""
    hajek: float
    """Escapes estimated with the known size of each stratum; the one to quote."""
    hajek_error: float
    """Its standard error (with the finite population's correction); 0 where no escape was found, and no bound."""
    bounds: Bounds
    """If drawn parts without a label are like the labelled ones."""
    worst: Bounds
    """Whatever the drawn parts without a label are: as many escapes, or as few, as they could be."""
    not_sampled: int
    """Passes of strata without a single label: in no estimate, and all counted as escapes in the upper bounds."""

    @property
    def rate(self) -> float:
        """Escapes as a share of the passes that the estimate covers."""
        return self.hajek / (self.passes - self.not_sampled)

    @property
    def at_most(self) -> float:
        return self.bounds.at_most / self.passes

    def share_of_defective(self, caught: int) -> float:
        """Return the upper bound on the share of defective parts that passed, `caught` being defective and stopped.

        `caught` may be too small (stopped parts that nobody labelled): the bound is then only larger than need be.
        """
        if caught < 0:
            raise ValueError(f"caught {caught} defective parts; expected none or more")
        escapes = self.bounds.at_most
        return escapes / (escapes + caught) if escapes else 0.0

    def text(self) -> str:
        """Return e.g. `2 of 400 labelled passes; at most 1.6 % of 20000 passes (95 %)`."""
        return (
            f"{self.found} of {self.labelled} labelled passes; at most {100 * self.at_most:.2g} % of "
            f"{self.passes} passes ({100 * self.confidence:g} %)"
        )


def estimate_escapes(strata: Sequence[AuditedStratum], confidence: float = 0.95) -> EscapeEstimate:
    """Estimate how many of the passed parts are defective, from blind labels of those that were drawn.

    Raises:
        UndefinedFigure: no part passed, none was drawn, or none of the drawn ones is labelled.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence:g}; expected more than 0 and less than 1")
    passes, drawn, labelled = (
        sum(getattr(one, name) for one in strata) for name in ("population", "drawn", "labelled")
    )
    _require(passes, drawn, labelled)
    sampled = [one for one in strata if one.labelled]
    return EscapeEstimate(
        strata=tuple(strata),
        confidence=confidence,
        passes=passes,
        drawn=drawn,
        labelled=labelled,
        found=sum(one.escapes for one in strata),
        horvitz_thompson=sum(one.escapes * one.drawn / (one.labelled * one.probability) for one in sampled),
        hajek=sum(one.population * one.escapes / one.labelled for one in sampled),
        hajek_error=math.sqrt(sum(_variance(one) for one in sampled)),
        bounds=_bounds(strata, confidence),
        worst=_worst(strata, confidence),
        not_sampled=passes - sum(one.population for one in sampled),
    )


def _require(passes: int, drawn: int, labelled: int) -> None:
    if not passes:
        raise UndefinedFigure("audit: no part passed that could be drawn; expected passes of a run with [audit]")
    if not drawn:
        raise UndefinedFigure(f"audit: none of {passes} passes was drawn; expected a larger share, or more parts")
    if not labelled:
        raise UndefinedFigure(f"audit: none of {drawn} drawn passes has a blind label; expected at least one")


def _variance(one: AuditedStratum) -> float:
    """Variance of a stratum's estimated escapes, N (N - n) p q / (n - 1) (Cochran, Sampling Techniques, 3.3)."""
    share = one.escapes / one.labelled
    spread = share * (1 - share) / max(1, one.labelled - 1)
    return one.population * (one.population - one.labelled) * spread


def _bounds(strata: Sequence[AuditedStratum], confidence: float) -> Bounds:
    risk = 1 - confidence
    return Bounds(_sum_upper(strata, risk), _sum_lower(strata, risk / 2), _sum_upper(strata, risk / 2))


def _worst(strata: Sequence[AuditedStratum], confidence: float) -> Bounds:
    """Count each drawn part without a label as an escape for the upper bounds, and as a good part for the lower."""
    full = [_answered(one, one.unlabelled) for one in strata]
    most, least = _bounds(full, confidence), _bounds([_answered(one, 0) for one in strata], confidence)
    return Bounds(most.at_most, least.low, most.high)


def _answered(one: AuditedStratum, escapes: int) -> AuditedStratum:
    """Return the stratum as if all drawn parts were labelled, with so many more escapes."""
    found = one.escapes + escapes
    return AuditedStratum(one.name, one.probability, one.population, one.drawn, one.drawn, found)


def _risks(strata: Sequence[AuditedStratum], risk: float) -> list[float]:
    """Share the risk out among the strata with a label; one without needs none, its bound being all of it."""
    weights = [1 / one.probability if one.labelled else 0.0 for one in strata]
    return [risk * weight / sum(weights) for weight in weights]


def _sum_upper(strata: Sequence[AuditedStratum], risk: float) -> int:
    return sum(
        most_escapes(one.population, one.labelled, one.escapes, share)
        for one, share in zip(strata, _risks(strata, risk), strict=True)
    )


def _sum_lower(strata: Sequence[AuditedStratum], risk: float) -> int:
    return sum(
        least_escapes(one.population, one.labelled, one.escapes, share)
        for one, share in zip(strata, _risks(strata, risk), strict=True)
    )


def most_escapes(population: int, labelled: int, escapes: int, risk: float) -> int:
    """Return the largest number in the population that shows so few in the sample with more probability than `risk`.

    With no sample, that is the whole population.
    """
    low, high = escapes, population - (labelled - escapes)
    while low < high:
        middle = (low + high + 1) // 2
        if hypergeometric_cdf(escapes, population, middle, labelled) > risk:
            low = middle
        else:
            high = middle - 1
    return low


def least_escapes(population: int, labelled: int, escapes: int, risk: float) -> int:
    """Return the smallest number that shows so many with more probability than `risk`: all but the most good ones."""
    return population - most_escapes(population, labelled, labelled - escapes, risk)
