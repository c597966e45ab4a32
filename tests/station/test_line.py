"""The line loop against a vision process that says what it should not, or says it too late."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from db.engine import open_engine
from db.images import StoredImage
from db.ledger import Ledger, RowRefused
from db.queries import events, records
from db.records import Run, Severity
from inspector.errors import UserError
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, PartResult, Verdict
from station.config import StationConfig
from station.line import LineLoop
from station.messages import (
    Ended,
    Exposed,
    FromLine,
    FromVision,
    ImageFailed,
    ImageStored,
    Inspect,
    Inspected,
    NotHeld,
    Ready,
    Unfit,
)
from station.openings import ROWS_AHEAD
from station.outputs.base import JudgedPart, LineState, Output, OutputState
from station.parts import Identity
from station.status import Tally
from station.supervisor import VisionProcess

Answer = Callable[[Inspect], Iterable[FromVision]]
PASS = PartResult(Verdict(Outcome.PASS, (), 0.01, "good"), ())


class FakeVision(VisionProcess):
    """Announces one exposure, answers the request for it as told, and ends. No process, no camera, no network."""

    def __init__(self, answer: Answer, exposures: int = 1) -> None:
        self.connection, self._theirs = multiprocessing.Pipe()
        self.started_s = time.monotonic()
        self._answer = answer
        self._send(Ready({}, 0))
        for sequence in range(exposures):
            self._send(Exposed("camera-1", sequence, datetime.now(UTC), time.monotonic_ns(), f"{sequence}.png"))
        self._left = exposures

    def send(self, message: FromLine) -> None:
        if isinstance(message, Inspect):
            for reply in self._answer(message):
                self._send(reply)
            self._left -= 1
            if not self._left:
                self._send(Ended("camera-1", "no more"))

    def stop(self, timeout_s: float) -> None:
        self.kill()

    def kill(self) -> None:
        self.connection.close()
        self._theirs.close()

    def _send(self, message: FromVision) -> None:
        self._theirs.send(message)


class SlowLedger(Ledger):
    """Says that a row is durable so much later than it is, or that it is refused; knows which it has called durable."""

    def __init__(self, database: Path, delay_s: float = 0.0, refusal: RowRefused | None = None) -> None:
        super().__init__(database)
        self.durable: set[UUID] = set()
        self._delay_s = delay_s
        self._refusal = refusal
        self._timers: list[threading.Timer] = []

    def open_part(self, record: InspectionRecord, simulated: bool = False) -> Future[None]:
        answer: Future[None] = Future()

        def say() -> None:
            if self._refusal is not None:
                answer.set_exception(self._refusal)
                return
            written.result()
            self.durable.add(record.part_id)
            answer.set_result(None)

        written = super().open_part(record)
        self._timers.append(threading.Timer(self._delay_s, say))
        self._timers[-1].start()
        return answer

    def close(self, timeout_s: float = 10.0) -> int:
        for timer in self._timers:
            timer.join()
        return super().close(timeout_s)


class Gate(Output):
    """Remembers what the line was told, and whether the part's row was durable by then."""

    def __init__(self, delay_s: float, ledger: Ledger) -> None:
        self.acts: list[tuple[int, Outcome]] = []
        self.durable: list[bool] = []
        self._delay_s = delay_s
        self._ledger = ledger

    def act(self, judged: JudgedPart) -> None:
        self.acts.append((judged.part.trigger, judged.verdict.outcome))
        self.durable.append(isinstance(self._ledger, SlowLedger) and judged.part.part_id in self._ledger.durable)
        time.sleep(self._delay_s)

    def pulse(self, line: LineState) -> Sequence[OutputState]:
        return ()


@pytest.fixture
def serve(make_config, tmp_path: Path):
    """Return a function that runs the loop against a fake vision process, and returns rows and what the gate did."""

    def run(
        answer: Answer, exposures: int = 1, gate_s: float = 0.0, ledger: Ledger | None = None, **station: object
    ) -> tuple[list[InspectionRecord], Gate]:
        config: StationConfig = make_config(**station)
        ledger = ledger or Ledger(tmp_path / "ledger.sqlite")
        gate = Gate(gate_s, ledger)
        with ledger:
            described = Run("test-1", "r", "0" * 64, "{}", "0" * 64, "classify", ("good",))
            identity = Identity(ledger.start_run(described), "test-1", "r", "0" * 64)
            loop = LineLoop(
                config,
                identity,
                ledger,
                gate,
                Tally("test-1"),
                threading.Event(),
                0,
                start_vision=lambda *_: FakeVision(answer, exposures),
            )
            loop.run()
        engine = open_engine(tmp_path / "ledger.sqlite")
        with engine.connect() as connection:
            rows = records(connection, identity.run_id)
        engine.dispose()
        return rows, gate

    return run


