"""Orders of peers out of the telling process: by its pipe to the line process, whose writer puts them on record."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from itertools import count

from sqlalchemy import Engine

from db.engine import storage_errors
from db.orders import GivenOrder, Order, order_numbered
from inspector.errors import OrderRefused, PeerFault

_LONGEST_S = 30.0


@dataclass(frozen=True, slots=True)
class Give:
    """Telling: put this order on record, and say its number by this token."""

    token: int
    order: Order


@dataclass(frozen=True, slots=True)
class Given:
    """Line: it is on record by this number, or it is not, and why."""

    token: int
    number: int | None = None
    fault: str = ""


class PipeDoor:
    """Any thread but the one that calls `heard` may give orders."""

    def __init__(self, send: Callable[[Give], None], engine: Engine, station: str) -> None:
        self._send, self._engine, self._station = send, engine, station
        self._tokens, self._lock = count(time.monotonic_ns()), threading.Lock()
        # An answer to the process before this one must not be taken for one to this.
        self._asked: dict[int, Future[Given]] = {}

    def give(self, order: Order) -> int:
        answer: Future[Given] = Future()
        with self._lock:
            token = next(self._tokens)
            self._asked[token] = answer
        self._send(Give(token, order))
        try:
            given = answer.result(_LONGEST_S)
        except FutureTimeout as error:
            raise PeerFault(f"the line did not put an order on record within {_LONGEST_S:g} s") from error
        finally:
            del self._asked[token]
        if given.number is None:
            raise OrderRefused(given.fault)
        return given.number

    def heard(self, given: Given) -> None:
        with self._lock:
            asked = self._asked.get(given.token)
        if asked is not None:
            asked.set_result(given)

    def order(self, number: int) -> GivenOrder | None:
        with storage_errors(self._engine.url), self._engine.connect() as connection:
            return order_numbered(connection, self._station, number)
