"""Triggers on their way to the loop: debounced, counted, bounded."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import TriggerRefused
from inspector.values import PartTag
from station.inbox import Action
from station.journal import Journal
from station.triggers.announcement import LONGEST_BYTES, read_announcement
from station.triggers.base import CountBegins, Pulse, SourceState, Told
from station.triggers.counting import MOST_MISSED, Counting
from station.triggers.intake import MOST_WAITING, Intake
from station.triggers.timer import TimerSettings

MS = 1_000_000


class Loop:
    """Takes what the intake hands on, when told to."""

    def __init__(self, debounce_ms: float = 0.0) -> None:
        self.parts: list[Pulse] = []
        self.missed: list[str] = []
        self.events: list[tuple[str, str]] = []
        self._actions: list[Action] = []
        settings = TimerSettings(kind="timer", debounce_ms=debounce_ms)
        self.intake = Intake(settings, self._actions.append, self._journal(), self.parts.append, self.missed.append)

    def hear(self, *told: Told) -> None:
        for each in told:
            self.intake._tell(each)

    def go_round(self) -> None:
        while self._actions:
            self._actions.pop(0)()

    def _journal(self) -> Journal:
        events = self.events

        class Noted(Journal):
            def __init__(self) -> None:
                pass

            def note(self, severity: object, kind: str, message: str) -> None:
                events.append((kind, message))

        return Noted()


def test_trigger_within_the_debounce_time_is_the_same_part() -> None:
    loop = Loop(debounce_ms=20)
    loop.hear(*(Pulse(at_ns=at_ms * MS) for at_ms in (0, 5, 10, 40, 41)))
    loop.go_round()
    assert [pulse.at_ns // MS for pulse in loop.parts] == [0, 40]


def test_gap_in_the_count_is_a_part_with_a_reason_for_each_missing() -> None:
    loop = Loop()
    loop.hear(Pulse(count=7), Pulse(count=8), Pulse(count=11))
    loop.go_round()
    assert [pulse.count for pulse in loop.parts] == [7, 8, 11]
    assert loop.missed == ["trigger missed: 2 before count 11 never came"] * 2


def test_parts_between_the_first_look_and_the_first_trigger_are_missed() -> None:
    loop = Loop()
    loop.hear(CountBegins(100), Pulse(count=103))
    loop.go_round()
    assert (len(loop.parts), len(loop.missed)) == (1, 2)


def test_trigger_that_is_delivered_twice_is_one_part() -> None:
    loop = Loop()
    loop.hear(Pulse(count=1), Pulse(count=2), Pulse(count=2), Pulse(count=3))
    loop.go_round()
    assert [pulse.count for pulse in loop.parts] == [1, 2, 3]
    assert [kind for kind, _ in loop.events] == ["trigger repeated"]


def test_count_that_begins_anew_is_told_and_every_part_is_taken() -> None:
    loop = Loop()
    loop.hear(Pulse(count=50), Pulse(count=1), Pulse(count=2))
    loop.go_round()
    assert (len(loop.parts), loop.missed) == (3, [])
    assert loop.events[0][0] == "trigger count"


def test_absurd_jump_of_the_count_makes_no_flood_of_rows() -> None:
    loop = Loop()
    loop.hear(Pulse(count=1), Pulse(count=MOST_MISSED + 1_000_000))
    loop.go_round()
    assert (len(loop.parts), loop.missed) == (2, [])
    assert "no rows are made" in loop.events[0][1]


def test_flood_of_triggers_is_bounded_and_every_one_is_a_part() -> None:
    loop = Loop()
    loop.hear(*(Pulse() for _ in range(MOST_WAITING + 500)))
    loop.go_round()
    assert (len(loop.parts), len(loop.missed)) == (MOST_WAITING, 500)
    assert "overload" in loop.missed[0]


def test_lost_source_is_an_alarm() -> None:
    loop = Loop()
    loop.hear(SourceState(False, "modbus: no connection"), SourceState(True, "modbus: connected"))
    loop.go_round()
    assert [kind for kind, _ in loop.events] == ["trigger lost", "trigger back"]


@given(counts=st.lists(st.integers(1, 900), unique=True, min_size=1).map(sorted))
def test_parts_taken_and_missed_are_what_the_source_counted(counts: list[int]) -> None:
    counting = Counting()
    counting.begin(0)
    told = [counting.take(count) for count in counts]
    assert len(told) + sum(each.missed for each in told) == counts[-1]


def test_announcement_tells_part_lot_serial_and_count() -> None:
    pulse = read_announcement(b'{"part_id": "A-77", "lot": "L4", "serial": "0815", "count": 12}')
    assert (pulse.tag, pulse.count) == (PartTag("A-77", "L4", "0815"), 12)
    assert read_announcement(b" ").tag == PartTag()


@pytest.mark.parametrize(
    "payload",
    [b"{", b"[]", b'"x"', b'{"lot": ""}', b'{"lots": "x"}', b'{"count": -1}', b"\xff", b"[" * 4000, b"x" * 5000],
)
def test_announcement_that_is_none_is_refused(payload: bytes) -> None:
    with pytest.raises(TriggerRefused):
        read_announcement(payload)


@given(payload=st.binary(max_size=LONGEST_BYTES + 10))
def test_no_payload_does_anything_but_trigger_or_be_refused(payload: bytes) -> None:
    with contextlib.suppress(TriggerRefused):
        assert isinstance(read_announcement(payload), Pulse)
