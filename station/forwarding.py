"""The forwarder beside the line: a process of its own, so that neither its work nor its driver costs a part time.

line process --starts, and starts again--> forwarder process --rows--> plant
             <-------- how far the rows are --------
It follows the line process when the pipe between them ends. What is not forwarded by then waits in the station's file.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from db.dispatch import keep, stop_keeping
from db.engine import WRITES, open_engine, storage_errors
from db.forward import Forwarder, Forwarding
from inspector.errors import DatabaseError
from station.companion import Companion, beside, until_told
from station.config import StationConfig
from station.status import Tally


@contextmanager
def forwarding(config: StationConfig, tally: Tally) -> Iterator[None]:
    """Forward to the plant, where one is configured, while the block runs; `tally` says how far the rows are.

    Raises:
        DatabaseError: the ledger cannot be written, or is no SQLite file and a plant is configured.
    """
    note_rows(config)
    if config.plant is None:
        yield
        return
    tally.plant = "starting"
    with beside(courier(config.database_url, config.plant.database, tally)):
        yield


def note_rows(config: StationConfig) -> None:
    """Have each row noted for the plant, or none where there is no plant; before the line runs, as it may take long."""
    engine = open_engine(config.database_url, create=True)
    try:
        if engine.dialect.name != "sqlite":
            if config.plant is not None:
                raise DatabaseError(f"station.database {engine.url}: a station with a plant keeps an SQLite file")
            return
        with storage_errors(engine.url), engine.connect() as connection:
            connection = connection.execution_options(**{WRITES: True})
            with connection.begin():
                (keep if config.plant is not None else stop_keeping)(connection)
    finally:
        engine.dispose()


def courier(ledger: str, plant: str, tally: Tally) -> Companion:
    """Return what carries rows, and tells the tally how far they are."""

    def hear(state: Forwarding) -> None:
        tally.unforwarded = state.unforwarded
        parked = f"; {state.parked} rows parked" if state.parked else ""
        tally.plant = (state.fault or "well") + parked

    def died() -> None:
        tally.plant = "forwarder died; it starts again"

    return Companion("forwarder", main, (ledger, plant), hear, died)


def main(pipe: Connection, ledger: str, plant: str) -> None:
    """The forwarder process: forward until a byte comes, or the line process has gone."""
    stop = until_told(pipe)
    with Forwarder(ledger, plant) as forwarder:
        forwarder.run(stop, lambda state: _tell(pipe, state, stop))


def _tell(pipe: Connection, state: Forwarding, stop: threading.Event) -> None:
    try:
        pipe.send(state)
    except OSError:
        stop.set()
