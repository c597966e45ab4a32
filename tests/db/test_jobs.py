from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from db.bundles import KnownBundle, register_bundle
from db.engine import open_engine, writing
from db.jobs import (
    LASTS,
    HeldJob,
    Job,
    JobState,
    beat,
    cancel,
    enqueue,
    fail,
    find_job,
    finish,
    give_back,
    jobs,
    lease,
    progress,
    reclaim,
    use_snapshot,
)
from db.snapshots import Snapshot, find_snapshot, freeze, manifest_of, snapshots
from db.work_tables import DATASET_SNAPSHOTS
from inspector.errors import DatasetError, JobLost, JobRefused
from inspector.ids import new_id

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OLD, NEW = "a" * 64, "b" * 64


def job(number: int = 0, **changes: Any) -> Job:
    return Job("lid", "ann", "200 corrections", queued_at=NOON + number * SECOND, **changes)


def frozen(connection: Connection, **changes: Any) -> Any:
    manifest = {"parts": [{"part": "p1", "weight": 1.0}], "recipe": "lid"}
    made: dict[str, Any] = {"recipe": "lid", "person": "ann", "label_cutoff": NOON, "counts": {"train": 1}}
    made["manifest"] = manifest
    return freeze(connection, Snapshot(**(made | changes)))


def taken(connection: Connection, owner: str = "worker-1", at: datetime = NOON) -> HeldJob:
    held = lease(connection, owner, at)
    assert held is not None
    return held


def test_a_job_goes_from_the_queue_to_its_bundle(engine: Engine) -> None:
    wanted = job(parent_bundle_id=OLD, settings={"task": "classify", "minutes": 25})
    with writing(engine) as connection:
        register_bundle(connection, KnownBundle(OLD, "classify", ("good",), {}))
        assert enqueue(connection, wanted) == wanted.job_id
        held = taken(connection)
        assert held == HeldJob(wanted, "worker-1", 1)
        assert find_job(connection, wanted.job_id).state is JobState.LEASED
        use_snapshot(connection, held, frozen(connection).snapshot_id)
        progress(connection, held, 0.5, "epoch 3 of 6", NOON + SECOND)
        running = find_job(connection, wanted.job_id)
        assert (running.state, running.progress, running.message) == (JobState.RUNNING, 0.5, "epoch 3 of 6")
        assert (running.heartbeat_at, running.lease_until) == (NOON + SECOND, NOON + SECOND + LASTS)
        register_bundle(connection, KnownBundle(NEW, "classify", ("good",), {}))
        finish(connection, held, NEW, "not inferior", NOON + 2 * SECOND)
        done = find_job(connection, wanted.job_id)
    assert (done.state, done.progress, done.bundle_id, done.lease_owner) == (JobState.SUCCEEDED, 1.0, NEW, None)
    assert done.ended_at == NOON + 2 * SECOND
    assert done.job.snapshot_id is not None


def test_the_job_that_waits_longest_is_taken_and_an_empty_queue_gives_none(engine: Engine) -> None:
    first, second = job(1), job(2)
    with writing(engine) as connection:
        enqueue(connection, second)
        enqueue(connection, first)
        assert [taken(connection).job for _ in range(2)] == [first, second]
        assert lease(connection, "worker-1", NOON) is None
        assert [status.job for status in jobs(connection, JobState.LEASED, recipe="lid")] == [first, second]
        assert jobs(connection, JobState.QUEUED) == jobs(connection, recipe="other") == []


