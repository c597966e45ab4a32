from __future__ import annotations

import dataclasses
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

import db.ledger
from db import queries
from db.engine import open_engine
from db.images import StoredImage
from db.ledger import Ledger, RowRefused
from db.outbox import reports
from db.records import Event, Severity
from db.tables import INSPECTIONS
from inspector.errors import StorageFault
from inspector.values import InspectionRecord, Outcome, PartTag

Until = Callable[[Callable[[], bool]], None]
IMAGE = StoredImage("c" * 64, "cc/cc/" + "c" * 64 + ".png", 17)


def test_a_part_is_on_the_disk_when_its_future_resolves(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part).result(5)
        assert _stored(engine, part) == part
        ledger.complete_part(line.judged(part)).result(5)
        assert _stored(engine, part) == line.judged(part)


def test_image_and_findings_come_with_the_outcome(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        judged = line.judged(part, image_sha256=IMAGE.sha256)
        ledger.open_part(part)
        ledger.complete_part(judged, IMAGE).result(5)
    assert _stored(engine, part) == judged
    with engine.connect() as connection:
        assert queries.images_referenced(connection) == [IMAGE]


def test_two_parts_may_show_the_same_image(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        for trigger in (1, 2):
            part = line.part(run_id, trigger)
            ledger.open_part(part)
            ledger.complete_part(line.judged(part, image_sha256=IMAGE.sha256), IMAGE).result(5)
    with engine.connect() as connection:
        assert list(queries.images(connection)) == [IMAGE]


def test_completing_twice_is_refused_and_changes_nothing(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part)
        ledger.complete_part(line.judged(part)).result(5)
        again = line.judged(part, outcome=Outcome.REJECT, image_sha256=IMAGE.sha256)
        with pytest.raises(RowRefused, match="completed a second time; it was PASS"):
            ledger.complete_part(again, IMAGE).result(5)
    assert _stored(engine, part) == line.judged(part)
    with engine.connect() as connection:
        assert list(queries.images(connection)) == []


def test_completing_twice_in_one_commit_keeps_the_first(database: str, line: Any, engine: Engine, held: Any) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        with held():
            ledger.open_part(part)
            first = ledger.complete_part(line.judged(part))
            second = ledger.complete_part(line.judged(part, outcome=Outcome.REJECT))
        first.result(5)
        with pytest.raises(RowRefused, match="a second time"):
            second.result(5)
    assert _stored(engine, part) == line.judged(part)


def test_a_part_never_opened_is_refused(database: str, line: Any) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        with pytest.raises(RowRefused, match="never opened"):
            ledger.complete_part(line.judged(part)).result(5)


def test_a_part_completed_before_it_is_opened_is_refused_also_in_one_commit(
    database: str, line: Any, held: Any
) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        with held():
            completed, opened = ledger.complete_part(line.judged(part)), ledger.open_part(part)
        opened.result(5)
        with pytest.raises(RowRefused, match="never opened"):
            completed.result(5)


@pytest.mark.parametrize("changes", [{"trigger": 2}, {"sequence": 7}, {"station": "station-2"}])
def test_a_record_of_another_part_is_refused(database: str, line: Any, changes: dict[str, object]) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part)
        with pytest.raises(RowRefused, match="was opened as"):
            ledger.complete_part(dataclasses.replace(line.judged(part), **changes)).result(5)


def test_a_record_that_names_another_image_is_refused(database: str, line: Any) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part)
        with pytest.raises(RowRefused, match="names image None"):
            ledger.complete_part(line.judged(part), IMAGE).result(5)


def test_no_row_points_to_an_image_that_is_not_registered(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part)
        with pytest.raises(RowRefused, match=r"FOREIGN KEY|foreign key"):
            ledger.complete_part(line.judged(part, image_sha256=IMAGE.sha256)).result(5)
    assert _stored(engine, part).image_sha256 is None


