"""What takes over and what does not, with vision processes that say what the test wants."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from db.orders import GivenOrder, Order, OrderKind, OrderState
from db.records import Run, Severity
from inspector.recipe import Recipe
from station.account import Line
from station.challenges.guard import Guard
from station.config import StationConfig
from station.desk import OrderDesk
from station.groups import VisionGroup
from station.holding import Holding
from station.inbox import Inbox
from station.messages import Declined, Drop, Load, Loaded, SelfTest, SelfTested, Serve, Shade
from station.parts import Identity
from station.status import ServingNow, Tally
from station.succession import LineServing, Proposal, Succession


@dataclass
class FakeProcess:
    said: list[Any] = field(default_factory=list)

    def send(self, message: Any) -> None:
        self.said.append(message)


@dataclass
class FakeGroup:
    """A camera group's process that is there and only listens."""

    name: str
    ready: bool = True
    process: FakeProcess = field(default_factory=FakeProcess)


class FakeLedger:
    """Takes everything at once, unless told to refuse runs."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, OrderState, str]] = []
        self.ended: list[UUID] = []
        self.refusal: Exception | None = None

    def _done(self, refusal: Exception | None = None) -> Future[Any]:
        future: Future[Any] = Future()
        if refusal is None:
            future.set_result(None)
        else:
            future.set_exception(refusal)
        return future

    def step_order(self, number: int, state: OrderState, actual: str = "") -> Future[Any]:
        self.steps.append((number, state, actual))
        return self._done()

    def take_over(self, run: Run, served: object) -> Future[Any]:
        return self._done(self.refusal)

    def end_run(self, run_id: UUID, clean: bool) -> Future[Any]:
        self.ended.append(run_id)
        return self._done()


class FakeJournal:
    def __init__(self) -> None:
        self.notes: list[tuple[Severity, str, str]] = []

    def note(self, severity: Severity, kind: str, message: str) -> None:
        self.notes.append((severity, kind, message))


@dataclass
class Bench:
    """A desk with its succession, on two groups, with a clock that the test moves."""

    desk: OrderDesk
    succession: Succession
    groups: list[Any]
    ledger: FakeLedger
    journal: FakeJournal
    inbox: Inbox
    tally: Tally
    now_s: list[float]

    def step(self, parts: bool = False) -> None:
        self.desk.step(lambda _: parts)

    def propose(self, number: int = 1, kind: OrderKind = OrderKind.BUNDLE, **run: object) -> Proposal:
        order = GivenOrder(number, Order("press", kind, "ann", "why", "b"), OrderState.WANTED, "", None)
        proposed = replace(RUN_B, **run)  # type: ignore[arg-type]
        now = ServingNow(proposed.run_id, proposed.recipe, proposed.bundle_id, "not certified", False)
        proposal = Proposal(order, proposed, Path("b"), Recipe(), standing=now)
        self.desk.take(proposal)
        self.step()
        return proposal

    def all_loaded(self, number: int) -> None:
        for group in self.groups:
            self.desk.heard(group, Loaded(number, {}, 3))
        self.inbox.run_all()

    def told(self, kind: type) -> list[list[Any]]:
        return [[message for message in group.process.said if isinstance(message, kind)] for group in self.groups]


RUN_A = Run("press", "default", Recipe().revision(), "{}", "a" * 64, "classify", ("good", "dark"))
RUN_B = replace(RUN_A, bundle_id="b" * 64)


@pytest.fixture
def bench(make_config: Any) -> Iterator[Bench]:
    config: StationConfig = make_config(deadline_ms=500)
    groups: list[Any] = [FakeGroup("top"), FakeGroup("side")]
    ledger, journal, inbox, tally, now_s = FakeLedger(), FakeJournal(), Inbox(), Tally("press"), [0.0]
    tally.state = "running"
    line: Any = Line(ledger, None, tally, journal, inbox, Guard())  # type: ignore[arg-type]
    identity = Identity(RUN_A.run_id, "press", "default", "a" * 64)
    first = LineServing(0, identity, Path("a"), Recipe(), None, RUN_A)
    succession = Succession(first, config, groups, line, lambda: now_s[0])
    desk = OrderDesk(succession, config, groups, line, Holding(), lambda: now_s[0])
    yield Bench(desk, succession, groups, ledger, journal, inbox, tally, now_s)
    inbox.close()


def test_nothing_switches_before_every_group_has_proved_the_bundle(bench: Bench) -> None:
    bench.propose()
    bench.desk.heard(bench.groups[0], Loaded(1, {}, 3))
    bench.inbox.run_all()
    assert bench.succession.current.number == 0
    assert bench.told(Serve) == [[], []]
    bench.desk.heard(bench.groups[1], Loaded(1, {}, 3))
    bench.inbox.run_all()
    assert bench.succession.current.identity.bundle_id == "b" * 64
    assert bench.told(Serve) == [[Serve(1)], [Serve(1)]]
    assert bench.tally.serving is not None
    assert bench.tally.serving.bundle_id == "b" * 64


def test_one_group_that_declines_keeps_all_on_what_served(bench: Bench) -> None:
    bench.propose()
    bench.desk.heard(bench.groups[0], Loaded(1, {}, 3))
    bench.desk.heard(bench.groups[1], Declined(1, "golden self-test: REJECT"))
    assert bench.succession.current.number == 0
    assert bench.told(Drop) == [[Drop(1)], [Drop(1)]]
    assert bench.ledger.steps[-1] == (1, OrderState.REFUSED, "golden self-test: REJECT")
    assert bench.journal.notes[-1][:2] == (Severity.ALARM, "bundle refused")


def test_bundle_that_is_not_proved_in_time_is_refused_and_may_come_too_late(bench: Bench) -> None:
    bench.propose()
    bench.now_s[0] = 61
    bench.step()
    bench.all_loaded(1)
    assert bench.ledger.steps[-1] == (1, OrderState.REFUSED, "not loaded and proved within 60 s")
    assert bench.succession.current.number == 0


def test_a_bundle_whose_engine_is_being_built_has_its_time_anew_with_every_word_of_it(bench: Bench) -> None:
    bench.propose()
    for now_s, news in ((50, "layers: 1 of 9"), (100, None), (150, "layers: 8 of 9")):
        bench.now_s[0] = now_s
        bench.succession.builds(1, news)
        bench.step()
    assert bench.ledger.steps[-2:] == [(1, OrderState.DOING, "layers: 1 of 9"), (1, OrderState.DOING, "layers: 8 of 9")]
    bench.now_s[0] = 211
    bench.step()
    assert bench.ledger.steps[-1][1] is OrderState.REFUSED


def test_what_is_said_of_a_build_that_nobody_waits_for_any_more_changes_nothing(bench: Bench) -> None:
    bench.propose()
    bench.succession.builds(0, "layers: 1 of 9")
    bench.all_loaded(1)
    bench.succession.builds(1, "layers: 9 of 9")
    assert all(not actual.startswith("layers") for _, _, actual in bench.ledger.steps)


def test_a_process_that_builds_has_its_time_to_become_ready_anew(make_config: Any) -> None:
    started = SimpleNamespace(started_s=time.monotonic() - 61)
    group = VisionGroup("top", ["camera-1"], make_config(), lambda *_: started, 0)  # type: ignore[arg-type, return-value]
    assert group.fault(time.monotonic_ns()) == "vision process was not ready within 60 s"
    group.builds()
    assert group.fault(time.monotonic_ns()) is None


def test_vision_process_lost_while_it_loads_refuses_the_order_and_restarts_on_what_served(bench: Bench) -> None:
    bench.propose()
    bench.desk.lost(bench.groups[0])
    assert bench.ledger.steps[-1][1] is OrderState.REFUSED
    assert bench.succession.for_restart().number == 0


def test_run_that_the_ledger_refuses_switches_nothing(bench: Bench) -> None:
    bench.ledger.refusal = ValueError("no room")
    bench.propose()
    bench.all_loaded(1)
    assert bench.succession.current.number == 0
    assert bench.ledger.steps[-1] == (1, OrderState.REFUSED, "ledger: no room")


def test_run_that_was_taken_over_from_ends_with_its_last_part_and_is_known_until_then(bench: Bench) -> None:
    bench.propose()
    bench.all_loaded(1)
    bench.now_s[0] = 2
    bench.step(parts=True)
    assert bench.succession.of(0) is not None
    assert bench.ledger.ended == []
    bench.step()
    assert bench.ledger.ended == [RUN_A.run_id]
    assert bench.succession.of(0) is None
    assert bench.succession.runs == [RUN_B.run_id]


def test_the_former_bundle_is_kept_and_the_one_before_it_is_dropped(bench: Bench) -> None:
    bench.propose()
    bench.all_loaded(1)
    assert bench.told(Drop) == [[], []]
    bench.propose(2, bundle_id="c" * 64)
    bench.all_loaded(2)
    assert bench.told(Drop) == [[Drop(0)], [Drop(0)]]


@pytest.mark.parametrize(
    ("run", "cause"),
    [
        ({"task": "detect"}, "task is detect"),
        ({"classes": ("good", "bright")}, "classes are good, bright"),
        ({"bundle_id": "a" * 64}, "serves already"),
    ],
)
def test_bundle_of_another_kind_is_refused_before_anybody_loads_it(bench: Bench, run: Any, cause: str) -> None:
    bench.propose(**run)
    assert cause in bench.ledger.steps[-1][2]
    assert bench.told(Load) == [[], []]


def test_a_change_waits_for_the_one_under_way_and_a_hold_does_not(bench: Bench) -> None:
    bench.propose()
    bench.propose(2, bundle_id="c" * 64)
    hold = GivenOrder(3, Order("press", OrderKind.HOLD, "ann", "jam"), OrderState.WANTED, "", None)
    bench.desk.take(hold)
    assert bench.desk.holding.why == "held: jam (ann)"
    assert [len(loads) for loads in bench.told(Load)] == [1, 1]
    bench.all_loaded(1)
    bench.step()
    assert [len(loads) for loads in bench.told(Load)] == [2, 2]


def test_self_test_runs_on_its_schedule_and_one_failing_group_holds_the_line(bench: Bench) -> None:
    bench.now_s[0] = 3601
    bench.step()
    assert bench.told(SelfTest) == [[SelfTest()], [SelfTest()]]
    bench.desk.heard(bench.groups[0], SelfTested(3))
    bench.desk.heard(bench.groups[1], SelfTested(3, "sample 2 differs"))
    assert bench.desk.holding.why == "held: golden self-test failed: sample 2 differs"
    assert bench.journal.notes[-1] == (Severity.ALARM, "self-test failed", "sample 2 differs")


def test_passing_self_test_ends_its_own_hold_and_not_a_persons(bench: Bench) -> None:
    bench.desk.holding = Holding("jam (ann)", "golden self-test failed: x")
    bench.now_s[0] = 3601
    bench.step()
    for group in bench.groups:
        bench.desk.heard(group, SelfTested(3))
    assert bench.desk.holding == Holding("jam (ann)")


def test_self_test_that_never_ends_holds_the_line(bench: Bench) -> None:
    bench.now_s[0] = 3601
    bench.step()
    bench.now_s[0] = 3700
    bench.step()
    assert bench.desk.holding.by_test == "golden self-test failed: not ended within 60 s"


def test_shadow_is_loaded_again_by_a_replaced_process_and_ends_when_it_serves(bench: Bench) -> None:
    bench.propose(kind=OrderKind.SHADOW)
    bench.all_loaded(1)
    assert bench.told(Shade) == [[Shade(1)], [Shade(1)]]
    assert bench.succession.current.number == 0
    bench.succession.back(bench.groups[0])
    bench.desk.heard(bench.groups[0], Loaded(1, {}, 3))
    assert bench.told(Shade)[0] == [Shade(1), Shade(1)]
    bench.propose(2)
    bench.all_loaded(2)
    assert bench.told(Shade)[1] == [Shade(1), Shade(None)]
