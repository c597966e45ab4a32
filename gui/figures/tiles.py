"""The figures that stand above the charts: a number, and its count and bound in words."""

from __future__ import annotations

from dataclasses import dataclass

from db.history.tallies import interval
from gui.figures.numbers import Numbers
from gui.words import tr
from inspector.risk import Rate

CONFIDENCE = 0.95
DASH = "-"


@dataclass(frozen=True, slots=True)
class Tile:
    """One of them."""

    heading: str
    value: str
    words: str


def tiles(numbers: Numbers) -> tuple[Tile, ...]:
    return (_yield(numbers), _stopped(numbers), _escapes(numbers), _overkill(numbers), _latency(numbers))


def unbroken(words: str) -> str:
    """Keep numbers and their per cent signs on one line."""
    return words.replace(" %", "\N{NO-BREAK SPACE}%")


def percent(share: float) -> str:
    """Return e.g. `7.2 %`, with a space that does not break; small shares get more places."""
    shown = 100 * share
    places = 1 if shown >= 0.95 or shown == 0 else 2 if shown >= 0.095 else 3
    return f"{shown:.{places}f}\N{NO-BREAK SPACE}%"


def between(rate: Rate) -> str:
    """Return e.g. `between 1.0 % and 2.0 % (95 %)`."""
    low, high = interval(rate)
    return tr("between {low} and {high} (95 %)", low=percent(low), high=percent(high))


def at_most(rate: Rate) -> str:
    return tr("at most {share} (95 %)", share=percent(rate.upper(CONFIDENCE)))


def _yield(numbers: Numbers) -> Tile:
    counts, heading = numbers.tally, tr("YIELD")
    if not counts.parts:
        return Tile(heading, DASH, tr("no part in this choice"))
    said = tr("{count} of {n} passed", count=counts.passes, n=counts.parts)
    return Tile(heading, percent(counts.passed.value), f"{said}; {between(counts.passed)}")


def _stopped(numbers: Numbers) -> Tile:
    label, rate = numbers.question.label, numbers.stopped
    heading = tr("STOPPED") if label is None else tr("STOPPED AS {label}", label=label.upper())
    if rate is None:
        return Tile(heading, DASH, tr("no part in this choice"))
    said = tr("{count} of {n} parts", count=rate.count, n=rate.n)
    return Tile(heading, percent(rate.value), f"{said}; {between(rate)}")


def _escapes(numbers: Numbers) -> Tile:
    heading, found = tr("ESCAPES"), numbers.escapes
    if found is None:
        return Tile(heading, DASH, tr("no passed part was drawn for audit and labelled blind"))
    estimate = found.estimate
    bounds, passes = estimate.bounds, estimate.passes
    said = tr("{count} of {n} labelled passes", count=estimate.found, n=estimate.labelled)
    most = tr("at most {share} (95 %)", share=percent(estimate.at_most))
    band = tr("between {low} and {high} (95 %)", low=percent(bounds.low / passes), high=percent(bounds.high / passes))
    return Tile(heading, percent(estimate.rate), f"{said}; {most}; {band}")


def _overkill(numbers: Numbers) -> Tile:
    heading, found = tr("OVERKILL"), numbers.overkill
    if found.rate is None:
        return Tile(heading, DASH, tr("none of {n} rejects is labelled", n=found.rejects))
    said = tr("{count} of {n} labelled rejects are good", count=found.rate.count, n=found.rate.n)
    return Tile(heading, percent(found.rate.value), f"{said}; {at_most(found.rate)}")


def _latency(numbers: Numbers) -> Tile:
    heading, found = tr("LATENCY, 99 %"), numbers.latency
    if found is None:
        return Tile(heading, DASH, tr("no part was timed"))
    said = tr(
        "half within {p50} ms, longest {worst} ms, {n} parts",
        p50=_ms(found.p50_ms),
        worst=_ms(found.worst_ms),
        n=found.n,
    )
    return Tile(heading, f"{_ms(found.p99_ms)}\N{NO-BREAK SPACE}ms", said)


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
