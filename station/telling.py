"""The telling process from outside: start it, write down how far it has come, replace it when it dies, for ever."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Self

from db.ledger import Ledger
from db.orders import Order
from db.records import Event, Severity
from inspector.errors import OrderRefused, StorageFault
from station.outputs import make_teller, telling_process
from station.outputs.base import About, LineState, OutputState, TellSettings
from station.outputs.order_door import Give, Given
from station.outputs.pump import FromPump, Refused, Told
from station.outputs.telling_process import Finish
from station.status import Tally

logger = logging.getLogger(__name__)

DRAIN_S = 5.0
"""At the end of a run, peers that listen are told what is left for so long; the rest is told in the next run."""
_LOOK_S = 0.2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


class TellingOutputs:
    """Everything that tells. Open with `with`, around a run whose rows are durable when the block ends.

    One thread starts the process, hears it, and starts another when it dies. It costs the line nothing: it waits for a
    pipe nearly all of its time, and its writes wait for the line's commits.
    """

    def __init__(
        self, database: str, about: About, outputs: Sequence[TellSettings], ledger: Ledger, tally: Tally
    ) -> None:
        self._database, self._about, self._outputs = database, about, tuple(outputs)
        self._ledger, self._tally = ledger, tally
        self._positions: dict[str, int] = {}
        self._given: SimpleQueue[Given] = SimpleQueue()
        self._finish = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="telling", daemon=True)

    def __enter__(self) -> Self:
        """Start telling.

        Raises:
            ConfigError: an output that cannot be made; nothing was started.
            StorageFault: the ledger does not say how far the outputs have come.
        """
        for each in self._outputs:
            make_teller(each, self._about)
        if self._outputs:
            self._positions = self._ledger.subscribe(self._about.station, [each.called for each in self._outputs])
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._finish.set()
        if self._outputs:
            self._thread.join()

    def _supervise(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._finish.is_set():
            started_s = time.monotonic()
            code = self._run_once()
            if self._finish.is_set():
                return
            self._event(Severity.ALARM, "telling restarted", f"telling process ended with status {code}")
            pause_s = _FIRST_PAUSE_S if time.monotonic() - started_s > _LONGEST_PAUSE_S else pause_s
            self._finish.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _run_once(self) -> int | None:
        """Start a process and hear it until it ends; return its exit status."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        telling = telling_process.Telling(self._database, self._about, self._outputs, dict(self._positions))
        process = context.Process(target=telling_process.main, args=(theirs, telling), name="telling", daemon=True)
        process.start()
        theirs.close()
        try:
            self._hear(ours)
            process.join(1.0)
        finally:
            process.kill()
            process.join()
            code = process.exitcode
            process.close()
            ours.close()
        return code

    def _hear(self, connection: Connection) -> None:
        """Answer what the process says until it, or the time to drain, has ended."""
        said, until_s = None, None
        while until_s is None or time.monotonic() < until_s:
            try:
                if connection.poll(_LOOK_S):
                    self._note(connection.recv())
                state = self._line_state()
                if state != said:
                    connection.send(state)
                    said = state
                while not self._given.empty():
                    connection.send(self._given.get())
                if self._finish.is_set() and until_s is None:
                    until_s = time.monotonic() + DRAIN_S
                    connection.send(Finish())
            except (EOFError, OSError):
                return

    def _line_state(self) -> LineState:
        tally, now = self._tally, self._tally.serving
        recipe, bundle_id = (now.recipe, now.bundle_id) if now is not None else ("", "")
        return LineState(
            tally.state, None if tally.ledger == "well" else tally.ledger, recipe, bundle_id, tally.held or ""
        )

    def _note(self, message: FromPump | Give) -> None:
        match message:
            case Told(output, position, count):
                self._positions[output] = position
                self._write(lambda: self._ledger.delivered(self._about.station, output, position, count))
            case Refused(output, trigger, why):
                self._event(Severity.ALARM, "report refused", f"{output}: part {trigger}: {why}")
            case OutputState():
                self._note_state(message)
            case Give(token, order):
                self._give(token, order)

    def _give(self, token: int, order: Order) -> None:
        """Put a peer's order on record; the process is told its number, or why there is none."""
        try:
            written = self._ledger.give_order(order)
        except (OrderRefused, StorageFault) as fault:
            self._given.put(Given(token, fault=str(fault)))
        else:
            written.add_done_callback(lambda future: self._given.put(_given(token, future)))

    def _note_state(self, state: OutputState) -> None:
        if self._tally.note_output(state):
            severity, kind = (Severity.INFO, "output back") if state.well else (Severity.WARNING, "output down")
            self._event(severity, kind, f"{state.output}: {state.words}; {state.waiting} parts wait")

    def _event(self, severity: Severity, kind: str, message: str) -> None:
        level = logging.INFO if severity is Severity.INFO else logging.WARNING
        logger.log(level, "%s: %s", kind, message, extra={"event": kind, "severity": severity.value})
        self._write(lambda: self._ledger.record_event(Event(self._about.station, severity, kind, message)))

    def _write(self, submit: Callable[[], Future[None]]) -> None:
        """Write what nobody waits for; a ledger that takes nothing more has said so, and parts are told again."""
        try:
            submit().add_done_callback(_log_refusal)
        except StorageFault as fault:
            logger.warning("telling: %s", fault)


def _given(token: int, written: Future[int]) -> Given:
    refusal = written.exception()
    return Given(token, written.result()) if refusal is None else Given(token, fault=f"ledger: {refusal}")


def _log_refusal(future: Future[None]) -> None:
    if (refusal := future.exception()) is not None:
        logger.error("ledger: %s", refusal)
