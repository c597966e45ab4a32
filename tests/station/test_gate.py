"""The reject gate: whatever is not PASS in time is diverted, for every order and lateness of verdicts."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.ids import new_id
from station.gate import EncoderTrack, GateGeometry, GateSchedule

GEOMETRY = GateGeometry(distance=100, before=10, after=5)


@dataclass(frozen=True)
class Passing:
    """A part at the camera at `position`; its verdict comes `late` after that, or never."""

    position: int
    passes: bool
    late: int | None

    @property
    def window(self) -> range:
        return range(self.position + 90, self.position + 106)

    @property
    def may_go(self) -> bool:
        return self.passes and self.late is not None and self.position + self.late < self.window.start


parts = st.lists(
    st.builds(Passing, st.integers(0, 400), st.booleans(), st.one_of(st.none(), st.integers(0, 160))), max_size=12
)


def gate_over_time(line: list[Passing]) -> dict[int, bool]:
    """Let the belt run, give the gate what it is told when it is told, and note what it does at each position."""
    ids = {number: new_id() for number in range(len(line))}
    schedule, gate = GateSchedule(GEOMETRY), {}
    for now in range(600):
        for number, part in enumerate(line):
            if part.position == now:
                schedule = schedule.expect(ids[number], now)
        for number, part in enumerate(line):
            if part.late is not None and part.position + part.late == now:
                schedule = schedule.judge(ids[number], part.passes, now)
        schedule = schedule.forget(now)
        gate[now] = schedule.lets_go(now)
    return gate


@given(line=parts)
def test_nothing_is_ever_let_go_that_is_not_a_pass_in_time(line: list[Passing]) -> None:
    gate = gate_over_time(line)
    for part in line:
        if not part.may_go:
            assert not any(gate[position] for position in part.window)


@given(line=parts)
def test_a_pass_in_time_goes_wherever_no_other_part_is_in_its_way(line: list[Passing]) -> None:
    gate = gate_over_time(line)
    barred = {position for part in line if not part.may_go for position in part.window}
    for part in line:
        if part.may_go:
            assert all(gate[position] for position in part.window if position not in barred)


@given(line=parts)
def test_where_no_part_is_the_gate_diverts(line: list[Passing]) -> None:
    gate = gate_over_time(line)
    occupied = {position for part in line for position in part.window}
    assert not any(lets_go for position, lets_go in gate.items() if position not in occupied)


def test_windows_of_neighbours_that_pass_merge() -> None:
    gate = gate_over_time([Passing(0, True, 20), Passing(12, True, 20)])
    assert [position for position, lets_go in gate.items() if lets_go] == list(range(90, 118))


def test_a_verdict_that_comes_while_its_part_is_at_the_gate_changes_nothing() -> None:
    part_id = new_id()
    schedule = GateSchedule(GEOMETRY).expect(part_id, 0).judge(part_id, True, 90)
    assert not schedule.lets_go(100)


def test_a_pass_that_is_taken_back_before_the_gate_is_diverted() -> None:
    part_id = new_id()
    schedule = GateSchedule(GEOMETRY).expect(part_id, 0).judge(part_id, True, 20)
    assert schedule.lets_go(100)
    assert not schedule.judge(part_id, False, 30).lets_go(100)


def test_a_verdict_on_a_part_that_nobody_expected_lets_nobody_go() -> None:
    assert not GateSchedule(GEOMETRY).judge(new_id(), True, 0).lets_go(100)


def test_the_gate_that_lost_sight_of_the_parts_diverts_them_all() -> None:
    part_id = new_id()
    schedule = GateSchedule(GEOMETRY).expect(part_id, 0).judge(part_id, True, 20).blind()
    assert not schedule.lets_go(100)


MS = 1_000_000


def test_the_encoder_tells_where_the_belt_was_between_its_readings_and_shortly_behind_them() -> None:
    track = EncoderTrack(250 * MS).read(0, 1000).read(10 * MS, 1100).read(20 * MS, 1150)
    assert track.at(5 * MS) == pytest.approx(1050)
    assert track.at(15 * MS) == pytest.approx(1125)
    assert track.at(24 * MS) == pytest.approx(1150 + 4 * 7.5)


def test_an_encoder_that_was_not_read_lately_or_only_once_tells_nothing() -> None:
    once = EncoderTrack(250 * MS).read(0, 1000)
    assert once.at(0) is None
    assert once.read(10 * MS, 1100).at(300 * MS) is None
    assert once.read(300 * MS, 1100).at(300 * MS) is None


@given(start=st.integers(0, 2**32 - 1), steps=st.lists(st.integers(-50, 2000), min_size=1, max_size=30))
def test_a_counter_that_wraps_around_goes_on_counting(start: int, steps: list[int]) -> None:
    track, counts = EncoderTrack(10**12).read(0, start), start
    for number, step in enumerate(steps, 1):
        counts += step
        track = track.read(number * MS, counts % 2**32)
    assert track.at(len(steps) * MS) == pytest.approx(counts)
