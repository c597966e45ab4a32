"""The forwarder beside the line: a process of its own, so that neither its work nor its driver costs a part time.

line process --starts, and starts again--> forwarder process --rows--> plant
             <-------- how far the rows are --------
It follows the line process when the pipe between them ends. What is not forwarded by then waits in the station's file.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from db.dispatch import keep, stop_keeping
from db.engine import WRITES, open_engine, storage_errors
from db.forward import Forwarder, Forwarding
from inspector.errors import DatabaseError
from inspector.logs import configure
from station.config import StationConfig
from station.status import Tally

logger = logging.getLogger(__name__)

_NICER = 10
_RESTART_S = 5.0
_LAST_BATCH_S = 5.0


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
    courier = Courier(config.database_url, config.plant.database, tally)
    courier.start()
    try:
        yield
    finally:
        courier.stop()


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


class Courier:
    """Starts the forwarder process, starts it again when it dies, and tells the tally what it says."""

    def __init__(self, ledger: str, plant: str, tally: Tally) -> None:
        self._ledger, self._plant, self._tally = ledger, plant, tally
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._pipe: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="forwarding", daemon=True)
        self.pid: int | None = None
        """Of the process that runs now."""

    def start(self) -> None:
        self._tally.plant = "starting"
        self._thread.start()

    def stop(self) -> None:
        """Let the batch in hand be written, end the process and the thread."""
        with self._lock:
            self._stopping.set()
            if self._pipe is not None:
                self._pipe.send_bytes(b"")
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._serve_one()
            if not self._stopping.is_set():
                self._tally.plant = "forwarder died; it starts again"
                logger.warning("the forwarder process died; it starts again in %g s", _RESTART_S)
                self._stopping.wait(_RESTART_S)

    def _serve_one(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=main, args=(theirs, self._ledger, self._plant), name="forwarder", daemon=True)
        process.start()
        theirs.close()
        self.pid = process.pid
        with self._lock:
            self._pipe = ours
            if self._stopping.is_set():
                ours.send_bytes(b"")
        self._listen(ours)
        with self._lock:
            self._pipe = None
            ours.close()
        process.join(_LAST_BATCH_S)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()

    def _listen(self, pipe: Connection) -> None:
        """Take what the process says until it ends, or does not end in time once it was told to."""
        while not self._stopping.is_set() or pipe.poll(_LAST_BATCH_S):
            try:
                if pipe.poll(0.2):
                    self._hear(pipe.recv())
            except (EOFError, ConnectionResetError):
                return

    def _hear(self, state: Forwarding) -> None:
        self._tally.unforwarded = state.unforwarded
        parked = f"; {state.parked} rows parked" if state.parked else ""
        self._tally.plant = (state.fault or "well") + parked


def main(pipe: Connection, ledger: str, plant: str) -> None:
    """The forwarder process: forward until a byte comes, or the line process has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the line process decides
    os.nice(_NICER)
    configure()
    stop = threading.Event()
    threading.Thread(target=_await_end, args=(pipe, stop), name="pipe", daemon=True).start()
    with Forwarder(ledger, plant) as forwarder:
        forwarder.run(stop, lambda state: _tell(pipe, state, stop))


def _await_end(pipe: Connection, stop: threading.Event) -> None:
    try:
        pipe.recv_bytes()
    except (EOFError, OSError):
        pass
    finally:
        stop.set()


def _tell(pipe: Connection, state: Forwarding, stop: threading.Event) -> None:
    try:
        pipe.send(state)
    except OSError:
        stop.set()