def test_workers_at_once_never_take_one_job_twice(database: str, engine: Engine) -> None:
    with writing(engine) as connection:
        wanted = {enqueue(connection, job(number)) for number in range(12)}
    got: list[HeldJob] = []

    def work(name: str) -> None:
        own = open_engine(database)
        while True:
            with writing(own) as connection:
                held = lease(connection, name, NOON)
            if held is None:
                break
            got.append(held)
        own.dispose()

    threads = [threading.Thread(target=work, args=(f"worker-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(held.job.job_id for held in got) == sorted(wanted)


def test_on_postgresql_a_job_that_another_is_about_to_take_is_skipped(server: Any) -> None:
    with server.database() as url:
        one, other = open_engine(url), open_engine(url)
        with writing(one) as connection:
            wanted = {enqueue(connection, job(number)) for number in (1, 2)}
        with writing(one) as here, writing(other) as there:
            assert {taken(here).job.job_id, taken(there, "worker-2").job.job_id} == wanted
        one.dispose()
        other.dispose()


def test_a_job_whose_worker_died_is_taken_again_until_no_attempt_is_left(engine: Engine) -> None:
    with writing(engine) as connection:
        wanted = enqueue(connection, job(most_attempts=2))
        first = taken(connection, at=NOON)
        assert lease(connection, "worker-2", NOON + LASTS - SECOND) is None
        second = taken(connection, "worker-2", NOON + LASTS)
        assert second.attempt == 2
        with pytest.raises(JobLost, match=r"LEASED by worker-2, attempt 2; it is not worker-1's any more"):
            beat(connection, first, NOON)
        with pytest.raises(JobLost, match=r"it is not worker-1's any more"):
            finish(connection, first, NEW, "", NOON)
        assert lease(connection, "worker-3", NOON + 2 * LASTS) is None
        over = find_job(connection, wanted)
        assert (over.state, over.attempt) == (JobState.FAILED, 2)
        assert "worker worker-2 was silent since 2026-01-02T12:02:00+00:00" in over.message


def test_a_beat_in_time_keeps_the_job_and_a_late_one_too_while_nobody_took_it(engine: Engine) -> None:
    with writing(engine) as connection:
        enqueue(connection, job())
        held = taken(connection)
        for minute in range(1, 9):
            beat(connection, held, NOON + minute * timedelta(minutes=1))
            assert reclaim(connection, NOON + minute * timedelta(minutes=1)) == []
        beat(connection, held, NOON + timedelta(hours=1))
        assert reclaim(connection, NOON + timedelta(hours=1)) == []


def test_the_same_worker_does_not_go_on_with_an_attempt_that_it_lost(engine: Engine) -> None:
    with writing(engine) as connection:
        enqueue(connection, job())
        before = taken(connection)
        after = taken(connection, at=NOON + LASTS)
        with pytest.raises(JobLost):
            progress(connection, before, 0.9, "nearly", NOON + LASTS)
        progress(connection, after, 0.1, "again", NOON + LASTS)


def test_a_worker_that_stops_gives_its_job_back(engine: Engine) -> None:
    with writing(engine) as connection:
        wanted = enqueue(connection, job(most_attempts=2))
        give_back(connection, taken(connection), "the worker is stopped", NOON)
        assert find_job(connection, wanted).state is JobState.QUEUED
        give_back(connection, taken(connection), "out of memory", NOON)
        assert (find_job(connection, wanted).state, find_job(connection, wanted).message) == (
            JobState.FAILED,
            "out of memory",
        )


def test_a_failed_job_says_why_and_is_not_tried_again(engine: Engine) -> None:
    with writing(engine) as connection:
        wanted = enqueue(connection, job())
        fail(connection, taken(connection), "Traceback\0 ...", NOON + SECOND)
        status = find_job(connection, wanted)
        assert (status.state, status.message, status.ended_at) == (JobState.FAILED, "Traceback\\x00 ...", NOON + SECOND)
        assert lease(connection, "worker-1", NOON + 9 * LASTS) is None


def test_a_cancelled_job_stops_its_worker_at_the_next_beat(engine: Engine) -> None:
    with writing(engine) as connection:
        waiting, running = enqueue(connection, job(2)), enqueue(connection, job(1))
        held = taken(connection)
        for number in (waiting, running):
            cancel(connection, number, "ann", "wrong recipe", NOON)
        with pytest.raises(JobLost, match="CANCELLED, attempt 1"):
            beat(connection, held, NOON)
        assert find_job(connection, running).message == "cancelled by ann: wrong recipe"
        with pytest.raises(JobRefused, match="CANCELLED; expected one that is not over"):
            cancel(connection, running, "ann", "again", NOON)
        assert lease(connection, "worker-1", NOON) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recipe": " "}, "expected a recipe, a reason, and who wants it"),
        ({"person": ""}, "expected a recipe, a reason, and who wants it"),
        ({"reason": ""}, "expected a recipe, a reason, and who wants it"),
        ({"most_attempts": 0}, "most_attempts is 0; expected 1 or more"),
        ({"snapshot_id": new_id()}, "expected what is in the database"),
        ({"parent_bundle_id": NEW}, "expected what is in the database"),
    ],
)
def test_a_job_that_cannot_be_done_is_refused(engine: Engine, changes: dict[str, Any], said: str) -> None:
    named = {"recipe": "lid", "person": "ann", "reason": "why"}
    with writing(engine) as connection:
        with pytest.raises(JobRefused, match=said):
            enqueue(connection, Job(**(named | changes)))
        assert jobs(connection) == []


def test_what_no_worker_may_say_is_refused_and_the_job_stays_its_own(engine: Engine) -> None:
    with writing(engine) as connection:
        enqueue(connection, job())
        held = taken(connection)
        with pytest.raises(JobRefused, match=f"bundle {NEW}: expected what is in the database"):
            finish(connection, held, NEW, "never registered", NOON)
        with pytest.raises(JobRefused, match=r"snapshot .*: expected what is in the database"):
            use_snapshot(connection, held, new_id())
        with pytest.raises(JobRefused, match=r"progress is 1.5; expected 0 to 1"):
            progress(connection, held, 1.5, "", NOON)
        with pytest.raises(JobRefused, match="expected a name of 1 to 128"):
            lease(connection, "", NOON)
        with pytest.raises(JobRefused, match="expected who cancels it, and why"):
            cancel(connection, held.job.job_id, "ann", " ", NOON)
        with pytest.raises(JobRefused, match="no such job"):
            cancel(connection, new_id(), "ann", "why", NOON)
        beat(connection, held, NOON)


def test_the_database_keeps_a_job_whole(engine: Engine) -> None:
    with writing(engine) as connection:
        enqueue(connection, job())
    for change in (
        "state = 'DANCING'",
        "state = 'LEASED'",
        "state = 'FAILED'",
        "progress = 2",
        "attempt = 4",
        "person = ''",
    ):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text(f"UPDATE training_jobs SET {change}"))


