"""A station whose runtime has an engine to build first judges every part meanwhile, at its start and at a change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import Engine

from db.engine import WRITES, open_engine
from db.orders import GivenOrder, Order, OrderKind, OrderState, give, orders
from db.queries import events, records, runs
from inspector.bundle import load_bundle, write_bundle
from inspector.choice import store_table
from inspector.parity import Candidate, Evidence, RuntimeTable, machine
from inspector.runtimes import RuntimeSettings
from inspector.values import InspectionRecord, Outcome
from station.building import EVERY_S, BuildNotes
from station.checking import check_station
from station.config import StationConfig, station_config
from station.running import run_station
from tests.conftest import brightness_network, bundle_files, golden, manifest

PLUGIN = """
import time

from inspector.errors import BundleError
from inspector.runtimes.ort import OnnxRuntime


def beside(model, ending):
    return model.parent.with_suffix(ending)


class Slow:
    # Its engine is built when a test says so, and cannot be loaded before.

    def __init__(self, model, settings):
        if not self.is_built(model, settings):
            raise BundleError("loaded before it was built")
        self._able = OnnxRuntime(model, settings.model_copy(update={"kind": "onnxruntime", "device": "cpu"}))

    @classmethod
    def is_built(cls, model, settings):
        return beside(model, ".built").exists()

    @classmethod
    def build(cls, model, settings, tell):
        while not beside(model, ".go").exists():
            tell("kernel 3 of 9")
            if beside(model, ".fail").exists():
                raise BundleError("no kernel fits")
            time.sleep(0.05)
        beside(model, ".built").touch()

    def describe(self):
        return {**self._able.describe(), "runtime": "slow"}

    def run(self, batch):
        return self._able.run(batch)
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    packages = tmp_path_factory.mktemp("packages")
    named = packages / "slow-1.dist-info"
    named.mkdir()
    (packages / "slow_runtime.py").write_text(PLUGIN)
    (named / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1\n")
    (named / "entry_points.txt").write_text("[inspector.runtimes]\nslow = slow_runtime:Slow\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(packages)
        yield


def make_bundle(out: Path, bias: float) -> Path:
    files = bundle_files(brightness_network(bias))
    plain = write_bundle(out / "plain", manifest(), files)
    return write_bundle(out / "whole", manifest(), {**files, **golden(plain)})


class Watched:
    """A station as one sees it through its ledger, and what its bundles' builds wait for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def parts(self) -> list[InspectionRecord]:
        with self._engine.connect() as connection:
            found = [part for run in runs(connection) for part in records(connection, run.run_id)]
        return [part for part in found if part.outcome is not None]

    def messages(self, kind: str) -> list[str]:
        with self._engine.connect() as connection:
            return [event.message for event in events(connection, 1000) if event.kind == kind]

    def give(self, kind: OrderKind, wanted: Path) -> int:
        with self._engine.execution_options(**{WRITES: True}).begin() as connection:
            return give(connection, Order("press", kind, "ann", "a test", str(wanted)))

    def given(self, number: int) -> GivenOrder:
        with self._engine.connect() as connection:
            return next(given for given in orders(connection, "press") if given.number == number)

    def wait(self, true: Callable[[], object], limit_s: float = 60.0) -> None:
        until_s = time.monotonic() + limit_s
        while not true():
            assert time.monotonic() < until_s, "nothing came of it in time"
            time.sleep(0.05)

    def wait_for_parts(self, count: int) -> None:
        before = len(self.parts())
        self.wait(lambda: len(self.parts()) >= before + count)


@pytest.fixture
def config(tmp_path: Path, plugin: None) -> StationConfig:
    (tmp_path / "pictures").mkdir()
    for number in range(6):
        noise = np.random.default_rng(number).normal(0, 12, (96, 128, 3))
        image = np.clip((30 if number % 3 == 0 else 225) + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "pictures" / f"part-{number:03}.png"), image)
    (tmp_path / "recipe.toml").write_text('[runtime]\nkind = "slow"\n')
    bundle = make_bundle(tmp_path / "first", 8.0)
    camera = {"kind": "folder", "path": "pictures", "pace_hz": 20, "loops": 100_000, "preload": True}
    station = {"name": "press", "folder": "box", "bundle": str(bundle), "recipe": "recipe.toml", "deadline_ms": 20_000}
    return station_config({"station": station, "camera": camera}, "test.toml", tmp_path)


def prove_all(config: StationConfig) -> None:
    """Write the table that `station measure` writes: the slow runtime is the faster one."""
    ways = (config.recipe.runtime, RuntimeSettings())
    proved = tuple(
        Evidence(candidate=Candidate(precision=config.recipe.precision, runtime=way), p50_ms=1.0) for way in ways
    )
    bundle = load_bundle(config.station.bundle)
    table = RuntimeTable(bundle=bundle.id, machine=machine(), measured_at=datetime.now(UTC), evidence=proved)
    store_table(bundle, table, config.post)


@contextmanager
def running(config: StationConfig) -> Iterator[Watched]:
    config.station.folder.mkdir(exist_ok=True)
    engine, stop = open_engine(config.database_url, create=True), threading.Event()
    thread = threading.Thread(target=lambda: run_station(config, stop), name="station")
    thread.start()
    try:
        yield Watched(engine)
    finally:
        stop.set()
        thread.join(30)
        engine.dispose()


def go(bundle: Path) -> None:
    bundle.with_suffix(".go").touch()


def wrong(parts: list[InspectionRecord]) -> list[InspectionRecord]:
    """Parts that were not judged, or judged wrongly: every third picture is dark."""
    return [
        part
        for part in parts
        if part.outcome is not (Outcome.REJECT if int(part.source[-7:-4]) % 3 == 0 else Outcome.PASS)
    ]


def test_parts_are_judged_while_engines_are_built_at_the_start_and_for_another_bundle(
    config: StationConfig, tmp_path: Path
) -> None:
    prove_all(config)
    second = make_bundle(tmp_path / "second", 9.0)
    with running(config) as station:
        station.wait_for_parts(10)
        assert station.messages("vision ready")[0].startswith("runtime onnxruntime")
        station.wait(lambda: station.messages("building"))
        assert "slow cpu" in station.messages("building")[0]
        assert station.messages("building")[0].endswith("kernel 3 of 9")
        go(config.station.bundle)
        station.wait(lambda: station.messages("runtime ready"))
        assert station.messages("runtime ready")[0].startswith("slow is built and takes over from onnxruntime")
        station.wait_for_parts(5)

        number = station.give(OrderKind.BUNDLE, second)
        station.wait(lambda: station.given(number).actual.endswith("kernel 3 of 9"))
        assert station.given(number).state is OrderState.DOING
        station.wait_for_parts(10)
        assert {part.bundle_id for part in station.parts()} == {load_bundle(config.station.bundle).id}
        go(second)
        station.wait(lambda: station.given(number).state is OrderState.DONE)
        station.wait(lambda: station.parts()[-1].bundle_id == load_bundle(second).id)
        station.wait_for_parts(5)
        assert wrong(station.parts()) == []


def test_a_build_that_fails_leaves_the_stand_in_serving_and_the_line_is_told(config: StationConfig) -> None:
    prove_all(config)
    with running(config) as station:
        station.wait_for_parts(3)
        config.station.bundle.with_suffix(".fail").touch()
        station.wait(lambda: station.messages("runtime failed"))
        assert "no kernel fits; onnxruntime" in station.messages("runtime failed")[0]
        station.wait_for_parts(5)
        assert wrong(station.parts()) == []


def test_without_a_proved_runtime_to_stand_in_the_first_part_waits_for_the_build(config: StationConfig) -> None:
    with running(config) as station:
        station.wait(lambda: station.messages("building"))
        assert station.parts() == []
        go(config.station.bundle)
        station.wait_for_parts(3)
        assert "runtime slow" in station.messages("vision ready")[0]
        assert station.messages("runtime ready") == []


def test_a_check_builds_ahead_what_the_line_will_need(config: StationConfig) -> None:
    go(config.station.bundle)
    said: list[str] = []
    assert check_station(config, said.append) == []
    assert config.station.bundle.with_suffix(".built").exists()
    assert any("slow cpu-int8" in line for line in said)


class Notes:
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, severity: object, kind: str, message: str) -> None:
        self.said.append(f"{kind}: {message}")


def test_a_build_is_noted_at_once_and_then_seldom() -> None:
    journal, now_s = Notes(), [100.0]
    notes = BuildNotes(journal, lambda: now_s[0])  # type: ignore[arg-type]
    assert notes.note("vision", 1, "1 of 9")
    now_s[0] += EVERY_S - 1
    assert not notes.note("vision", 1, "2 of 9")
    assert notes.note("other", 1, "1 of 9")
    now_s[0] += 2
    assert notes.note("vision", 1, "3 of 9")
    assert journal.said == ["building: 1 of 9", "building: 1 of 9", "building: 3 of 9"]
