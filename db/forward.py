"""Store and forward: a station's rows into its plant's database, in order, once, after any outage.

ledger.sqlite --notes--> batch --one transaction--> plant --then--> the notes are forgotten

The notes are the cursor. A batch that was written and not yet forgotten is sent again, and the plant leaves out what it
has. The plant sets the pace: the next batch is read when the last one is durable there, and what waits, waits on the
station's disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, StatementError

from db.dispatch import Kind, Parcel, forget, keep, note_again, oldest, parcels, stop_keeping, unforwarded
from db.engine import WRITES, cause_of, name_of, open_any_version, open_engine, parse_url, storage_errors, writing
from db.migrations import HEAD
from db.part_entries import RowRefused
from db.partitions import make_partitions
from db.receiving import is_row_fault, parked, receive, receive_apart, require_terms, unpark
from db.records import utc_now
from inspector.errors import DatabaseError

logger = logging.getLogger(__name__)

ROWS_PER_BATCH = 500
IDLE_S = 0.5
LOOK_AHEAD_S = 3600.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
# A plant that does not answer is a plant that is gone; without these a half-open connection hangs for hours.
PATIENCE = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "options": "-c statement_timeout=30000 -c lock_timeout=15000",
    "application_name": "inspector-forwarder",
}


@dataclass(frozen=True, slots=True)
class Forwarding:
    """How far a station's rows are."""

    unforwarded: int
    """Noted rows that are not known to be in the plant."""
    fault: str | None
    """Why they are not getting there; None when they are."""
    forwarded: int
    """Since this forwarder began."""
    parked: int
    """Refused by the plant, since this forwarder began."""