# ---- snapshots


def test_a_snapshot_comes_back_as_it_was_frozen(engine: Engine) -> None:
    evil = {"note": "'; DROP TABLE labels; -- \0 \u2028", "weights": [1.0, 1e-9], "parts": []}
    with writing(engine) as connection:
        found = frozen(connection, manifest=evil, counts={"train": 3, "test": 1})
        assert manifest_of(connection, found.snapshot_id) == evil
        assert isinstance(manifest_of(connection, found.snapshot_id)["weights"][0], float)
        assert find_snapshot(connection, found.snapshot_id) == found
        assert (found.counts, found.label_cutoff) == ({"train": 3, "test": 1}, NOON)
        later = frozen(connection, made_at=found.made_at + SECOND)
        assert snapshots(connection, "lid") == [later, found]


def test_the_same_content_is_the_same_snapshot(engine: Engine) -> None:
    with writing(engine) as connection:
        first = frozen(connection, manifest={"a": 1, "b": 2})
        assert frozen(connection, manifest={"b": 2, "a": 1}, person="ben") == first
        assert frozen(connection, manifest={"a": 1, "b": 3}).content_hash != first.content_hash


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"person": " "}, "expected a recipe, and who made it"),
        ({"recipe": ""}, "expected a recipe, and who made it"),
        ({"manifest": {"score": float("nan")}}, "manifest: expected JSON values"),
        ({"manifest": {"part": new_id()}}, "manifest: expected JSON values"),
    ],
)
def test_a_snapshot_that_says_too_little_is_refused(engine: Engine, changes: dict[str, Any], said: str) -> None:
    with writing(engine) as connection, pytest.raises(DatasetError, match=said):
        frozen(connection, **changes)


def test_a_snapshot_is_never_changed_and_one_that_was_is_found_out(engine: Engine) -> None:
    with writing(engine) as connection:
        found = frozen(connection)
    for statement in (DATASET_SNAPSHOTS.update().values(person="ben"), delete(DATASET_SNAPSHOTS)):
        with pytest.raises(DBAPIError, match="rows are added and never changed"), engine.begin() as connection:
            connection.execute(statement)
    with writing(engine) as connection:
        row = dict(connection.execute(select(DATASET_SNAPSHOTS)).mappings().one())
        altered = row | {"snapshot_id": new_id(), "content_hash": "0" * 64}
        connection.execute(DATASET_SNAPSHOTS.insert(), altered)
        with pytest.raises(DatasetError, match=f"hash {found.content_hash}; expected {'0' * 64}"):
            manifest_of(connection, altered["snapshot_id"])
        for ask in (manifest_of, find_snapshot):
            with pytest.raises(DatasetError, match="no such snapshot"):
                ask(connection, new_id())
