"""One output's pump against peers that fail in every way, without a network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.records import Report
from inspector.errors import DatabaseError, PeerFault, ReportRefused, RuntimeUnavailable
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome
from station.outputs.base import LineState, OutputState, TellSettings, require_library
from station.outputs.breaker import Breaker
from station.outputs.pump import FromPump, Pump, Refused, Told

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def report(position: int) -> Report:
    record = InspectionRecord(
        new_id(),
        new_id(),
        "s",
        "r",
        "b",
        position,
        "",
        NOON,
        position - 1,
        Outcome.REJECT,
        ("dark",),
        completed_at=NOON,
    )
    return Report(position, record)


class FakeQueue:
    """So many parts, all judged; asked beyond `ask_fails_until` times it raises no more."""

    def __init__(self, count: int, faults: int = 0) -> None:
        self._reports = [report(position) for position in range(1, count + 1)]
        self._faults = faults

    def reports(self, after: int, limit: int) -> Sequence[Report]:
        if self._faults:
            self._faults -= 1
            raise DatabaseError("ledger.sqlite: another program holds it locked")
        return self._reports[after : after + limit]

    def waiting(self, after: int) -> int:
        return len(self._reports) - after


class FakePeer:
    """A teller that keeps what it was told, after doing with each call what it was told to do: None, or an error."""

    def __init__(self, plan: Sequence[PeerFault | None] = ()) -> None:
        self.heard: list[int] = []
        self.batches: list[int] = []
        self._plan = list(plan)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def attend(self, line: LineState) -> None:
        return None

    def tell(self, reports: Sequence[Report]) -> None:
        fault = self._plan.pop(0) if self._plan else None
        self.batches.append(len(reports))
        kept = len(reports) if fault is None else min(fault.told, len(reports) - 1)
        self.heard += [each.position for each in reports[:kept]]
        if fault is not None:
            raise type(fault)(str(fault), told=kept)


@pytest.fixture
def drain() -> Callable[..., list[FromPump]]:
    """Return a function that pumps until all is told, and returns what the pump said."""

    def run(peer: FakePeer, queue: FakeQueue, position: int = 0, **settings: float) -> list[FromPump]:
        said: list[FromPump] = []
        done = threading.Event()

        def send(message: FromPump) -> None:
            said.append(message)
            if isinstance(message, OutputState) and message.well and not message.waiting:
                done.set()

        quick = {"pause_s": 0.01, "longest_pause_s": 0.02, **settings}
        pump = Pump(TellSettings(kind="fake", **quick), peer, queue, position, send)
        thread = threading.Thread(target=pump.run)
        thread.start()
        assert done.wait(10)
        pump.finish.set()
        thread.join()
        return said

    return run


def test_all_parts_are_told_in_order_and_the_cursor_follows(drain) -> None:
    peer = FakePeer()
    said = drain(peer, FakeQueue(150), batch=64)
    assert peer.heard == list(range(1, 151))
    assert [message for message in said if isinstance(message, Told)] == [
        Told("fake", 64, 64),
        Told("fake", 128, 64),
        Told("fake", 150, 22),
    ]


def test_telling_goes_on_behind_the_cursor(drain) -> None:
    peer = FakePeer()
    drain(peer, FakeQueue(10), position=7)
    assert peer.heard == [8, 9, 10]


def test_parts_that_a_peer_took_before_it_failed_are_not_told_again(drain) -> None:
    peer = FakePeer([PeerFault("gone", told=3)])
    drain(peer, FakeQueue(8))
    assert peer.heard == list(range(1, 9))
    assert peer.batches[1] == 1, "after a fault one part alone shows whether the peer is back"


def test_an_outage_is_told_once_with_its_beginning_and_its_end(drain) -> None:
    said = drain(FakePeer([PeerFault("gone")] * 5), FakeQueue(3), failures=2)
    states = [message for message in said if isinstance(message, OutputState)]
    ill = [state for state in states if not state.well]
    assert len({state.down_since for state in ill}) == 1
    assert ill[0].down_since is not None
    assert (ill[0].words, ill[0].waiting) == ("gone", 3)
    assert (states[-1].well, states[-1].delivered, states[-1].down_since) == (True, 3, None)


def test_a_report_that_a_peer_never_takes_is_told_of_and_passed_over(drain) -> None:
    peer = FakePeer([ReportRefused("too long", told=2)])
    said = drain(peer, FakeQueue(5))
    assert peer.heard == [1, 2, 4, 5]
    assert [message for message in said if isinstance(message, Refused)] == [Refused("fake", 3, "too long")]
    assert next(m for m in reversed(said) if isinstance(m, OutputState)).missed == 1


def test_a_ledger_that_cannot_be_read_is_waited_out(drain) -> None:
    peer = FakePeer()
    said = drain(peer, FakeQueue(4, faults=2))
    assert peer.heard == [1, 2, 3, 4]
    assert any(isinstance(m, OutputState) and "ledger" in m.words for m in said)


def test_a_pump_that_is_to_finish_does_not_wait_for_a_peer_that_is_away() -> None:
    pump = Pump(TellSettings(kind="fake"), FakePeer([PeerFault("gone")] * 100), FakeQueue(5), 0, lambda message: None)
    pump.finish.set()
    thread = threading.Thread(target=pump.run)
    thread.start()
    thread.join(2)
    assert not thread.is_alive()


def test_a_part_whose_row_is_never_completed_is_told_of_after_half_a_minute() -> None:
    class Stuck(FakeQueue):
        def reports(self, after: int, limit: int) -> Sequence[Report]:
            return []

    said: list[OutputState] = []
    now = [0.0]
    pump = Pump(TellSettings(kind="fake"), FakePeer(), Stuck(3), 0, said.append, clock=lambda: now[0])  # type: ignore[arg-type]
    for _ in range(50):
        pump._turn()
        now[0] += 1.0
    assert said[20].well
    assert not said[-1].well
    assert "has not been completed for 30 s" in said[-1].words


def test_a_library_that_is_missing_is_named_before_the_line_depends_on_it() -> None:
    require_library("json", "mqtt")
    for module in ("nowhere", "nowhere.at.all"):
        with pytest.raises(RuntimeUnavailable, match=f"output mqtt: {module} is missing"):
            require_library(module, "mqtt")


faults = st.one_of(st.none(), st.builds(PeerFault, st.just("gone"), st.integers(0, 5)))


@given(plan=st.lists(faults, max_size=12), count=st.integers(0, 40), batch=st.integers(1, 9))
def test_whatever_a_peer_does_it_hears_each_part_once_and_in_order(
    plan: list[PeerFault | None], count: int, batch: int
) -> None:
    peer, cursor = FakePeer(plan), [0]

    def send(message: FromPump) -> None:
        if isinstance(message, Told):
            assert message.position > cursor[-1]
            cursor.append(message.position)

    now = [0.0]
    pump = Pump(TellSettings(kind="fake", batch=batch), peer, FakeQueue(count), 0, send, clock=lambda: now[0])
    for _ in range(100):
        pump._turn()
        now[0] += 60.0
    assert peer.heard == list(range(1, count + 1))
    assert cursor[-1] == count


def test_a_breaker_pauses_longer_and_longer_and_never_gives_up() -> None:
    breaker, now_s, pauses = Breaker(failures=3, pause_s=1.0, longest_pause_s=60.0), 100.0, []
    for _ in range(60):
        breaker = breaker.failed(now_s)
        pauses.append(breaker.wait_s(now_s))
        now_s += breaker.wait_s(now_s)
    assert pauses[:9] == pytest.approx([0.1, 0.1, 1, 2, 4, 8, 16, 32, 60])
    assert pauses[9:] == pytest.approx([60.0] * 51)
    assert not breaker.is_closed
    assert breaker.succeeded().is_closed
    assert breaker.succeeded().wait_s(now_s) == 0
