"""The ledger: every part that was triggered, durable before it is inspected, with exactly one outcome after.

caller's threads --submit--> bounded queue --one writer thread--> one transaction for all that wait --> futures
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from db.challenges import Hold
from db.engine import WRITES, cause_of, name_of, open_engine, sqlite_code, storage_errors
from db.entries import (
    ROW_FAULTS,
    Entry,
    Occurrence,
    RunEnd,
    RunStart,
    is_row_fault,
    write_alone,
    write_together,
)
from db.images import StoredImage
from db.orders import Order, OrderState, OrderStep, require_words
from db.outbox import Delivered, Subscription
from db.part_entries import Completion, Opening, RowRefused
from db.records import Event, Run, utc_now
from db.recovery import Recovery, Restart
from db.servings import Served
from db.shadow import ShadowVerdict
from inspector.draws import Draw
from inspector.errors import DatabaseError, StorageFault
from inspector.values import InspectionRecord

__all__ = ["Ledger", "Recovery", "RowRefused"]

logger = logging.getLogger(__name__)

ENTRIES_PER_COMMIT = 1000
QUEUE_LIMIT = 10_000
BUSY_TIMEOUT_MS = 250
"""Shorter than elsewhere: a lock that lasts shows as a fault soon, and the row is tried again anyway."""
_WAIT_BRIEFLY = {
    "sqlite": f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "postgresql": f"SET lock_timeout = {BUSY_TIMEOUT_MS}",
}
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
COMPLETIONS_WAIT_S = 0.005
"""What nobody waits for waits so long for the next part's opening, to be written with it: a commit costs more than its
rows."""
PATIENT = (Completion, Delivered, ShadowVerdict)
PASSING = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
"""Faults that say nothing against the open file."""
WAL_ROOM_BYTES = 6 * 2**20

_Waiting = tuple[Entry, "Future[Any]"]


class Ledger:
    """A station's account of its parts. Open with `with`; every method may be called from any thread.

    A future resolves when its row is on the disk. It carries a RowRefused where the row itself is wrong, which holds up
    nobody else's row. While the disk is full, locked or broken, `fault` says so, rows wait in memory in their order
    and are tried again with growing pauses, and futures stay unresolved. No method waits for the disk, but for
    `start_run`, `recover` and `close`: when the queue is full or the ledger is closed, they raise StorageFault at
    once, so that the line can fail safe instead of hanging. Futures cannot be cancelled: a row once given is written.
    """

    def __init__(
        self,
        database: str | Path,
        *,
        queue_limit: int = QUEUE_LIMIT,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._queue_limit = queue_limit
        self._clock = clock
        self._lock = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._in_hand: list[_Waiting] = []
        self._patient_since_s = 0.0
        self._urgent = False
        self._asleep = False
        self._closing = False
        self._give_up = threading.Event()
        self._lost = 0
        self._fault: StorageFault | None = None
        self._own_runs: frozenset[UUID] = frozenset()
        self._writer = threading.Thread(target=self._write_until_closed, name="ledger-writer", daemon=True)

    def __enter__(self) -> Self:
        """Open the database, made where there is none, and start the writer; raise DatabaseError."""
        self._engine = _writing_engine(self._database)
        try:
            with storage_errors(self._engine.url):
                self._connection = self._engine.connect().execution_options(**{WRITES: True})
                _make_room(self._connection)
        except DatabaseError:
            self._engine.dispose()
            raise
        self._writer.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def fault(self) -> StorageFault | None:
        """Why rows are not being written just now; None when they are."""
        return self._fault

    @property
    def unwritten(self) -> int:
        """Rows given to the ledger that are not on the disk."""
        with self._lock:
            return len(self._waiting) + len(self._in_hand)

    @property
    def writer_id(self) -> int:
        """The system's number of the writer thread, for whoever gives it a priority."""
        return self._writer.native_id or 0

    def start_run(self, run: Run, served: Served | None = None, timeout_s: float = 10.0) -> UUID:
        """Write the run, and the station, recipe and bundle that are new; return its id when durable.

        With `served` it can be rolled back to, and the order that wanted it is done with it.

        Raises:
            StorageFault: not written within the time; it still may be, once the storage is well.
        """
        run_id: UUID = self._wait(self.take_over(run, served), timeout_s)
        return run_id

    def take_over(self, run: Run, served: Served | None) -> Future[UUID]:
        """Likewise, without waiting: a run that follows another one in the same life of the station."""
        self._own_runs |= {run.run_id}
        return self._submit(RunStart(run, served))

    def end_run(self, run_id: UUID, clean: bool) -> Future[None]:
        """A run ends clean only when none of its parts is open."""
        return self._submit(RunEnd(run_id, clean, self._clock()))

    def open_part(self, record: InspectionRecord, simulated: bool = False) -> Future[None]:
        """Enter a part that was triggered, before it is inspected; `simulated` where it is none of production."""
        return self._submit(Opening(record, simulated))

    def complete_part(
        self,
        record: InspectionRecord,
        image: StoredImage | None = None,
        draw: Draw | None = None,
        further: Sequence[StoredImage] = (),
    ) -> Future[None]:
        """Give an open part its outcome, its findings, its images and its audit task, all or nothing, exactly once.

        `image` is the one that the part's own row names; `further` ones are those that only its findings name.
        A record that is refused for good leaves its part NOT_INSPECTED, with the refusal as its reason. A full queue
        refuses no completion: it has one for each part that was opened, and no more.
        Run, station, trigger and frame sequence must be those it was opened with: no record ends up at another part.
        """
        return self._submit(Completion(record, image, self._clock(), draw, tuple(further)))

    def record_event(self, event: Event) -> Future[None]:
        return self._submit(Occurrence(event))

    def give_order(self, order: Order) -> Future[int]:
        """Put an order on record: its number; raise OrderRefused for one that says too little or too much."""
        require_words(order)
        return self._submit(order)

    def step_order(self, number: int, state: OrderState, actual: str = "") -> Future[None]:
        """Say of an order that it is being done, is done, or is refused: `actual` is what is so now, or why not."""
        return self._submit(OrderStep(number, state, actual, self._clock()))

    def record_shadow(self, said: ShadowVerdict) -> Future[None]:
        return self._submit(said)

    def record_hold(self, hold: Hold) -> Future[None]:
        """Remember that the line was held, or released: a restart finds it so."""
        return self._submit(hold)

    def subscribe(self, station: str, outputs: Sequence[str], timeout_s: float = 10.0) -> dict[str, int]:
        """Return how far each output of a station has told its parts; one that is new begins behind those of today."""
        told: dict[str, int] = self._wait(self._submit(Subscription(station, tuple(outputs), self._clock())), timeout_s)
        return told

    def delivered(self, station: str, output: str, position: int, count: int) -> Future[None]:
        """Remember that an output has told `count` parts more, the last of them at `position` of the outbox."""
        return self._submit(Delivered(station, output, position, count, self._clock()))

    def recover(self, station: str, timeout_s: float = 60.0) -> Recovery:
        """Close what `station` left open when it last died; call before `start_run`.

        Each open part of its earlier runs becomes NOT_INSPECTED, and runs that never ended end unclean.
        """
        recovery: Recovery = self._wait(self._submit(Restart(station, self._own_runs, self._clock())), timeout_s)
        return recovery

    def close(self, timeout_s: float = 10.0) -> int:
        """Write what waits, stop the writer, close the database; return how many rows could not be written.

        Their futures carry a StorageFault. Closing a closed ledger writes nothing more.
        """
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._writer.join(timeout_s)
        self._give_up.set()
        self._writer.join(BUSY_TIMEOUT_MS / 1000 + 5.0)
        self._fail_the_rest()
        if self._lost:
            logger.error("ledger %s closed with %d rows unwritten: %s", self._database, self._lost, self._fault)
        if not self._writer.is_alive():
            self._connection.close()
            self._engine.dispose()
        return self._lost

    def _submit(self, entry: Entry) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            if self._closing:
                raise StorageFault(f"ledger {self._database} is closed")
            full = len(self._waiting) + len(self._in_hand) >= self._queue_limit
            if full and not isinstance(entry, Completion):
                raise StorageFault(f"ledger {self._database}: {self._queue_limit} rows wait unwritten: {self._fault}")
            self._add(entry, future)
        return future

    def _add(self, entry: Entry, future: Future[Any]) -> None:
        """Queue an entry, and wake the writer where that entry wants it. The caller holds the lock."""
        if not self._waiting:
            self._patient_since_s = time.monotonic()
        self._waiting.append((entry, future))
        self._urgent = self._urgent or not isinstance(entry, PATIENT)
        if self._urgent or self._asleep:
            self._lock.notify()

    def _wait(self, future: Future[Any], timeout_s: float) -> Any:
        try:
            return future.result(timeout_s)
        except FutureTimeout as error:
            cause = self._fault or "the storage is slow"
            raise StorageFault(f"ledger {self._database}: not written within {timeout_s} s: {cause}") from error

    # ---- the writer thread

    def _write_until_closed(self) -> None:
        try:
            while batch := self._take():
                answers = self._write_until_done([entry for entry, _ in batch])
                if answers is None:
                    break
                with self._lock:
                    self._in_hand = []
                for (_, future), answer in zip(batch, answers, strict=True):
                    _resolve(future, answer)
        finally:
            # Also where a fault of ours ends this thread: nobody may go on waiting, nothing may go on queueing.
            self._fail_the_rest()

    def _take(self) -> list[_Waiting]:
        with self._lock:
            self._let_completions_wait()
            while not self._waiting and not self._closing:
                self._asleep = True
                self._lock.wait()
                self._asleep = False
                self._let_completions_wait()
            count = min(len(self._waiting), ENTRIES_PER_COMMIT)
            self._in_hand = [self._waiting.popleft() for _ in range(count)]
            self._urgent = bool(self._waiting)
            return self._in_hand

    def _let_completions_wait(self) -> None:
        """Give an opening the time to come and be written together; nobody waits for the others. Holds the lock.

        It begins when a batch is written: a completion that comes meanwhile need not wake the writer.
        """
        until_s = time.monotonic() + COMPLETIONS_WAIT_S
        while not self._closing and not self._urgent:
            if self._waiting:
                until_s = self._patient_since_s + COMPLETIONS_WAIT_S
            if (left_s := until_s - time.monotonic()) <= 0:
                return
            self._lock.wait(left_s)

    def _write_until_done(self, entries: Sequence[Entry]) -> list[Any] | None:
        """Try until the storage takes the entries, and return their answers; None when told to give up."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                answers = _commit(self._connection, entries)
            except DBAPIError as error:
                self._report(error)
                if sqlite_code(error) not in PASSING:
                    self._connection.invalidate()  # the next attempt opens the file afresh
            else:
                self._report(None)
                return answers
            if self._give_up.wait(pause_s):
                return None
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _report(self, error: DBAPIError | None) -> None:
        before = self._fault
        if error is None:
            self._fault = None
            if before is not None:
                logger.warning("ledger %s writes again", self._database)
            return
        fault = StorageFault(f"database {name_of(self._engine.url)}: {cause_of(error)}")
        fault.__cause__ = error
        self._fault = fault
        if before is None:
            logger.error("ledger does not write, rows wait in memory: %s", fault)

    def _fail_the_rest(self) -> None:
        with self._lock:
            self._closing = True
            rest = [*self._in_hand, *self._waiting]
            self._in_hand = []
            self._waiting.clear()
            self._lost += len(rest)
        for _, future in rest:
            future.set_exception(StorageFault(f"ledger {self._database} was closed before the row was written"))


def _resolve(future: Future[Any], answer: Any) -> None:
    if isinstance(answer, RowRefused):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def _commit(connection: Connection, entries: Sequence[Entry]) -> list[Any]:
    """One transaction for all. Where a row is to blame, once more one by one, so that it alone is refused."""
    try:
        with connection.begin():
            return write_together(connection, entries)
    except RowRefused:
        pass
    except ROW_FAULTS as error:
        if not is_row_fault(error):
            raise
    with connection.begin():
        return [write_alone(connection, entry) for entry in entries]


def _writing_engine(database: str | Path) -> Engine:
    engine = open_engine(database, create=True)
    engine.dispose()  # its connection has the longer timeout
    limit = _WAIT_BRIEFLY[engine.dialect.name]
    event.listen(engine, "connect", lambda connection, _: _wait_briefly_for_locks(connection, limit))
    return engine


def _wait_briefly_for_locks(connection: Any, limit: str) -> None:
    connection.execute(limit).close()
    connection.commit()


def _make_room(connection: Connection) -> None:
    """Let the write-ahead log grow to its working size at once, where it would grow with every commit.

    A commit that makes the file longer waits for the file system's journal, one that overwrites does not: it is the
    slowest commits that this trims. A transaction too large for the cache spills into the log; rolled back, it leaves
    nothing but the room.
    """
    path = connection.engine.url.database
    if connection.dialect.name != "sqlite" or path is None:
        return
    if shutil.disk_usage(Path(path).parent).free < 10 * WAL_ROOM_BYTES:
        return  # the rows need it more
    try:
        _fill_and_roll_back(connection)
    except DBAPIError as error:
        if sqlite_code(error) not in PASSING:
            raise


def _fill_and_roll_back(connection: Connection) -> None:
    with connection.begin() as transaction:
        connection.exec_driver_sql("PRAGMA cache_size = 10")
        connection.exec_driver_sql("CREATE TABLE room (filling BLOB)")
        connection.exec_driver_sql(f"INSERT INTO room VALUES (zeroblob({WAL_ROOM_BYTES}))")
        connection.exec_driver_sql("PRAGMA cache_size = -2000")
        transaction.rollback()
