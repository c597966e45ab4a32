"""Images that are no longer kept go while the line runs, by a process beside it; what went, or did not, is an event.

It may be killed at any moment: the next sweep goes on from there (`db.sweep`).
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

from db.engine import open_engine, writing
from db.images import ImageStore
from db.records import Event, Severity, event_row, utc_now
from db.sweeping import NO_ROOM, Done, no_room, sweep_once
from db.tables import EVENTS
from inspector.errors import ConfigError, DatabaseError, StorageFault
from station.companion import Companion, beside, until_told
from station.config import Retention, StationConfig

logger = logging.getLogger(__name__)

SWEPT, NOT_SWEPT = "images dropped", "images not swept"
"""Kinds of events, beside `NO_ROOM`."""


@contextmanager
def retaining(config: StationConfig) -> Iterator[None]:
    """Sweep while the block runs, where that is configured."""
    if config.retention is None:
        yield
        return
    args = (config.station.name, config.database_url, config.images, config.retention)
    with beside(Companion("sweeper", main, args, lambda _: None, lambda: None)):
        yield


def main(pipe: Connection, station: str, database: str, images: Path, retention: Retention) -> None:
    """The sweeper process: sweep now and then until a byte comes, or the line process has gone."""
    stop = until_told(pipe)
    sweeper = Sweeper(station, database, images, retention)
    while not stop.is_set():
        sweeper.step()
        stop.wait(retention.every_s)


class Sweeper:
    """Sweeps a station's own images; says what it does, and a thing that lasts once."""

    def __init__(
        self,
        station: str,
        database: str,
        images: Path,
        retention: Retention,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._station, self._database, self._retention = station, database, retention
        self._images, self._free_bytes, self._clock = images, free_bytes, clock
        self._said: dict[str, str] = {}

    def step(self) -> None:
        """Sweep once. What hinders it is an event, and the next step tries again."""
        if not self._images.is_dir():
            return  # no image was stored yet
        try:
            self._tell(self._sweep())
        except (StorageFault, DatabaseError, ConfigError, OSError) as error:
            logger.warning("images are not swept: %s", error)
            self._fault(str(error))

    def _sweep(self) -> Done:
        engine = open_engine(self._database)
        try:
            policy, free_bytes = self._retention.policy, self._free_bytes(self._images)
            store, dry_run = ImageStore(self._images), self._retention.dry_run
            return sweep_once(engine, store, policy, free_bytes, dry_run=dry_run, clock=self._clock)
        finally:
            engine.dispose()

    def _tell(self, done: Done) -> None:
        self._said.pop(NOT_SWEPT, None)
        if done.swept is None:
            self._once(SWEPT, Severity.INFO, done.text() if done.plan.drops else "")
        elif done.swept.dropped:
            self._record(SWEPT, Severity.INFO, done.text())
        short = done.plan.short_bytes
        words = no_room(short, self._retention.policy, self._images) if short else ""
        self._once(NO_ROOM, Severity.ALARM, words, "missing" if short else "")

    def _fault(self, words: str) -> None:
        try:
            self._once(NOT_SWEPT, Severity.WARNING, words)
        except DatabaseError as error:
            logger.warning("nor is that an event: %s", error)

    def _once(self, kind: str, severity: Severity, words: str, state: str | None = None) -> None:
        """Record what lasts when it begins, or is another; no words: it is over."""
        state = words if state is None else state
        if state and self._said.get(kind) != state:
            self._record(kind, severity, words)
        self._said[kind] = state

    def _record(self, kind: str, severity: Severity, words: str) -> None:
        engine = open_engine(self._database)
        try:
            with writing(engine) as connection:
                connection.execute(EVENTS.insert(), event_row(Event(self._station, severity, kind, words)))
        finally:
            engine.dispose()
