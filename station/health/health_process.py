"""The health process: hears the line, looks at disk and clock, and serves the port. At low priority throughout.

line process --a snapshot, twice a second--> main thread --> document --> server's threads
             <------------ heard -----------            ledger --> feed's thread --> hub --> streams
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from time import monotonic_ns

from db.engine import open_engine
from inspector.errors import DatabaseError
from station.child import live_with_line
from station.health.clocks import ClockWatch
from station.health.document import Health, Since, assess, health_document
from station.health.feed import AGAIN_S, LedgerParts, run_feed
from station.health.hub import Hub
from station.health.server import HealthServer, Shown
from station.health.snapshot import Snapshot, Watched
from station.health.states import Sight
from station.health.storage import look_at_disk
from station.preview import PreviewSlot
from station.scheduling import this_thread_last

logger = logging.getLogger(__name__)

LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Serving:
    """What the process is given at its start."""

    watched: Watched
    first: Snapshot
    listening: socket.socket
    slots: Mapping[str, PreviewSlot]


def main(connection: Connection, serving: Serving) -> None:
    """Entry point of the process: serve until the line's end of the pipe is closed."""
    live_with_line()
    this_thread_last()  # and the threads that it starts
    hub, watch = Hub(), HealthWatch(serving.watched)
    server = HealthServer(serving.listening, watch.show(serving.first), hub, serving.slots, serving.watched.token)
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.1,), name="health-port"),
        threading.Thread(target=feed, args=(serving.watched, hub), name="health-events"),
    ]
    for thread in threads:
        thread.start()
    hear_line(connection, serving.first, watch, server)
    hub.close()
    server.shutdown()
    server.server_close()
    for thread in threads:
        thread.join()


def hear_line(connection: Connection, snapshot: Snapshot, watch: HealthWatch, server: HealthServer) -> None:
    """Take what the line says of itself, and look about twice a second also when it says nothing."""
    marks: object = None
    with suppress(EOFError, OSError):
        while True:
            server.shown = shown = watch.show(snapshot)
            server.hub.announce(shown.document, changed=shown.health.marks != marks)
            marks = shown.health.marks
            if connection.poll(LOOK_S):
                snapshot = connection.recv()
                connection.send_bytes(b"heard")


class HealthWatch:
    """Makes of snapshots what is shown. One thread calls it."""

    def __init__(
        self,
        watched: Watched,
        clock: ClockWatch | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        now_ns: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._watched, self._now, self._now_ns = watched, now, now_ns
        self._clock = clock or ClockWatch()
        self._since = Since()
        self._heard: tuple[Snapshot | None, int] = (None, 0)

    def show(self, snapshot: Snapshot) -> Shown:
        """Return what is to be shown now; `snapshot` is the last that came."""
        now_ns = self._now_ns()
        if self._heard[0] is not snapshot:
            self._heard = (snapshot, now_ns)
        disk, clock = look_at_disk(self._watched.folder), self._clock.look()
        sight = Sight(snapshot, disk, clock, self._heard[1], now_ns)
        health: Health = assess(self._watched.serving(snapshot.status.serving), sight, self._now())
        return Shown(health, health_document(health, self._since.note(health)))


def feed(watched: Watched, hub: Hub) -> None:
    """The feed's thread. A ledger that cannot be opened is tried again while somebody reads."""
    while hub.wait_for_readers():
        try:
            engine = open_engine(watched.database)
        except DatabaseError as fault:
            logger.warning("events: %s", fault)
            hub.pause(AGAIN_S)
            continue
        run_feed(LedgerParts(engine, watched.station, watched.cameras[0]), hub)
        engine.dispose()
