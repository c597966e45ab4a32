"""How many parts are let in under overload."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inspector.ids import new_id
from station.admission import MOST_WAITING, Admission

MS = 1_000_000


def judged_every(admission: Admission, period_ms: float, parts: int) -> None:
    """Let a camera judge parts at a steady pace, two at least always waiting."""
    waiting = [new_id(), new_id()]
    now_ns = 0
    for part in waiting:
        admission.ask(part, now_ns)
    for _ in range(parts):
        now_ns += int(period_ms * MS)
        admission.judged(waiting.pop(0), now_ns)
        waiting.append(new_id())
        admission.ask(waiting[-1], now_ns)
    for part in waiting:
        admission.spared(part)


def test_as_many_may_wait_as_are_judged_within_half_the_deadline() -> None:
    admission = Admission(deadline_ms=100)
    judged_every(admission, period_ms=10, parts=200)
    assert admission.most == 5


def test_one_part_that_took_long_turns_nobody_away() -> None:
    admission = Admission(deadline_ms=300)
    slow, *others = [new_id() for _ in range(6)]
    admission.ask(slow, 0)
    for n, part in enumerate(others[:2], start=1):
        admission.ask(part, n * 100 * MS)
    admission.judged(slow, 299 * MS)
    for part in others[2:]:
        assert admission.has_room
        admission.ask(part, 300 * MS)


@given(period_ms=st.floats(0.1, 1000), deadline_ms=st.floats(1, 600_000))
def test_at_least_one_and_never_more_than_memory_has_room_for(period_ms: float, deadline_ms: float) -> None:
    admission = Admission(deadline_ms)
    judged_every(admission, period_ms, parts=20)
    assert 1 <= admission.most <= MOST_WAITING


def test_what_is_never_answered_keeps_its_place_until_the_process_is_replaced() -> None:
    admission = Admission(deadline_ms=100)
    for _ in range(MOST_WAITING):
        assert admission.has_room
        admission.ask(new_id(), 0)
    assert not admission.has_room
    admission.forget_all()
    assert admission.has_room


def test_part_that_was_spared_says_nothing_of_what_judging_takes() -> None:
    admission = Admission(deadline_ms=100)
    part = new_id()
    admission.ask(part, 0)
    admission.spared(part)
    admission.judged(part, 99 * MS)
    assert admission.most == MOST_WAITING


def test_silent_camera_is_not_called_behind() -> None:
    admission = Admission(deadline_ms=100)
    admission.ask(new_id(), 0)
    assert admission.is_behind(99 * MS)
    assert not admission.is_behind(101 * MS)