class Forwarder:
    """Carries one station's rows to its plant. Open with `with`; one thread."""

    def __init__(
        self,
        ledger: str | Path,
        plant: str,
        *,
        rows_per_batch: int = ROWS_PER_BATCH,
        station_revision: str = HEAD,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger_url, self._plant_url = ledger, plant_url(plant)
        self._rows_per_batch = rows_per_batch
        self._revision = station_revision
        self._clock = clock
        self._plant: Engine | None = None
        self._forwarded = self._parked = 0
        self._fault: str | None = None
        self._looked_ahead_s: float | None = None

    def __enter__(self) -> Self:
        """Open the station's file, and have its rows noted; raise DatabaseError. The plant may be away."""
        self._ledger = open_engine(self._ledger_url)
        if self._ledger.dialect.name != "sqlite":
            self._ledger.dispose()
            raise DatabaseError(f"database {name_of(self._ledger.url)}: a station forwards from its SQLite file")
        with self._writing() as connection:
            if keep(connection):
                logger.info("every row of %s is noted for the plant", name_of(self._ledger.url))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._disconnect()
        self._ledger.dispose()

    def state(self) -> Forwarding:
        """How far the rows are, as the station's file says it; it needs no plant."""
        with storage_errors(self._ledger.url), self._ledger.connect() as connection:
            return Forwarding(unforwarded(connection), self._fault, self._forwarded, self._parked)

    def run(self, stop: threading.Event, report: Callable[[Forwarding], None]) -> None:
        """Forward until `stop` is set, whatever the plant does; report after each batch and each try."""
        pause_s = FIRST_PAUSE_S
        while not stop.is_set():
            try:
                moved = self.step()
            except DatabaseError as error:
                self._report_fault(str(error))
                report(self.state())
                stop.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            self._report_fault(None)
            pause_s = FIRST_PAUSE_S
            report(self.state())
            if not moved:
                stop.wait(IDLE_S)

    def drain(self) -> int:
        """Forward what is there now, and return how many rows; raise DatabaseError when the plant is away."""
        total = 0
        while moved := self.step():
            total += moved
        return total

    def step(self) -> int:
        """Forward one batch, and return how many notes it had; 0 when there are none.

        Raises:
            DatabaseError: the plant is away, full, or of a schema that does not go with this station's.
        """
        plant = self._connected()
        self._look_ahead(plant)
        with storage_errors(self._ledger.url), self._ledger.connect() as connection:
            notes = oldest(connection, self._rows_per_batch)
            batch = parcels(connection, notes)
        if not notes:
            return 0
        if gone := len(notes) - len(batch):
            logger.warning("%d rows were noted for the plant and are gone from the station's file", gone)
        if batch:
            self._deliver(plant, batch)
        with self._writing() as connection:
            forget(connection, notes)
        self._forwarded += len(batch)
        return len(notes)

    def again(self) -> int:
        """Note the rows once more that the plant parked; return how many."""
        plant = self._connected()
        with storage_errors(self._ledger.url), self._ledger.connect() as connection:
            stations = [row[0] for row in connection.exec_driver_sql("SELECT name FROM stations")]
        with storage_errors(plant.url), plant.begin() as connection:
            found = [row for station in stations for row in parked(connection, station)]
            notes: list[tuple[Kind, UUID]] = [(Kind(row.kind), row.key) for row in found]
            for row in found:
                unpark(connection, row.station, [(Kind(row.kind), row.key)])
            with self._writing() as ledger:
                note_again(ledger, notes)
        return len(notes)

    def everything(self) -> int:
        """Note all rows of the station's file once more, as for a plant that was restored; return how many."""
        with self._writing() as connection:
            stop_keeping(connection)
            keep(connection)
            return unforwarded(connection)

    # ---- the plant

    def _connected(self) -> Engine:
        if self._plant is None:
            plant = open_any_version(self._plant_url)
            try:
                with storage_errors(plant.url), plant.connect() as connection:
                    require_terms(connection, self._revision)
            except DatabaseError:
                plant.dispose()
                raise
            self._plant = plant
        return self._plant

    def _look_ahead(self, plant: Engine) -> None:
        """Have the plant make its next months' partitions now and then; without them rows go to the default one."""
        now_s = time.monotonic()
        if self._looked_ahead_s is not None and now_s - self._looked_ahead_s < LOOK_AHEAD_S:
            return
        self._looked_ahead_s = now_s
        try:
            with writing(plant) as connection:
                make_partitions(connection)
        except DatabaseError as error:
            logger.warning("no partitions made ahead, tried again in %g s: %s", LOOK_AHEAD_S, error)

    def _disconnect(self) -> None:
        if self._plant is not None:
            self._plant.dispose()
            self._plant = None

    def _deliver(self, plant: Engine, batch: Sequence[Parcel]) -> None:
        """Write a batch in one transaction; where a row is to blame, in another one, one by one."""
        try:
            if not _received(plant, batch):
                self._deliver_apart(plant, batch)
        except StatementError as error:
            self._disconnect()
            cause = cause_of(error) if isinstance(error, DBAPIError) else str(error)
            raise DatabaseError(f"plant {name_of(plant.url)}: {cause}") from error

    def _deliver_apart(self, plant: Engine, batch: Sequence[Parcel]) -> None:
        with plant.connect() as connection:
            connection = connection.execution_options(**{WRITES: True})
            with connection.begin():
                reasons = receive_apart(connection, batch, self._clock())
        for reason in reasons:
            logger.error("parked at the plant: %s", reason)
        self._parked += len(reasons)

    def _report_fault(self, fault: str | None) -> None:
        if fault is not None and self._fault is None:
            logger.warning("rows wait for the plant: %s", fault)
        if fault is None and self._fault is not None:
            logger.warning("the plant takes rows again")
        self._fault = fault

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A short transaction on the station's file. It need not survive a power cut: what is noted is sent again."""
        with storage_errors(self._ledger.url), self._ledger.connect() as connection:
            connection = connection.execution_options(**{WRITES: True})
            connection.connection.cursor().execute("PRAGMA synchronous = NORMAL").close()
            with connection.begin():
                yield connection


def _received(plant: Engine, batch: Sequence[Parcel]) -> bool:
    """Write a batch; False, and nothing of it written, where a row is to blame."""
    try:
        with plant.connect() as connection:
            connection = connection.execution_options(**{WRITES: True})
            with connection.begin():
                receive(connection, batch)
    except RowRefused:
        return False
    except StatementError as error:
        if not is_row_fault(error):
            raise
        return False
    return True


def plant_url(url: str) -> URL:
    """The plant's URL, with limits on how long nothing may be heard of it."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "postgresql":
        return parsed
    given = dict(parsed.query)
    return parsed.update_query_dict({name: value for name, value in PATIENCE.items() if name not in given})
