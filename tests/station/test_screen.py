"""What a person sees."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from inspector.values import Outcome, Verdict
from station.outputs.base import OutputState
from station.screen import line, table
from station.status import LastVerdict, Tally, percentile


def tally() -> Tally:
    counts = Tally("press-4")
    counts.triggers = 3
    counts.add(LastVerdict(1, "a.png", Verdict(Outcome.PASS, (), 0.01, "good"), 8.0))
    counts.add(LastVerdict(2, "b.png", Verdict(Outcome.REJECT, ("too dark",), 0.99, "dark"), 9.0))
    return counts


def test_screen_tells_outcomes_by_word_and_mark_and_the_last_verdicts():
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(table(tally().snapshot()))
    shown = console.export_text()
    for words in ("● PASS 1 50.0 %", "■ REJECT 1 50.0 %", "press-4", "too dark", "0.9900", "b.png"):
        assert words in shown


def test_plain_line_holds_every_outcome():
    assert "triggers=3 PASS=1 REJECT=1 REVIEW=0 NOT_INSPECTED=0" in line(tally().snapshot())


def test_an_output_that_is_down_is_told_with_what_waits_and_since_when():
    counts = tally()
    since = datetime(2026, 1, 2, 12, 30, tzinfo=UTC)
    assert counts.note_output(OutputState("mes", "tell", False, "broker gone", waiting=7, missed=1, down_since=since))
    words = "broker gone since 12:30:00 UTC, 7 waiting, 1 missed"
    assert f"mes={words!r}" in line(counts.snapshot())
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(table(counts.snapshot()))
    assert words in console.export_text()


def test_only_a_change_between_well_and_ill_is_news():
    counts = Tally("press-4")
    said = [counts.note_output(OutputState("mes", "tell", well, "")) for well in (True, True, False, False, True)]
    assert said == [False, False, True, False, True]


def test_part_in_flight_is_triggered_and_not_accounted():
    status = tally().snapshot()
    assert (status.triggers, status.accounted) == (3, 2)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2.0), (0.99, 4.0), (0.01, 1.0)])
def test_percentile_is_of_nearest_rank(share: float, expected: float):
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == expected


def test_percentile_of_nothing_is_none():
    assert percentile([], 0.5) is None
