"""What a person sees while a station runs: one live table, or plain lines where there is no terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from inspector.values import Outcome
from station.outputs.base import OutputState
from station.status import StationStatus, Tally

# Colour and shape and word: no verdict is told by colour alone.
MARKS = {
    Outcome.PASS: ("●", "green"),
    Outcome.REJECT: ("■", "red"),
    Outcome.REVIEW: ("▲", "yellow"),
    Outcome.NOT_INSPECTED: ("✕", "magenta"),
}
_LIVE_PERIOD_S = 0.25
_PLAIN_PERIOD_S = 5.0


@contextmanager
def screen(tally: Tally) -> Iterator[None]:
    """Show the tally from a thread of its own until the block ends."""
    stop = threading.Event()
    live = sys.stdout.isatty()
    target = _show_live if live else _show_lines
    thread = threading.Thread(target=target, args=(tally, stop), name="screen", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(2.0)


def _show_live(tally: Tally, stop: threading.Event) -> None:
    with Live(table(tally.snapshot()), console=Console(), auto_refresh=False, transient=False) as live:
        while not stop.wait(_LIVE_PERIOD_S):
            live.update(table(tally.snapshot()), refresh=True)
        live.update(table(tally.snapshot()), refresh=True)


def _show_lines(tally: Tally, stop: threading.Event) -> None:
    while not stop.wait(_PLAIN_PERIOD_S):
        print(line(tally.snapshot()), flush=True)


def line(status: StationStatus) -> str:
    """Return the status as one plain line."""
    outcomes = " ".join(f"{outcome}={count}" for outcome, count in status.outcomes.items())
    plant = "" if status.plant == "none" else f" plant={status.plant!r} unforwarded={_count_of(status)}"
    return (
        f"{status.station} {status.state}: triggers={status.triggers} {outcomes} rate={status.rate_hz:.1f}/s "
        f"p50={_ms(status.p50_ms)} p99={_ms(status.p99_ms)} restarts={status.restarts} camera={status.camera!r} "
        f"ledger={status.ledger!r} drift={status.drift!r}{plant}{_challenge_of(status)}"
        + "".join(f" {output.output}={output_words(output)!r}" for output in status.outputs)
    )


def output_words(state: OutputState) -> str:
    """Return an output's state in a few words, with what it owes."""
    owed = f", {state.waiting} waiting" if state.waiting and not state.well else ""
    missed = f", {state.missed} missed" if state.missed else ""
    since = f" since {state.down_since:%H:%M:%S} UTC" if state.down_since else ""
    return f"{state.words}{since}{owed}{missed}"


def table(status: StationStatus) -> Group:
    """Return the status as a screen: state, outcomes, latency, last verdicts."""
    head = Table.grid(padding=(0, 2))
    head.add_row("station", Text(status.station, style="bold"), "state", status.state, "camera", status.camera)
    head.add_row("triggers", str(status.triggers), "rate", f"{status.rate_hz:.1f} parts/s", "ledger", status.ledger)
    p50, p99 = _ms(status.p50_ms), _ms(status.p99_ms)
    head.add_row("restarts", str(status.restarts), "latency", f"p50 {p50}, p99 {p99}", "for", f"{status.since_s:.0f} s")
    head.add_row("drift", Text(status.drift, style="bold red" if status.has_drifted else ""))
    if status.challenge != "none":
        head.add_row("challenges", Text(status.challenge, style="bold red" if status.held else ""))
    if status.plant != "none":
        head.add_row("plant", status.plant, "unforwarded", f"{_count_of(status)} rows")
    for output in status.outputs:
        head.add_row(output.output, Text(output_words(output), style="" if output.well else "bold red"))
    counts = Table.grid(padding=(0, 3))
    counts.add_row(*(_count(outcome, status) for outcome in Outcome))
    return Group(head, Text(), counts, Text(), _last(status))


def _challenge_of(status: StationStatus) -> str:
    return "" if status.challenge == "none" else f" challenges={status.challenges} challenge={status.challenge!r}"


def _count_of(status: StationStatus) -> str:
    return "-" if status.unforwarded is None else str(status.unforwarded)


def _count(outcome: Outcome, status: StationStatus) -> Text:
    mark, colour = MARKS[outcome]
    count = status.outcomes[outcome]
    of_production = status.accounted - status.challenges
    share = f" {100 * count / of_production:.1f} %" if of_production else ""
    return Text(f"{mark} {outcome} {count}{share}", style=colour if count else "dim")


def _last(status: StationStatus) -> Table:
    last = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("part", "outcome", "defect probability", "class", "latency", "picture", "why"):
        last.add_column(heading, no_wrap=True, overflow="ellipsis")
    for verdict in reversed(status.last):
        mark, colour = MARKS[verdict.verdict.outcome]
        probability = verdict.verdict.defect_probability
        last.add_row(
            str(verdict.trigger),
            Text(f"{mark} {verdict.verdict.outcome}", style=colour),
            "" if probability is None else f"{probability:.4f}",
            verdict.verdict.label or "",
            _ms(verdict.latency_ms),
            verdict.source,
            "; ".join(verdict.verdict.reasons),
        )
    return last


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
