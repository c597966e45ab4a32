"""The desk: reads the register and the orders of persons on a thread of its own, so that no disk holds up the line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from sqlalchemy import Engine

from db.challenges import registered, standing
from db.engine import open_engine, storage_errors
from db.ledger import Ledger
from inspector.errors import InspectorError
from station.challenges.guard import ChallengeGuard, Fault, Guard, News, Register, steady_clock
from station.challenges.orders import NextOrder, ReleaseOrder, take
from station.challenges.schedule import Serving
from station.config import StationConfig

LOOK_S = 1.0


@contextmanager
def guarded(config: StationConfig, recipe: str, bundle_id: str, ledger: Ledger) -> Iterator[Guard]:
    """Yield the line's guard; one that knows of no challenge parts where the configuration has no `[challenge]`.

    Raises:
        DatabaseError: the register cannot be read.
    """
    if config.challenge is None:
        yield Guard()
        return
    clock = steady_clock()
    engine = open_engine(config.database_url)
    try:
        with storage_errors(engine.url), engine.connect() as connection:
            register, stands = registered(connection, config.station.name), standing(connection, config.station.name)
        with Desk(engine, config.station.name, config.station.folder, tuple(register)) as news:
            serving = Serving(recipe, bundle_id, clock())
            settings = config.challenge
            yield ChallengeGuard(settings, config.station.name, serving, stands, register, ledger, news, clock)
    finally:
        engine.dispose()


class Desk:
    """Open with `with`: the thread looks once a second and tells what is new."""

    def __init__(self, engine: Engine, station: str, folder: Path, register: Register) -> None:
        self._engine, self._station, self._folder = engine, station, folder
        self._register = register
        self._fault: str | None = None
        self._news: SimpleQueue[News] = SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="challenge-desk", daemon=True)

    def __enter__(self) -> SimpleQueue[News]:
        self._thread.start()
        return self._news

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self._look()
            except InspectorError as error:
                self._tell_fault(str(error))
            else:
                self._fault = None

    def _look(self) -> None:
        with storage_errors(self._engine.url), self._engine.connect() as connection:
            register = tuple(registered(connection, self._station))
        if register != self._register:
            self._register = register
            self._news.put(register)
        for order in (take(self._folder, NextOrder), take(self._folder, ReleaseOrder)):
            if order is not None:
                self._news.put(order)

    def _tell_fault(self, message: str) -> None:
        if message != self._fault:
            self._fault = message
            self._news.put(Fault(message))