POISON: list[dict[str, Any]] = [
    {"image_sha256": "f" * 64},
    {"defect_probability": 2.0},
    {"defect_probability": float("nan")},
    {"defect_probability": None},
    {"latency_ms": "soon"},
    {"outcome": "PASS"},
    {"label": object()},
]


@pytest.mark.parametrize("poison", POISON)
def test_a_poisoned_row_is_refused_alone(
    database: str, line: Any, engine: Engine, held: Any, poison: dict[str, Any]
) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        parts = [line.part(run_id, trigger) for trigger in range(1, 10)]
        with held():
            for part in parts:
                ledger.open_part(part)
            futures = [
                ledger.complete_part(line.judged(part, **(poison if part.trigger == 5 else {}))) for part in parts
            ]
        wait(futures, 5)
        assert [future.exception(0) is None for future in futures] == [trigger != 5 for trigger in range(1, 10)]
        assert isinstance(futures[4].exception(), RowRefused)
        assert ledger.fault is None
    with engine.connect() as connection:
        assert queries.outcome_counts(connection, run_id)[Outcome.PASS] == 8
        assert queries.open_count(connection, run_id) == 0


def test_a_part_whose_record_is_refused_is_closed_with_the_reason_and_holds_up_no_output(
    database: str, line: Any, engine: Engine
) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        parts = [line.part(run_id, trigger, tag=PartTag("A-7")) for trigger in (1, 2)]
        for part in parts:
            ledger.open_part(part)
        with pytest.raises(RowRefused, match="is NOT_INSPECTED: "):
            ledger.complete_part(line.judged(parts[0], defect_probability=float("nan")), IMAGE).result(5)
        ledger.complete_part(line.judged(parts[1])).result(5)
        ledger.end_run(run_id, clean=True).result(5)
    with engine.connect() as connection:
        told = [report.record for report in reports(connection, line.station, 0, 10)]
        (alarm,) = queries.events(connection, 10)
    assert (alarm.severity, alarm.kind) == (Severity.ALARM, "record refused")
    assert [(part.trigger, part.outcome, part.tag) for part in told] == [
        (1, Outcome.NOT_INSPECTED, PartTag("A-7")),
        (2, Outcome.PASS, PartTag("A-7")),
    ]
    assert "refused the record of this part, on which the line acted as PASS" in told[0].reasons[0]


def test_a_name_that_the_database_cannot_take_goes_and_the_part_stays(server: Any, line: Any) -> None:
    with server.database() as url, Ledger(url) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part)
        with pytest.raises(RowRefused, match="is NOT_INSPECTED: "):
            ledger.complete_part(line.judged(part, tag=PartTag(serial="9" * 200))).result(5)
        engine = open_engine(url)
        stored = _stored(engine, part)
        engine.dispose()
    assert (stored.outcome, stored.tag) == (Outcome.NOT_INSPECTED, PartTag())


def test_group_commit_keeps_the_order(path: Path, line: Any, engine: Engine, held: Any) -> None:
    resolved: list[int] = []
    with Ledger(path) as ledger:
        run_id = ledger.start_run(line.run())
        with held():
            for trigger in range(1, 501):
                ledger.open_part(line.part(run_id, trigger)).add_done_callback(_appending(resolved, trigger))
        ledger.end_run(run_id, clean=False).result(5)
    assert resolved == list(range(1, 501))
    with engine.connect() as connection:
        by_row = connection.execute(select(INSPECTIONS.c.trigger).order_by(text("rowid"))).scalars().all()
    assert by_row == list(range(1, 501))


