"""A run of a station from its start to its summary."""

from __future__ import annotations

import fcntl
import gc
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

from db.images import ImageStore
from db.ledger import Ledger, Recovery
from db.records import Event, Severity
from inspector.bundle import load_bundle
from inspector.errors import BundleError, ConfigError, StorageFault, UserError
from inspector.logs import name_run
from station.access import read_token
from station.auditing import make_key
from station.beginning import Beginning, beginning_of
from station.challenges.desk import guarded
from station.challenges.guard import Guard
from station.config import StationConfig
from station.forwarding import forwarding
from station.health.port import health_port, listen
from station.health.settings import HealthSettings
from station.health.snapshot import Snapshot, Watched
from station.line import LineLoop
from station.order_book import OrderBook
from station.ordering import OrderFeed
from station.outputs import act_outputs, tell_settings
from station.outputs.base import About, Output
from station.parts import Identity
from station.preview import PreviewSlot
from station.retaining import retaining
from station.scheduling import line_first
from station.service import service_heart
from station.status import ServingNow, StationStatus, Tally
from station.supervisor import VisionProcess
from station.telling import TellingOutputs
from station.triggers import is_by_camera

logger = logging.getLogger(__name__)

_LAST_ROWS_S = 30.0
RENDERED = {"synthetic"}
"""Kinds of cameras whose parts are none: they are told as simulated."""
Screen = Callable[[Tally], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did, and where it is written."""

    run_id: UUID
    status: StationStatus
    seconds: float
    recovered: int
    """Parts that an earlier run left open and that were accounted for at the start."""
    database: str
    images: Path

    def text(self) -> str:
        """Return the summary as lines for a person."""
        status = self.status
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in status.outcomes.items() if count)
        latency = "no part" if status.p50_ms is None else f"p50 {status.p50_ms:.1f} ms, p99 {status.p99_ms:.1f} ms"
        balance = "balanced" if status.triggers == status.accounted else "NOT BALANCED"
        return "\n".join(
            (
                f"{status.triggers} triggers, {status.accounted} verdicts ({balance}): {outcomes or 'none'}",
                *([f"{status.challenges} of them challenge parts, not counted"] if status.challenges else []),
                *([f"line held: {status.held}"] if status.held else []),
                f"latency trigger to verdict: {latency}; {status.triggers / max(self.seconds, 1e-9):.1f} parts/s",
                *([status.drift] if status.has_drifted else []),
                *([f"{self.recovered} parts of an interrupted run recorded NOT_INSPECTED"] if self.recovered else []),
                f"database {self.database}",
                f"images   {self.images}",
            )
        )


def run_station(config: StationConfig, stop: threading.Event, screen: Screen | None = None) -> RunSummary:
    """Run a station until its camera ends or `stop` is set.

    Raises:
        UserError: a bundle, camera or database that is not fit; nothing was inspected.
        StationError: a fault that restarting the vision process did not mend; every part is accounted for.
    """
    load_bundle(config.station.bundle)
    _make_folder(config.station.folder)
    tally = Tally(config.station.name)
    started_s = time.monotonic()
    with (
        _alone(config.station.folder),
        _listening(config.health) as listening,
        forwarding(config, tally),
        Ledger(config.database_url) as ledger,
        retaining(config),
        act_outputs(config.outputs, service_heart(), book := _order_book(config, ledger)) as output,
        screen(tally) if screen else nullcontext(),
    ):
        ImageStore(config.images).sweep()
        recovery = ledger.recover(config.station.name)
        if config.audit is not None:
            make_key(config.station.folder)
        start = recovery.next_sequence if config.station.resume and recovery.unfinished_run else 0
        station = _Station(config, ledger, output, tally, stop, start, listening, book)
        _record_recovery(ledger, config.station.name, recovery)
        run_id = _serve_as_ordered(station)
        tally.state = "ended"
    seconds = time.monotonic() - started_s
    return RunSummary(run_id, tally.snapshot(), seconds, recovery.completed, config.database_url, config.images)


@dataclass(frozen=True, slots=True)
class _Station:
    """What a run of the loop needs, whatever serves."""

    config: StationConfig
    ledger: Ledger
    output: Output
    tally: Tally
    stop: threading.Event
    start: int
    listening: socket.socket | None
    book: OrderBook


def _order_book(config: StationConfig, ledger: Ledger) -> OrderBook:
    return OrderBook(config.station.name, ledger.give_order)


def _serve_as_ordered(station: _Station) -> UUID:
    """Serve what was ordered last, or else what the configuration says; what is ordered and unfit is an alarm."""
    config = station.config
    beginning = _begin(station)
    if beginning.fault is None and beginning.served.order is not None:
        try:
            return _serve(station, beginning)
        except UserError as error:
            if station.tally.triggers or station.stop.is_set():
                raise
            beginning = _begin(station, f"{beginning.served.bundle_path}: {error}")
    if beginning.fault is not None:
        words = f"{beginning.fault}; the configuration's bundle serves"
        station.ledger.record_event(Event(config.station.name, Severity.ALARM, "order not kept", words))
    return _serve(station, beginning)


def _begin(station: _Station, fault: str | None = None) -> Beginning:
    """Return what serves first; a bundle of the configuration that is refused is an event too, and ends the start."""
    try:
        return beginning_of(station.config, fault)
    except BundleError as error:
        name = station.config.station.name
        station.ledger.record_event(Event(name, Severity.ALARM, "bundle refused", str(error)))
        raise


def _serve(station: _Station, beginning: Beginning) -> UUID:
    """Run the loop, and return the run of what served last."""
    config, ledger, run, tally = beginning.config, station.ledger, beginning.run, station.tally
    ledger.start_run(run, beginning.served)
    name_run(run.station, str(run.run_id))
    tally.serving = beginning.standing
    if beginning.plan:
        ledger.record_event(Event(run.station, Severity.INFO, "audit draws", beginning.plan.text()))
    about = About(
        run.station, run.recipe, run.bundle_id, recipes=tuple(config.recipes), folder=config.station.folder.absolute()
    )
    slots = {camera.name: PreviewSlot() for camera in config.cameras} if config.health else {}
    with (
        _health(config, beginning.standing, ledger, tally, slots, station.listening),
        TellingOutputs(config.database_url, about, tell_settings(config.outputs), ledger, tally),
    ):
        with guarded(config, run.recipe, run.bundle_id, ledger) as guard, settled_heap(), _realtime(config, ledger):
            loop = _loop(station, beginning, slots, guard)
            loop.run()
        for run_id in loop.runs:
            _end_run(ledger, run_id)
    return loop.runs[-1]


def _loop(station: _Station, beginning: Beginning, slots: Mapping[str, PreviewSlot], guard: Guard) -> LineLoop:
    config, run = beginning.config, beginning.run
    return LineLoop(
        config,
        Identity(run.run_id, run.station, run.recipe, run.bundle_id, config.camera.kind in RENDERED),
        station.ledger,
        station.output,
        station.tally,
        station.stop,
        station.start,
        partial(VisionProcess, slots=slots),
        beginning.plan,
        guard,
        orders=OrderFeed(config, book=station.book),
        holding=beginning.holding,
        run=run,
    )


def _listening(settings: HealthSettings | None) -> AbstractContextManager[socket.socket | None]:
    """Open the health port, where one is configured: what is wrong with it is said before anything is written."""
    if settings is None:
        return nullcontext()
    read_token(settings.token_file)
    return listen(settings)


@contextmanager
def _health(
    config: StationConfig,
    now: ServingNow,
    ledger: Ledger,
    tally: Tally,
    slots: Mapping[str, PreviewSlot],
    listening: socket.socket | None,
) -> Iterator[None]:
    """Serve the health port, where there is one."""
    if config.health is None or listening is None:
        yield
        return
    watched = Watched(
        station=config.station.name,
        recipe=now.recipe,
        bundle_id=now.bundle_id,
        run_id=now.run_id,
        version=version("open-inspector"),
        certificate=now.certificate,
        certified=now.certified,
        cameras=tuple(camera.name for camera in config.cameras),
        groups=tuple(config.groups),
        trigger=None if is_by_camera(config.trigger) else config.trigger.kind,
        folder=config.station.folder,
        database=config.database_url,
        settings=config.health,
        token=read_token(config.health.token_file),
    )

    def take() -> Snapshot:
        return Snapshot(tally.snapshot(), ledger.unwritten, time.monotonic_ns())

    with health_port(watched, slots, take, listening):
        yield


@contextmanager
def settled_heap() -> Iterator[None]:
    """Keep the collector away from what was loaded before: looking through all of it takes 25 ms, ten parts' time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _realtime(config: StationConfig, ledger: Ledger) -> Iterator[None]:
    """Serve what a part waits for before other programs, if that is wanted; where it is refused, record why."""
    if not config.station.realtime:
        yield
        return
    with line_first(ledger.writer_id) as refusal:
        if refusal is not None:
            logger.warning("not served before other programs: %s", refusal)
            ledger.record_event(Event(config.station.name, Severity.INFO, "no realtime", refusal))
        yield


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "station.lock").touch()
    except OSError as error:
        raise ConfigError(f"{folder}: station.folder cannot be made ({error.strerror})") from error


def _end_run(ledger: Ledger, run_id: UUID) -> None:
    """Wait for the last rows; raise StorageFault where the disk does not take them."""
    try:
        ledger.end_run(run_id, clean=True).result(timeout=_LAST_ROWS_S)
    except TimeoutError as error:
        cause = ledger.fault or "the storage is slow"
        raise StorageFault(f"{ledger.unwritten} rows are not on the disk after {_LAST_ROWS_S:g} s: {cause}") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the station's folder: a second process there would close the rows that this one has open."""
    with (folder / "station.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"{folder}: another station process runs in this folder; stop it first") from error
        yield


def _record_recovery(ledger: Ledger, station: str, recovery: Recovery) -> None:
    if recovery.unfinished_run is None:
        return
    message = f"run {recovery.unfinished_run} was interrupted; {recovery.completed} open parts are NOT_INSPECTED"
    ledger.record_event(Event(station, Severity.WARNING, "recovered", message))
