"""A release, step by step: what comes next is a pure function of the steps taken and of what is seen.

    approve ... -> shadow -> serve at the first station -> serve at each further one -> RELEASED
                     |             `-> back at each that it serves -> WENT_BACK
                     `-> end of shadow -> REFUSED
    an order that a station refuses: REFUSED where nothing served yet, else HALTED, and nothing more is done

Steps are rows that are never changed. `db.release.stepping` leaves the order of a step, and asks again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from inspector.release.comparison import Comparison, Conclusion, compare
from inspector.release.settings import ReleaseSettings
from inspector.release.watch import Watched, judge


class StepKind(StrEnum):
    """What is done."""

    APPROVE = "approve"
    SHADOW = "shadow"
    END_SHADOW = "end shadow"
    SERVE = "serve"
    BACK = "back"
    RELEASED = "released"
    REFUSED = "refused"
    WENT_BACK = "went back"
    HALTED = "halted"


ORDERED = (StepKind.SHADOW, StepKind.END_SHADOW, StepKind.SERVE, StepKind.BACK)
"""Steps that are an order to a station."""
ENDS = (StepKind.RELEASED, StepKind.REFUSED, StepKind.WENT_BACK, StepKind.HALTED)
BY_ITSELF = "release rules"
"""Who takes a step that no person asked for."""


@dataclass(frozen=True, slots=True)
class Move:
    """A step that is to be taken."""

    kind: StepKind
    reason: str
    station: str | None = None
    person: str = BY_ITSELF


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken. `before` is the bundle that served at the station then."""

    number: int
    move: Move
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a station has made of the order of a step."""

    settled: bool
    refused: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known when the next step is asked for; of what is not asked for in a phase, nothing."""

    approvers: frozenset[str] = frozenset()
    answers: Mapping[int, Answer] = field(default_factory=dict)
    """By number of the step."""
    fit: frozenset[str] = frozenset()
    """Stations that serve the recipe of this release now."""
    shadow_lost: bool = False
    """The station was started anew since the order: a shadow ends with it."""
    still_serves: bool = True
    comparison: Comparison | None = None
    watched: Watched | None = None


def next_move(settings: ReleaseSettings, steps: Sequence[Taken], seen: Seen) -> Move | None:
    """Return what is to be done now; None while something is waited for, or where the release is over."""
    ordered = [step for step in steps if step.move.kind in ORDERED]
    if is_over(steps):
        return None
    if not ordered:
        return _begin(settings, seen)
    last = ordered[-1]
    if last.move.kind is StepKind.BACK:
        return _after_back(ordered, seen)
    answer = seen.answers.get(last.number, Answer(False))
    if not answer.settled:
        return None
    match last.move.kind:
        case StepKind.SHADOW:
            return _after_shadow(settings, last, answer, seen)
        case StepKind.SERVE:
            return _after_serve(settings, last, answer, seen)
        case _:
            return Move(StepKind.REFUSED, last.move.reason, person=last.move.person)


def back(steps: Sequence[Taken], answers: Mapping[int, Answer], person: str, reason: str) -> Move | None:
    """Return the step by which a person ends a release, also one that is out; None: there is nothing to undo."""
    stations = _serves_at(steps, answers)
    if stations:
        return Move(StepKind.BACK, reason, stations[-1], person)
    if is_over(steps):
        return None
    shadows = [step.move.station for step in steps if step.move.kind is StepKind.SHADOW]
    if shadows:
        return Move(StepKind.END_SHADOW, reason, shadows[-1], person)
    return Move(StepKind.REFUSED, reason, person=person)


def waits_for(settings: ReleaseSettings, steps: Sequence[Taken], seen: Seen) -> str:
    """Say what the next step waits for; empty where the release is over."""
    ordered = [step for step in steps if step.move.kind in ORDERED]
    if is_over(steps):
        return ""
    if not ordered and len(seen.approvers) < settings.approvals:
        return f"{len(seen.approvers)} of {settings.approvals} approvals"
    open_orders = [step for step in ordered if not seen.answers.get(step.number, Answer(False)).settled]
    if open_orders:
        said = [(step.move, seen.answers.get(step.number, Answer(False)).words) for step in open_orders]
        return "; ".join(
            f"station {move.station} has not done: {move.kind}{words and f' ({words})'}" for move, words in said
        )
    if seen.comparison is not None:
        return compare(seen.comparison, settings.shadow).words
    if seen.watched is not None:
        return judge(seen.watched, settings.watch).words
    return "the next station does not serve the recipe"


