"""How fast the ledger is: durable parts a second, and how long the opening of a row takes at a line's pace.

    python -m benchmarks.ledger --json FILE

A part counts when its row was opened and completed, both durable (WAL, synchronous=FULL). Throughput keeps a bounded
number of parts on their way, as a fast line does; the pace run opens one row each 5 ms, and measures from the call to
the row on the disk. Beside each stands the same write without SQLAlchemy and without a thread: plain `sqlite3`, one
transaction per part, and the disk's own fsync of 4 KiB: what is below those cannot be had.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from benchmarks import report
from db.engine import open_engine
from db.ledger import Ledger
from db.queries import outcome_counts, trigger_count
from db.records import Run
from inspector.values import NO_TAG, InspectionRecord, Outcome, Prediction, Quality, Verdict, ViewInspection
from station.account import new_record
from station.parts import Identity

IN_FLIGHT = 256
PACE_HZ = 200


def main() -> None:
    parser = report.arguments("durable parts a second, and the time to open a row")
    parser.add_argument("--parts", type=int, default=30_000, help="parts of the throughput run")
    parser.add_argument("--paced", type=int, default=6_000, help="parts of the paced run")
    parser.add_argument("--folder", type=Path, default=None, help="where to write; unset: the system's scratch folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        folder = Path(scratch)
        figures = {**throughput(folder / "fast.sqlite", args.parts), **opening(folder / "paced.sqlite", args.paced)}
        report.write({**figures, **_floor(folder)}, args.json)


def throughput(database: Path, parts: int) -> dict[str, float | int]:
    """Open and complete `parts`, at most IN_FLIGHT on their way; check that all of them are there."""
    room = threading.Semaphore(IN_FLIGHT)
    with Ledger(database) as ledger:
        identity = _start(ledger)
        began = time.perf_counter()
        for trigger in range(1, parts + 1):
            room.acquire()
            record = new_record(identity, trigger, trigger, NO_TAG)
            ledger.open_part(record)
            ledger.complete_part(_judged(record)).add_done_callback(lambda _: room.release())
        for _ in range(IN_FLIGHT):
            room.acquire()
        seconds = time.perf_counter() - began
    _require_all(database, identity.run_id, parts)
    return {"durable_parts_per_s": parts / seconds, "parts": parts}


def opening(database: Path, parts: int) -> dict[str, float | int]:
    """Open a row each 5 ms and complete it when it is open; measure from the call to the row on the disk."""
    seconds: list[float] = []
    last: list[Future[None]] = []
    with Ledger(database) as ledger:
        identity = _start(ledger)
        due_s = time.perf_counter()
        for trigger in range(1, parts + 1):
            time.sleep(max(0.0, due_s - time.perf_counter()))
            due_s += 1 / PACE_HZ
            record = new_record(identity, trigger, trigger, NO_TAG)
            began = time.perf_counter()

            def opened(_: Future[None], began: float = began, record: InspectionRecord = record) -> None:
                seconds.append(time.perf_counter() - began)
                last[:] = [ledger.complete_part(_judged(record))]

            ledger.open_part(record).add_done_callback(opened)
        time.sleep(0.1)
        last[0].result(timeout=30)
    _require_all(database, identity.run_id, parts)
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
    return {f"opening_{name}_ms": report.percentile_ms(seconds, share) for name, share in shares.items()} | {
        "paced_parts": len(seconds),
        "pace_hz": PACE_HZ,
    }


def _floor(folder: Path) -> dict[str, float]:
    """The disk alone, and SQLite alone."""
    seconds = _fsyncs(folder / "plain")
    return {
        "fsync_4k_p50_ms": report.percentile_ms(seconds, 0.5),
        "fsync_4k_p99_ms": report.percentile_ms(seconds, 0.99),
        "bare_sqlite_commit_p50_ms": report.percentile_ms(bare := _commits(folder / "bare.sqlite"), 0.5),
        "bare_sqlite_commit_p99_ms": report.percentile_ms(bare, 0.99),
    }


def _fsyncs(path: Path, count: int = 1000) -> list[float]:
    seconds = []
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    for number in range(count):
        began = time.perf_counter()
        os.pwrite(file, b"x" * 4096, (number % 256) * 4096)
        os.fdatasync(file)
        seconds.append(time.perf_counter() - began)
        time.sleep(0.002)
    os.close(file)
    return seconds


def _commits(path: Path, count: int = 1000) -> list[float]:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.execute("CREATE TABLE parts (part_id BLOB PRIMARY KEY, words TEXT)")
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO parts VALUES (?, ?)", (os.urandom(16), "x" * 200))
        connection.execute("COMMIT")
        seconds.append(time.perf_counter() - began)
        time.sleep(0.002)
    connection.close()
    return seconds


def _start(ledger: Ledger) -> Identity:
    run = Run("bench", "default", "0" * 64, "{}", "0" * 64, "classify", ("good", "bad"))
    return Identity(ledger.start_run(run), "bench", "default", run.bundle_id)


_QUALITY = Quality(focus=120.0, brightness=110.0, dark_share=0.01, saturated_share=0.0)
_PREDICTION = Prediction("good", (0.98, 0.02), 0.02, (3.1, -1.2), novelty=0.2)


def _judged(record: InspectionRecord) -> InspectionRecord:
    verdict = Verdict(Outcome.PASS, (), 0.02, "good")
    timings = {"assess": 0.2, "preprocess": 0.8, "infer": 2.4}
    view = ViewInspection("camera-1", record.sequence, "", _QUALITY, _PREDICTION, verdict, timings)
    return replace(
        record,
        outcome=verdict.outcome,
        label=verdict.label,
        defect_probability=verdict.defect_probability,
        latency_ms=4.0,
        completed_at=datetime.now(UTC),
        views=(view,),
    )


def _require_all(database: Path, run_id: UUID, parts: int) -> None:
    engine = open_engine(database)
    with engine.connect() as connection:
        counted: Sequence[int] = (trigger_count(connection, run_id), outcome_counts(connection, run_id)[Outcome.PASS])
    engine.dispose()
    if counted != (parts, parts):
        raise SystemExit(f"{parts} parts were given to the ledger; rows and passes are {counted}")


if __name__ == "__main__":
    main()