@pytest.fixture
def make_ledger(tmp_path: Path) -> Callable[..., SlowLedger]:
    return lambda *args: SlowLedger(tmp_path / "ledger.sqlite", *args)


def alarms(folder: Path) -> list[tuple[str, str]]:
    engine = open_engine(folder / "ledger.sqlite")
    with engine.connect() as connection:
        found = [(event.kind, event.message) for event in events(connection, 10) if event.severity is Severity.ALARM]
    engine.dispose()
    return found


def test_part_is_inspected_while_its_row_becomes_durable_and_acted_on_when_it_is(serve, make_ledger):
    ledger = make_ledger(0.2)
    durable_when_asked: list[bool] = []

    def at_once(message: Inspect) -> Iterable[FromVision]:
        durable_when_asked.append(message.part_id in ledger.durable)
        yield Inspected(message.part_id, "camera-1", PASS, image_follows=False)

    rows, gate = serve(at_once, ledger=ledger)
    assert durable_when_asked == [False]
    assert (gate.acts, gate.durable) == ([(1, Outcome.PASS)], [True])
    assert [row.outcome for row in rows] == [Outcome.PASS]
    assert rows[0].latency_ms >= 190


def test_verdict_whose_row_is_refused_is_not_acted_on_and_an_alarm_tells_of_the_part(serve, make_ledger, tmp_path):
    ledger = make_ledger(0.1, RowRefused("the row is wrong"))
    _, gate = serve(lambda message: [Inspected(message.part_id, "camera-1", PASS, image_follows=False)], ledger=ledger)
    assert gate.acts == [(1, Outcome.NOT_INSPECTED)]
    assert alarms(tmp_path) == [("row refused", "part 1 has no row: the row is wrong")]


def test_record_that_is_refused_for_good_leaves_a_closed_row_and_an_alarm(serve, tmp_path: Path):
    odd = replace(PASS, verdict=replace(PASS.verdict, defect_probability=float("nan")))
    answers = iter((odd, PASS))
    rows, _ = serve(
        lambda message: [Inspected(message.part_id, "camera-1", next(answers), image_follows=False)], exposures=2
    )
    assert [row.outcome for row in rows] == [Outcome.NOT_INSPECTED, Outcome.PASS]
    ((kind, words),) = alarms(tmp_path)
    assert (kind, words[:7]) == ("record refused", "part 1 ")
    assert words.endswith("defect_probability is nan; expected a finite number")


def test_deadline_passes_while_the_row_is_not_durable_and_the_part_is_diverted_once(serve, make_ledger):
    ledger = make_ledger(2.0)
    at_once: Answer = lambda message: [Inspected(message.part_id, "camera-1", PASS, image_follows=False)]  # noqa: E731
    rows, gate = serve(at_once, ledger=ledger, deadline_ms=100)
    assert gate.acts == [(1, Outcome.NOT_INSPECTED)]
    assert [row.outcome for row in rows] == [Outcome.NOT_INSPECTED]
    assert "deadline of 100 ms passed: ledger row not durable" in rows[0].reasons[0]
    assert rows[0].latency_ms < 1500


def test_image_that_was_stored_before_the_row_was_durable_is_recorded_with_it(serve, make_ledger):
    image = StoredImage("1" * 64, "11/11/1.jpg", 1)

    def at_once(message: Inspect) -> Iterable[FromVision]:
        yield Inspected(message.part_id, "camera-1", PASS, image_follows=True)
        yield ImageStored(message.part_id, "camera-1", image)

    rows, gate = serve(at_once, ledger=make_ledger(0.2))
    assert (gate.acts, gate.durable) == ([(1, Outcome.PASS)], [True])
    assert [(row.outcome, row.image_sha256) for row in rows] == [(Outcome.PASS, image.sha256)]


def test_image_that_failed_before_the_row_was_durable_leaves_the_verdict(serve, make_ledger):
    def at_once(message: Inspect) -> Iterable[FromVision]:
        yield Inspected(message.part_id, "camera-1", PASS, image_follows=True)
        yield ImageFailed(message.part_id, "camera-1", "disk is full")

    rows, gate = serve(at_once, ledger=make_ledger(0.2))
    assert gate.acts == [(1, Outcome.PASS)]
    assert [(row.outcome, row.image_sha256) for row in rows] == [(Outcome.PASS, None)]


