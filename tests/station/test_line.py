"""The line loop against a vision process that says what it should not, or says it too late."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from db.engine import open_engine
from db.images import StoredImage
from db.ledger import Ledger
from db.queries import records
from db.records import Run
from inspector.errors import UserError
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, PartResult, Verdict
from station.config import StationConfig
from station.line import Identity, LineLoop
from station.messages import (
    Ended,
    Exposed,
    FromLine,
    FromVision,
    ImageStored,
    Inspect,
    Inspected,
    NotHeld,
    Ready,
    Unfit,
)
from station.outputs.base import Output
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
            self._send(Exposed(sequence, datetime.now(UTC), time.monotonic_ns(), f"{sequence}.png"))
        self._left = exposures

    def send(self, message: FromLine) -> None:
        if isinstance(message, Inspect):
            for reply in self._answer(message):
                self._send(reply)
            self._left -= 1
            if not self._left:
                self._send(Ended("no more"))

    def stop(self, timeout_s: float) -> None:
        self.kill()

    def kill(self) -> None:
        self.connection.close()
        self._theirs.close()

    def _send(self, message: FromVision) -> None:
        self._theirs.send(message)


class Gate(Output):
    """Remembers what the line was told."""

    def __init__(self, delay_s: float) -> None:
        self.acts: list[tuple[int, Outcome]] = []
        self._delay_s = delay_s

    def act(self, part_id: UUID, trigger: int, verdict: Verdict) -> None:
        self.acts.append((trigger, verdict.outcome))
        time.sleep(self._delay_s)


@pytest.fixture
def serve(make_config, tmp_path: Path):
    """Return a function that runs the loop against a fake vision process, and returns rows and what the gate did."""

    def run(
        answer: Answer, exposures: int = 1, gate_s: float = 0.0, **station: object
    ) -> tuple[list[InspectionRecord], Gate]:
        config: StationConfig = make_config(**station)
        gate = Gate(gate_s)
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
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
                start_vision=lambda _config, _start: FakeVision(answer, exposures),
            )
            loop.run()
        engine = open_engine(tmp_path / "ledger.sqlite")
        with engine.connect() as connection:
            rows = records(connection, identity.run_id)
        engine.dispose()
        return rows, gate

    return run


def test_verdict_after_the_deadline_is_not_acted_on(serve):
    def late(message: Inspect) -> Iterable[FromVision]:
        time.sleep(0.3)
        yield Inspected(message.part_id, PASS, image_follows=False)

    rows, gate = serve(late, deadline_ms=100)
    assert [row.outcome for row in rows] == [Outcome.NOT_INSPECTED]
    assert gate.acts == [(1, Outcome.NOT_INSPECTED)]


def test_verdict_told_twice_is_acted_on_once(serve):
    def twice(message: Inspect) -> Iterable[FromVision]:
        yield Inspected(message.part_id, PASS, image_follows=False)
        yield Inspected(message.part_id, PASS, image_follows=False)

    rows, gate = serve(twice)
    assert [row.outcome for row in rows] == [Outcome.PASS]
    assert gate.acts == [(1, Outcome.PASS)]


def test_verdict_and_image_of_an_unknown_part_reach_no_row(serve):
    def stray(message: Inspect) -> Iterable[FromVision]:
        yield Inspected(new_id(), PASS, image_follows=True)
        yield ImageStored(new_id(), StoredImage("0" * 64, "00/00/0.jpg", 1))
        yield Inspected(message.part_id, PASS, image_follows=False)

    rows, gate = serve(stray)
    assert [(row.outcome, row.image_sha256) for row in rows] == [(Outcome.PASS, None)]
    assert gate.acts == [(1, Outcome.PASS)]


def test_frame_that_is_no_longer_held_is_a_part_that_was_not_inspected(serve):
    rows, _ = serve(lambda message: [NotHeld(message.part_id)])
    assert rows[0].reasons == ("frame no longer held",)


def test_verdicts_out_of_order_go_to_their_own_rows(serve):
    asked: list[Inspect] = []

    def reversed_pair(message: Inspect) -> Iterable[FromVision]:
        asked.append(message)
        if len(asked) == 2:
            reject = PartResult(Verdict(Outcome.REJECT, ("scratch",), 0.99, "scratch"), ())
            yield Inspected(asked[1].part_id, reject, image_follows=False)
            yield Inspected(asked[0].part_id, PASS, image_follows=False)

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
            yield from (Inspected(request.part_id, PASS, image_follows=False) for request in asked)

    rows, gate = serve(both, exposures=2, gate_s=0.4, deadline_ms=300)
    assert [row.outcome for row in rows] == [Outcome.PASS, Outcome.NOT_INSPECTED]
    assert "deadline of 300 ms passed" in rows[1].reasons[0]
    assert gate.acts == [(1, Outcome.PASS), (2, Outcome.NOT_INSPECTED)]


def test_vision_process_that_is_unfit_ends_the_run_and_leaves_no_row_open(serve):
    with pytest.raises(UserError, match="the bundle is altered"):
        serve(lambda _: [Unfit("the bundle is altered")])
