"""A bundle in the shadow against the one that serves, on the same parts.

Only parts of which both say otherwise can tell them apart, and only a person can tell who is right. Until one has, such
a part counts against the candidate where it is asked whether it may serve, and for it where it is asked whether it may
not: what is concluded early is what would be concluded with all labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from inspector.release.settings import ShadowSettings
from inspector.risk import Rate


class Conclusion(StrEnum):
    """What evidence comes to."""

    WAIT = "wait"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Concluded:
    """A conclusion, and the figures that it rests on."""

    conclusion: Conclusion
    words: str


@dataclass(frozen=True, slots=True)
class Disputed:
    """Parts that one of both stops and the other passes, by what persons say of them."""

    defective: int = 0
    good: int = 0
    unlabelled: int = 0

    @property
    def parts(self) -> int:
        return self.defective + self.good + self.unlabelled


@dataclass(frozen=True, slots=True)
class Comparison:
    """What both said of the same parts."""

    parts: int
    stopped_by_serving: int
    candidate_stops: Disputed
    """Alone: the serving bundle passed them."""
    serving_stops: Disputed
    """Alone: the candidate would have passed them."""


def compare(seen: Comparison, settings: ShadowSettings) -> Concluded:
    """Conclude once enough parts are there, and as soon as further labels cannot change it."""
    if seen.parts < settings.parts:
        return Concluded(Conclusion.WAIT, f"{seen.parts} of {settings.parts} parts judged by both")
    worst, best = _more(seen, settings, worst=True), _more(seen, settings, worst=False)
    said = _words(seen, worst)
    if worst[0] <= settings.escape_margin and worst[1] <= settings.overkill_margin:
        return Concluded(Conclusion.GOOD, said)
    if best[0] > settings.escape_margin or best[1] > settings.overkill_margin:
        margins = f"margins {100 * settings.escape_margin:g} % and {100 * settings.overkill_margin:g} %"
        return Concluded(Conclusion.BAD, f"{_words(seen, best)}; {margins}")
    unlabelled = seen.candidate_stops.unlabelled + seen.serving_stops.unlabelled
    return Concluded(Conclusion.WAIT, f"{unlabelled} disputed parts wait for a blind label; {said}")


def _more(seen: Comparison, settings: ShadowSettings, *, worst: bool) -> tuple[float, float]:
    """Return by how much the candidate's escapes and overkill exceed the other's at most, as shares of parts."""
    mine, others = seen.candidate_stops, seen.serving_stops
    against, in_favour = (1, 0) if worst else (0, 1)
    escapes = _exceeds(
        others.defective + against * others.unlabelled, mine.defective + in_favour * mine.unlabelled, seen, settings
    )
    overkill = _exceeds(
        mine.good + against * mine.unlabelled, others.good + in_favour * others.unlabelled, seen, settings
    )
    return escapes, overkill


def _exceeds(lost: int, gained: int, seen: Comparison, settings: ShadowSettings) -> float:
    """The greatest difference of both shares: each has half of the error, whatever binds them (Bonferroni)."""
    confidence = 1 - settings.error / 2
    return Rate(lost, seen.parts).upper(confidence) - Rate(gained, seen.parts).lower(confidence)


def _words(seen: Comparison, more: tuple[float, float]) -> str:
    only = f"it alone stops {seen.candidate_stops.parts}, alone passes {seen.serving_stops.parts} of {seen.parts} parts"
    return f"{only}; escapes at most {100 * more[0]:.1f} % and overkill {100 * more[1]:.1f} % of parts more"
