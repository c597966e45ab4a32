"""Parts and runs to write; each test has its own file."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from uuid import UUID

import pytest
from sqlalchemy import Engine

from db.engine import open_engine
from db.records import Run
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, Prediction, Quality, Verdict, ViewInspection

NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)


class Line:
    """Makes the values that a line would: runs, parts as triggered, parts as judged."""

    station = "station-1"
    bundle_id = "b" * 64

    def run(self, **changes: object) -> Run:
        run = Run(self.station, "bracket", "r" * 64, "[camera]", self.bundle_id, "classify", ("good", "scratch"))
        return dataclasses.replace(run, **changes)  # type: ignore[arg-type]

    def part(self, run_id: UUID, trigger: int, **changes: object) -> InspectionRecord:
        part = InspectionRecord(
            part_id=new_id(),
            run_id=run_id,
            station=self.station,
            recipe="bracket",
            bundle_id=self.bundle_id,
            trigger=trigger,
            source=f"{trigger}.png",
            triggered_at=NOON,
            sequence=trigger - 1,
        )
        return dataclasses.replace(part, **changes)  # type: ignore[arg-type]

    def judged(self, part: InspectionRecord, **changes: object) -> InspectionRecord:
        verdict = Verdict(Outcome.PASS, (), 0.1, "good")
        prediction = Prediction("good", (0.9, 0.1), 0.1, (2.2, -0.5))
        quality = Quality(101.5, 90.25, 0.01, 0.02)
        view = ViewInspection("top", part.sequence, part.source, quality, prediction, verdict, {"infer": 5.5})
        judged = dataclasses.replace(
            part,
            outcome=Outcome.PASS,
            label="good",
            defect_probability=0.1,
            latency_ms=8.5,
            completed_at=NOON,
            views=(view,),
        )
        return dataclasses.replace(judged, **changes)  # type: ignore[arg-type]


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = open_engine(path, create=True)
    yield engine
    engine.dispose()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 2 MB large. Needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a disk of 2 MB needs the right to mount one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class Holder:
    """Another program that holds the write lock of an SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()


@pytest.fixture
def held(path: Path) -> Callable[[], Holder]:
    return lambda: Holder(path)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait until something holds, at most ten seconds."""

    def wait(holds: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + 10.0
        while not holds():
            assert time.monotonic() < deadline_s, "did not come to hold within ten seconds"
            time.sleep(0.005)

    return wait
