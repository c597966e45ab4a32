from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine

from db import queries
from db.images import StoredImage
from db.ledger import Ledger
from db.records import Event, Severity
from inspector.values import InspectionRecord, Outcome

IMAGE = StoredImage("c" * 64, "cc/cc/" + "c" * 64 + ".png", 17)


class Shift:
    """Two runs: four parts judged and one open, then one part of another station."""

    def __init__(self, database: str, line: Any) -> None:
        self.line = line
        with Ledger(database) as ledger:
            self.run_id: UUID = ledger.start_run(line.run())
            self.other_id: UUID = ledger.start_run(line.run(station="station-2"))
            self.written = [self._write(ledger, trigger) for trigger in (3, 1, 2, 4)]
            self.open = self._part(5)
            ledger.open_part(self.open)
            self.other = line.part(self.other_id, 1, station="station-2", triggered_at=self.open.triggered_at)
            ledger.open_part(self.other)
            for number in range(3):
                event = Event("station-1", Severity.INFO, "start", f"{number}", at=self._moment(number))
                ledger.record_event(event)

    def _moment(self, trigger: int) -> Any:
        return self.line.part(self.run_id, 1).triggered_at + timedelta(seconds=trigger)

    def _part(self, trigger: int) -> InspectionRecord:
        part: InspectionRecord = self.line.part(self.run_id, trigger, triggered_at=self._moment(trigger))
        return part

    def _write(self, ledger: Ledger, trigger: int) -> InspectionRecord:
        part, rejected = self._part(trigger), trigger == 2
        changes = {"outcome": Outcome.REJECT, "image_sha256": IMAGE.sha256} if rejected else {}
        judged: InspectionRecord = self.line.judged(part, latency_ms=float(trigger), **changes)
        ledger.open_part(part)
        ledger.complete_part(judged, IMAGE if rejected else None)
        return judged


@pytest.fixture
def shift(database: str, line: Any) -> Shift:
    return Shift(database, line)


@pytest.fixture
def connection(shift: Shift, engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def test_records_of_a_run_come_in_the_order_of_triggers(connection: Connection, shift: Shift) -> None:
    expected = sorted([*shift.written, shift.open], key=lambda record: record.trigger)
    assert queries.records(connection, shift.run_id) == expected


def test_outcomes_are_counted_and_those_that_never_happened_are_zero(connection: Connection, shift: Shift) -> None:
    counted = queries.outcome_counts(connection, shift.run_id)
    assert counted == {Outcome.PASS: 3, Outcome.REJECT: 1, Outcome.REVIEW: 0, Outcome.NOT_INSPECTED: 0}


def test_triggers_are_outcomes_and_open_parts(connection: Connection, shift: Shift) -> None:
    outcomes = sum(queries.outcome_counts(connection).values())
    assert queries.trigger_count(connection) == outcomes + queries.open_count(connection) == 6
    assert queries.open_count(connection, shift.run_id) == 1


def test_the_latest_come_newest_first(connection: Connection, shift: Shift) -> None:
    assert [record.trigger for record in queries.latest(connection, 3, "station-1")] == [5, 4, 3]
    assert queries.latest(connection, 1, "station-2") == [shift.other]
    assert len(queries.latest(connection, 100)) == 6


def test_latencies_come_in_the_order_of_triggers(connection: Connection, shift: Shift) -> None:
    assert queries.latencies_ms(connection, shift.run_id) == [1.0, 2.0, 3.0, 4.0]


def test_images_are_found_from_their_parts(connection: Connection, shift: Shift) -> None:
    assert queries.images_referenced(connection, shift.run_id) == [IMAGE]
    assert queries.images_referenced(connection, shift.other_id) == []
    assert queries.image(connection, IMAGE.sha256) == IMAGE
    assert queries.image(connection, "d" * 64) is None


def test_runs_tell_recipe_and_bundle(connection: Connection, shift: Shift) -> None:
    run = queries.latest_run(connection, "station-2")
    assert run is not None
    assert (run.run_id, run.recipe_text, run.classes) == (shift.other_id, "[camera]", ("good", "scratch"))
    assert (run.ended_at, run.clean) == (None, None)
    assert queries.latest_run(connection, "station-3") is None


def test_events_come_newest_first(connection: Connection) -> None:
    assert [event.message for event in queries.events(connection, 2)] == ["2", "1"]


def test_a_part_that_does_not_exist_is_none(connection: Connection, shift: Shift) -> None:
    assert queries.part(connection, shift.run_id) is None