def test_many_threads_lose_nothing(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())

        def work(first: int) -> None:
            for trigger in range(first, 401, 4):
                part = line.part(run_id, trigger)
                ledger.open_part(part)
                ledger.complete_part(line.judged(part))

        threads = [threading.Thread(target=work, args=(first,)) for first in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ledger.end_run(run_id, clean=True).result(10)
    with engine.connect() as connection:
        assert [record.trigger for record in queries.records(connection, run_id)] == list(range(1, 401))


def test_a_locked_file_is_waited_out(database: str, line: Any, engine: Engine, held: Any, until: Until) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        with held():
            futures = [ledger.open_part(line.part(run_id, trigger)) for trigger in (1, 2, 3)]
            until(lambda: ledger.fault is not None)
            assert "holds it locked" in str(ledger.fault)
            assert not any(future.done() for future in futures)
            assert ledger.unwritten == 3
        wait(futures, 10)
        assert [future.result(0) for future in futures] == [None] * 3
        assert ledger.fault is None
    with engine.connect() as connection:
        assert queries.trigger_count(connection, run_id) == 3


def test_a_row_once_given_cannot_be_cancelled(database: str, line: Any, held: Any) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        with held():
            future = ledger.open_part(line.part(run_id, 1))
            assert not future.cancel()
        future.result(5)


def test_a_full_queue_raises_at_once_for_all_but_completions_and_takes_rows_again(
    database: str, line: Any, held: Any
) -> None:
    with Ledger(database, queue_limit=5) as ledger:
        run_id = ledger.start_run(line.run())
        with held():
            parts = [line.part(run_id, trigger) for trigger in range(1, 6)]
            futures = [ledger.open_part(part) for part in parts]
            with pytest.raises(StorageFault, match="5 rows wait unwritten"):
                ledger.open_part(line.part(run_id, 6))
            done = ledger.complete_part(line.judged(parts[0]))
        wait(futures, 10)
        done.result(5)
        ledger.open_part(line.part(run_id, 6)).result(5)


def test_closing_says_how_many_rows_were_not_written(
    database: str, line: Any, held: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        with held():
            futures = [ledger.open_part(line.part(run_id, trigger)) for trigger in (1, 2, 3)]
            assert ledger.close(timeout_s=0.1) == 3
        for future in futures:
            with pytest.raises(StorageFault, match="closed before the row was written"):
                future.result(0)
    assert "3 rows unwritten" in caplog.text


def test_closing_writes_what_waits(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        futures = [ledger.open_part(line.part(run_id, trigger)) for trigger in range(1, 200)]
        assert ledger.close() == 0
        assert all(future.result(0) is None for future in futures)
        with pytest.raises(StorageFault, match="is closed"):
            ledger.open_part(line.part(run_id, 200))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_dies_of_a_fault_of_ours_leaves_nobody_waiting(database: str, line: Any) -> None:
    class Unforeseen:
        def __getattr__(self, name: str) -> Any:
            raise KeyError(name)

    with Ledger(database) as ledger:
        broken: Any = Unforeseen()
        future = ledger.open_part(broken)
        with pytest.raises(StorageFault, match="closed before"):
            future.result(5)
        with pytest.raises(StorageFault, match="is closed"):
            ledger.start_run(line.run())
        assert ledger.close() == 1


def test_start_run_does_not_wait_for_ever(database: str, line: Any, held: Any, engine: Engine) -> None:
    with Ledger(database) as ledger, held(), pytest.raises(StorageFault, match="not written within"):
        ledger.start_run(line.run(), timeout_s=0.05)


def test_a_full_disk_is_waited_out_and_nothing_is_lost_or_doubled(small_disk: Path, line: Any, until: Until) -> None:
    path, ballast = small_disk / "ledger.sqlite", small_disk / "ballast"
    with Ledger(path) as ledger:
        run_id = ledger.start_run(line.run())
        _fill(ballast)
        parts = [line.part(run_id, trigger, source="x" * 200) for trigger in range(1, 301)]
        futures: list[Future[None]] = []
        for part in parts:
            futures += [ledger.open_part(part), ledger.complete_part(line.judged(part))]
        until(lambda: ledger.fault is not None)
        assert "the disk is full" in str(ledger.fault)
        ballast.unlink()
        wait(futures, 20)
        assert [future.exception(0) for future in futures] == [None] * 600
        assert ledger.fault is None
        ledger.end_run(run_id, clean=True).result(5)
    engine = open_engine(path)
    with engine.connect() as connection:
        assert [record.trigger for record in queries.records(connection, run_id)] == list(range(1, 301))
        assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
    engine.dispose()


def test_a_disk_that_fails_is_waited_out(path: Path, line: Any, engine: Engine, until: Until) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Ledger(path) as ledger:
        run_id = ledger.start_run(line.run())
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # a write behind that byte is an I/O error
        try:
            futures = [ledger.open_part(line.part(run_id, trigger)) for trigger in (1, 2, 3)]
            until(lambda: ledger.fault is not None)
            assert "I/O error" in str(ledger.fault)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        wait(futures, 10)
        assert [future.exception(0) for future in futures] == [None] * 3
        assert ledger.fault is None
    with engine.connect() as connection:
        assert [record.trigger for record in queries.records(connection, run_id)] == [1, 2, 3]


def test_a_run_with_open_parts_does_not_end_clean(database: str, line: Any) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        ledger.open_part(line.part(run_id, 1))
        with pytest.raises(RowRefused, match="1 open parts"):
            ledger.end_run(run_id, clean=True).result(5)


def test_a_run_ends_once(database: str, line: Any) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        ledger.end_run(run_id, clean=True).result(5)
        with pytest.raises(RowRefused, match="has ended"):
            ledger.end_run(run_id, clean=True).result(5)


def test_an_event_needs_no_run(database: str, engine: Engine) -> None:
    event = Event("station-9", Severity.ALARM, "camera lost", "camera 'top': gone")
    with Ledger(database) as ledger:
        ledger.record_event(event).result(5)
    with engine.connect() as connection:
        assert queries.events(connection, 5, "station-9") == [event]


def test_two_processes_write_one_database(database: str, engine: Engine) -> None:
    script = Path(__file__).with_name("writing_station.py")
    stations = [
        subprocess.Popen([sys.executable, str(script), database, name, "150"], stdout=subprocess.DEVNULL)
        for name in ("station-1", "station-2")
    ]
    assert [station.wait(60) for station in stations] == [0, 0]
    with engine.connect() as connection:
        runs = queries.runs(connection)
        counted = {run.station: queries.outcome_counts(connection, run.run_id)[Outcome.PASS] for run in runs}
        assert queries.open_count(connection) == 0
    assert counted == {"station-1": 150, "station-2": 150}


def _stored(engine: Engine, part: InspectionRecord) -> InspectionRecord | None:
    with engine.connect() as connection:
        return queries.part(connection, part.part_id)


def _appending(to: list[int], trigger: int) -> Callable[[Future[None]], None]:
    return lambda _: to.append(trigger)


def _fill(ballast: Path) -> None:
    free = os.statvfs(ballast.parent)
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize))


def test_a_completion_alone_is_written_soon(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part).result(5)
        ledger.complete_part(line.judged(part)).result(1)
        assert _stored(engine, part) == line.judged(part)


def test_a_completion_is_written_with_the_opening_that_follows(database: str, line: Any, monkeypatch: Any) -> None:
    batches: list[int] = []
    write_together = db.ledger.write_together
    monkeypatch.setattr(db.ledger, "COMPLETIONS_WAIT_S", 10.0)
    monkeypatch.setattr(
        db.ledger, "write_together", lambda c, entries: batches.append(len(entries)) or write_together(c, entries)
    )
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        first, second = line.part(run_id, 1), line.part(run_id, 2)
        ledger.open_part(first).result(5)
        batches.clear()
        done = ledger.complete_part(line.judged(first))
        ledger.open_part(second).result(5)
        assert done.done()
    assert batches == [2]


def test_closing_does_not_wait_for_an_opening(database: str, line: Any, engine: Engine, monkeypatch: Any) -> None:
    monkeypatch.setattr(db.ledger, "COMPLETIONS_WAIT_S", 60.0)
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part).result(5)
        ledger.complete_part(line.judged(part))
    assert _stored(engine, part) == line.judged(part)
