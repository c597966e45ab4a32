"""The telling process: a thread per output that reads the ledger and talks to its peer.

It loads the protocol libraries, so that the line process need not: their work, their memory and their faults stay here.
It only reads the ledger. How far each output has come is told to the line process, whose writer writes it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from db.engine import open_engine
from station.child import live_with_line
from station.outputs import make_teller
from station.outputs.base import About, LineState, TellSettings
from station.outputs.order_door import Give, Given, PipeDoor
from station.outputs.pump import FromPump, LedgerQueue, Pump
from station.scheduling import this_thread_last


@dataclass(frozen=True, slots=True)
class Finish:
    """Line: tell what is there to those who listen, and end."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What the process is to do: whose parts, from where, to whom."""

    database: str
    about: About
    outputs: tuple[TellSettings, ...]
    positions: Mapping[str, int]


def main(connection: Connection, telling: Telling) -> None:
    """Entry point of the process."""
    live_with_line()
    this_thread_last()  # and the threads that it starts
    engine = open_engine(telling.database)
    lock = threading.Lock()

    def send(message: FromPump | Give) -> None:
        with lock, suppress(OSError):  # the line process has gone, and this one goes too
            connection.send(message)

    queue = LedgerQueue(engine, telling.about.station)
    door = PipeDoor(send, engine, telling.about.station)
    about = replace(telling.about, earlier=queue, orders=door)
    pumps = [
        Pump(each, make_teller(each, about), queue, telling.positions[each.called], send) for each in telling.outputs
    ]
    threads = [
        threading.Thread(target=pump.run, name=f"tell-{each.called}")
        for pump, each in zip(pumps, telling.outputs, strict=True)
    ]
    for thread in threads:
        thread.start()
    _pass_on(connection, pumps, door)
    for pump in pumps:
        pump.finish.set()
    for thread in threads:
        thread.join()
    engine.dispose()


def _pass_on(connection: Connection, pumps: list[Pump], door: PipeDoor) -> None:
    """Give the pumps what the line says of itself, and peers the numbers of their orders, until it ends or is gone."""
    with suppress(EOFError, OSError):
        while not isinstance(message := connection.recv(), Finish):
            if isinstance(message, LineState):
                for pump in pumps:
                    pump.line = message
            elif isinstance(message, Given):
                door.heard(message)