def is_over(steps: Sequence[Taken]) -> bool:
    """Tell whether nothing more comes by itself; a person may still go back."""
    return bool(steps) and steps[-1].move.kind in ENDS


def _begin(settings: ReleaseSettings, seen: Seen) -> Move | None:
    if len(seen.approvers) < settings.approvals or settings.first not in seen.fit:
        return None
    return Move(StepKind.SHADOW, f"approved by {', '.join(sorted(seen.approvers))}", settings.first)


def _after_shadow(settings: ReleaseSettings, last: Taken, answer: Answer, seen: Seen) -> Move | None:
    station = settings.first
    if answer.refused:
        return Move(StepKind.REFUSED, f"station {station}: {answer.words}")
    if seen.comparison is None or station not in seen.fit:
        return None
    concluded = compare(seen.comparison, settings.shadow)
    if concluded.conclusion is Conclusion.GOOD:
        return Move(StepKind.SERVE, concluded.words, station)
    if concluded.conclusion is Conclusion.BAD:
        return Move(StepKind.END_SHADOW, concluded.words, station)
    enough = seen.comparison.parts >= settings.shadow.parts
    return Move(StepKind.SHADOW, "the station was started anew", station) if seen.shadow_lost and not enough else None


def _after_serve(settings: ReleaseSettings, last: Taken, answer: Answer, seen: Seen) -> Move | None:
    station = last.move.station or settings.first
    if answer.refused and station == settings.first:
        return Move(StepKind.END_SHADOW, f"station {station}: {answer.words}", station)
    if answer.refused:
        return Move(StepKind.HALTED, f"station {station}: {answer.words}")
    if station == settings.first:
        return _watch(settings, seen)
    return _onwards(settings, seen, station, f"it serves at station {station}")


def _watch(settings: ReleaseSettings, seen: Seen) -> Move | None:
    station = settings.first
    if not seen.still_serves:
        return Move(StepKind.WENT_BACK, f"station {station} was ordered to serve something else meanwhile")
    if seen.watched is None:
        return None
    concluded = judge(seen.watched, settings.watch)
    if concluded.conclusion is Conclusion.BAD:
        return Move(StepKind.BACK, concluded.words, station)
    return _onwards(settings, seen, station, concluded.words) if concluded.conclusion is Conclusion.GOOD else None


def _onwards(settings: ReleaseSettings, seen: Seen, station: str, words: str) -> Move | None:
    following = settings.after(station)
    if following is None:
        return Move(StepKind.RELEASED, words)
    return Move(StepKind.SERVE, words, following) if following in seen.fit else None


def _after_back(ordered: Sequence[Taken], seen: Seen) -> Move | None:
    """All stations are told at once: one that stands still must not hold up the others."""
    move = ordered[-1].move
    if stations := _serves_at(ordered, seen.answers):
        return Move(StepKind.BACK, move.reason, stations[-1], move.person)
    backs = [step for step in ordered if step.move.kind is StepKind.BACK]
    refusals = [(step, seen.answers.get(step.number, Answer(False))) for step in backs]
    if not all(answer.settled for _, answer in refusals):
        return None
    stuck = [f"station {step.move.station}: {answer.words}" for step, answer in refusals if answer.refused]
    if stuck:
        return Move(StepKind.HALTED, f"going back was refused; {'; '.join(stuck)}", person=move.person)
    return Move(StepKind.WENT_BACK, move.reason, person=move.person)


def _serves_at(steps: Sequence[Taken], answers: Mapping[int, Answer]) -> list[str]:
    """The stations that were told to serve it, did not refuse, and were not told to go back since; oldest first."""
    told: list[str] = []
    for step in steps:
        station = step.move.station
        if station is None:
            continue
        if step.move.kind is StepKind.SERVE and not answers.get(step.number, Answer(False)).refused:
            told.append(station)
        elif step.move.kind is StepKind.BACK and station in told:
            told.remove(station)
    return told