def test_while_the_ledger_stalls_only_a_few_parts_are_inspected_ahead_of_their_rows(serve, make_ledger):
    ledger = make_ledger(0.3)
    asked: set[UUID] = set()
    ahead: list[int] = []

    def at_once(message: Inspect) -> Iterable[FromVision]:
        asked.add(message.part_id)
        ahead.append(len(asked.difference(ledger.durable)))
        yield Inspected(message.part_id, "camera-1", PASS, image_follows=False)

    rows, gate = serve(at_once, exposures=3 * ROWS_AHEAD, ledger=ledger, deadline_ms=60_000)
    assert [row.outcome for row in rows] == [Outcome.PASS] * 3 * ROWS_AHEAD
    assert all(gate.durable)
    assert 1 < max(ahead) <= ROWS_AHEAD


def test_verdict_after_the_deadline_is_not_acted_on(serve):
    def late(message: Inspect) -> Iterable[FromVision]:
        time.sleep(0.3)
        yield Inspected(message.part_id, "camera-1", PASS, image_follows=False)

    rows, gate = serve(late, deadline_ms=100)
    assert [row.outcome for row in rows] == [Outcome.NOT_INSPECTED]
    assert gate.acts == [(1, Outcome.NOT_INSPECTED)]


def test_verdict_told_twice_is_acted_on_once(serve):
    def twice(message: Inspect) -> Iterable[FromVision]:
        yield Inspected(message.part_id, "camera-1", PASS, image_follows=False)
        yield Inspected(message.part_id, "camera-1", PASS, image_follows=False)

    rows, gate = serve(twice)
    assert [row.outcome for row in rows] == [Outcome.PASS]
    assert gate.acts == [(1, Outcome.PASS)]


def test_verdict_and_image_of_an_unknown_part_reach_no_row(serve):
    def stray(message: Inspect) -> Iterable[FromVision]:
        yield Inspected(new_id(), "camera-1", PASS, image_follows=True)
        yield ImageStored(new_id(), "camera-1", StoredImage("0" * 64, "00/00/0.jpg", 1))
        yield Inspected(message.part_id, "camera-1", PASS, image_follows=False)

    rows, gate = serve(stray)
    assert [(row.outcome, row.image_sha256) for row in rows] == [(Outcome.PASS, None)]
    assert gate.acts == [(1, Outcome.PASS)]


def test_frame_that_is_no_longer_held_is_a_part_that_was_not_inspected(serve):
    rows, _ = serve(lambda message: [NotHeld(message.part_id, "camera-1")])
    assert rows[0].reasons == ("frame no longer held",)


def test_verdicts_out_of_order_go_to_their_own_rows(serve):
    asked: list[Inspect] = []

    def reversed_pair(message: Inspect) -> Iterable[FromVision]:
        asked.append(message)
        if len(asked) == 2:
            reject = PartResult(Verdict(Outcome.REJECT, ("scratch",), 0.99, "scratch"), ())
            yield Inspected(asked[1].part_id, "camera-1", reject, image_follows=False)
            yield Inspected(asked[0].part_id, "camera-1", PASS, image_follows=False)

    rows, _ = serve(reversed_pair, exposures=2)
    assert [(row.sequence, row.source, row.outcome) for row in rows] == [
        (0, "0.png", Outcome.PASS),
        (1, "1.png", Outcome.REJECT),
    ]


def test_verdict_that_waited_past_its_deadline_behind_a_slow_gate_is_not_acted_on(serve):
    asked: list[Inspect] = []

    def both(message: Inspect) -> Iterable[FromVision]:
        asked.append(message)
        if len(asked) == 2:
            yield from (Inspected(request.part_id, "camera-1", PASS, image_follows=False) for request in asked)

    rows, gate = serve(both, exposures=2, gate_s=2.0, deadline_ms=1500)
    assert [row.outcome for row in rows] == [Outcome.PASS, Outcome.NOT_INSPECTED]
    assert "deadline of 1500 ms passed" in rows[1].reasons[0]
    assert gate.acts == [(1, Outcome.PASS), (2, Outcome.NOT_INSPECTED)]


def test_vision_process_that_is_unfit_ends_the_run_and_leaves_no_row_open(serve):
    with pytest.raises(UserError, match="the bundle is altered"):
        serve(lambda _: [Unfit("the bundle is altered")])
