"""A bundle that has begun to serve, watched: does it stop and let pass as the former one did?

Tests may be looked at after each part (`inspector.sequential`); together they take back a bundle that is as the former
was with a probability of at most `false_alarm`, where parts come as they came while it was in the shadow. Each of the
three has a third; those of the stop rate give half of theirs to the former's rate, which is known from so many parts
only. A drift alarm has the false-alarm rate of its own settings, and a part of known truth that is missed is no chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inspector.release.comparison import Concluded, Conclusion
from inspector.release.settings import WatchSettings
from inspector.risk import Rate
from inspector.sequential import refuted_after

_TESTS = 3


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen since the bundle serves."""

    before: Rate
    """Parts that the former bundle stopped while this one was in the shadow."""
    stopped: tuple[bool, ...]
    """Of each part, oldest first: it did not pass."""
    escaped: tuple[bool, ...] = ()
    """Of each pass that was drawn and labelled blind, oldest first: it is defective."""
    missed: tuple[str, ...] = ()
    """Parts of known truth that were judged wrong."""
    drift: tuple[str, ...] = ()
    """Drift alarms."""


def judge(watched: Watched, settings: WatchSettings) -> Concluded:
    """Return BAD as soon as something speaks against the bundle, GOOD when enough parts came without."""
    if reasons := list(_reasons(watched, settings)):
        return Concluded(Conclusion.BAD, "; ".join(reasons))
    seen = len(watched.stopped)
    said = f"{sum(watched.stopped)} of {seen} parts stopped, before {watched.before.text()}"
    if seen < settings.parts:
        return Concluded(Conclusion.WAIT, f"{said}; watched until {settings.parts}")
    return Concluded(Conclusion.GOOD, said)


def _reasons(watched: Watched, settings: WatchSettings) -> Iterator[str]:
    yield from (f"missed {words}" for words in watched.missed)
    if settings.drift:
        yield from (f"drift alarm: {words}" for words in watched.drift)
    yield from _stop_rate(watched, settings)
    error = settings.false_alarm / _TESTS
    if parts := refuted_after(watched.escaped, settings.escape_limit, error):
        found = f"{sum(watched.escaped[:parts])} of {parts} drawn passes are defective"
        yield f"{found}; limit {100 * settings.escape_limit:g} %, error {error:.2g}"


def _stop_rate(watched: Watched, settings: WatchSettings) -> Iterator[str]:
    error = settings.false_alarm / _TESTS / 2
    stopped, before = watched.stopped, watched.before
    passed = tuple(not each for each in stopped)
    highest = before.upper(1 - error) + settings.stop_margin
    most_passed = 1 - before.lower(1 - error) + settings.stop_margin
    for word, events, limit in (("stopped", stopped, highest), ("passed", passed, most_passed)):
        if parts := refuted_after(events, limit, error):
            share = before.count if word == "stopped" else before.n - before.count
            found = f"{word} {sum(events[:parts])} of {parts} parts, the former {share} of {before.n}"
            yield f"{found}; limit {100 * limit:.1f} %, error {error:.2g}"
