"""One station with real processes that lives through its orders: what serves, what is refused, what is held."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import Engine

from db.engine import WRITES, open_engine
from db.orders import GivenOrder, Order, OrderKind, OrderState, give, orders
from db.queries import events, records, runs
from db.records import utc_now
from db.shadow import shadow_verdicts
from inspector.bundle import load_bundle, write_bundle
from inspector.inspection import Inspector
from inspector.preprocess import read_image
from inspector.values import Frame, InspectionRecord, Outcome
from station.config import StationConfig, station_config
from station.running import run_station
from station.triggers import trigger_settings
from tests.conftest import brightness_network, bundle_files, golden, manifest

PICTURES, RATE_HZ = 12, 60


@dataclass(frozen=True)
class Bundles:
    """Bundles that answer differently: which one judged a part can be seen in its probability."""

    first: Path
    second: Path
    other_classes: Path
    wrong_golden: Path
    altered: Path


@dataclass(frozen=True)
class Station:
    """A running station as one sees it from outside: through its ledger's database."""

    config: StationConfig
    bundles: Bundles
    engine: Engine

    def order(self, kind: OrderKind, wanted: str | Path = "") -> GivenOrder:
        """Give an order, and wait until it is done or refused."""
        with self.engine.execution_options(**{WRITES: True}).begin() as connection:
            number = give(connection, Order("press", kind, "ann", "a test", str(wanted)))
        self.wait(lambda: self._given(number).settled_at is not None)
        return self._given(number)

    def _given(self, number: int) -> GivenOrder:
        with self.engine.connect() as connection:
            return next(given for given in orders(connection, "press") if given.number == number)

    def parts(self) -> list[InspectionRecord]:
        with self.engine.connect() as connection:
            return [part for run in runs(connection) for part in records(connection, run.run_id)]

    def judged(self) -> list[InspectionRecord]:
        return [part for part in self.parts() if part.outcome is not None]

    def newest(self) -> InspectionRecord:
        return self.judged()[-1]

    def messages(self, kind: str) -> list[str]:
        with self.engine.connect() as connection:
            return [event.message for event in events(connection, 1000) if event.kind == kind]

    def wait(self, true: Callable[[], bool], limit_s: float = 20.0) -> None:
        until_s = time.monotonic() + limit_s
        while not true():
            assert time.monotonic() < until_s, "nothing came of it in time"
            time.sleep(0.02)

    def wait_for_parts(self, count: int = 15) -> None:
        """Wait for so many verdicts more."""
        before = len(self.judged())
        self.wait(lambda: len(self.judged()) >= before + count)


def make_bundle(out: Path, bias: float, **changes: object) -> Path:
    files = bundle_files(brightness_network(bias))
    plain = write_bundle(out / "plain", manifest(**changes), files)
    return write_bundle(out / "whole", manifest(**changes), {**files, **golden(plain)})


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    folder = tmp_path_factory.mktemp("orders")
    second = make_bundle(folder / "second", 7.0)
    wrong = {**bundle_files(brightness_network(7.0)), **golden(make_bundle(folder / "right", 3.0))}
    altered = folder / "altered" / second.name
    shutil.copytree(second, altered)
    (altered / "model.cpu-int8.onnx").write_bytes(b"?" + (altered / "model.cpu-int8.onnx").read_bytes()[1:])
    return Bundles(
        first=make_bundle(folder / "first", 8.0),
        second=second,
        other_classes=make_bundle(folder / "other", 7.0, classes=("good", "scratch")),
        wrong_golden=write_bundle(folder / "wrong", manifest(), wrong),
        altered=altered,
    )


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, bundles: Bundles) -> StationConfig:
    folder = tmp_path_factory.mktemp("station")
    (folder / "pictures").mkdir()
    for number in range(PICTURES):
        noise = np.random.default_rng(number).normal(0, 12, (96, 128, 3))
        image = np.clip((120 if number % 3 == 0 else 215) + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / "pictures" / f"part-{number:03}.png"), image)
    for name in ("flange", "bracket"):
        (folder / f"{name}.toml").write_text(f'name = "{name}"\n[quality]\nmin_focus = 1\n')
    blocks = {
        "station": {
            "name": "press",
            "folder": "box",
            "bundle": str(bundles.first),
            "recipe": "flange.toml",
            "hang_s": 2,
        },
        "camera": {"kind": "folder", "path": "pictures", "pace_hz": RATE_HZ, "loops": 100_000, "preload": True},
        "recipe": [{"file": "bracket.toml"}],
        "self_test": {"every_s": 1.5},
    }
    return station_config(blocks, "test.toml", folder)


@pytest.fixture(scope="module")
def station(config: StationConfig, bundles: Bundles) -> Iterator[Station]:
    config.station.folder.mkdir()
    engine = open_engine(config.database_url, create=True)
    with running(config):
        watched = Station(config, bundles, engine)
        watched.wait_for_parts(5)
        yield watched
    engine.dispose()


@contextmanager
def running(config: StationConfig) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=lambda: run_station(config, stop), name="station")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


def by_hand(config: StationConfig, bundle: Path) -> dict[str, float | None]:
    """What a bundle says of each picture, asked directly."""
    inspector = Inspector(load_bundle(bundle), config.recipe)
    said = {}
    for path in sorted(Path(config.camera.path).iterdir()):  # type: ignore[attr-defined]
        verdict = inspector.inspect([Frame(read_image(path), "camera-1", 0, datetime.now(UTC))]).verdict
        said[path.name] = verdict.defect_probability
    return said


def kill_vision() -> None:
    os.kill(
        next(child.pid or 0 for child in multiprocessing.active_children() if child.name == "vision"), signal.SIGKILL
    )


def test_what_was_ordered_outlives_vision_process_and_station_and_can_be_rolled_back(
    config: StationConfig, bundles: Bundles
) -> None:
    folder = config.station.folder.parent / "again"
    folder.mkdir()
    config = config.model_copy(update={"station": config.station.model_copy(update={"folder": folder})})
    engine = open_engine(config.database_url, create=True)
    station = Station(config, bundles, engine)
    with running(config):
        station.wait_for_parts(2)
        station.order(OrderKind.BUNDLE, bundles.second)
        kill_vision()
        station.wait_for_parts(10)
        newest, said = station.newest(), by_hand(config, bundles.second)
        assert newest.defect_probability == said[newest.source.rpartition("/")[2]]
        station.order(OrderKind.HOLD)
    with running(config):
        station.wait_for_parts(2)
        assert station.newest().bundle_id == load_bundle(bundles.second).id
        assert station.newest().reasons == ("held: a test (ann)",)
        station.order(OrderKind.RUN)
        assert station.order(OrderKind.ROLLBACK).state is OrderState.DONE
        station.wait(lambda: station.newest().bundle_id == load_bundle(bundles.first).id)
    engine.dispose()


def test_views_of_one_part_are_never_judged_by_two_bundles(config: StationConfig, bundles: Bundles) -> None:
    folder = config.station.folder.parent / "views"
    folder.mkdir()
    update = {
        "station": config.station.model_copy(update={"folder": folder, "deadline_ms": 5000}),
        "trigger": trigger_settings({"kind": "timer", "rate_hz": 40}, "test"),
        "cameras": tuple(
            config.camera.model_copy(update={"name": name, "group": name, "pace_hz": 0}) for name in ("top", "side")
        ),
    }
    config = config.model_copy(update=update)
    engine = open_engine(config.database_url, create=True)
    station = Station(config, bundles, engine)
    with running(config):
        station.wait_for_parts(2)
        assert station.order(OrderKind.BUNDLE, bundles.second).state is OrderState.DONE
        station.wait(lambda: station.newest().bundle_id == load_bundle(bundles.second).id)
    said = {load_bundle(path).id: by_hand(config, path) for path in (bundles.first, bundles.second)}
    for part in station.parts():
        for view in part.views:
            probability = view.prediction.defect_probability if view.prediction else None
            assert probability == said[part.bundle_id].get(view.source.rpartition("/")[2], probability)
    assert {part.bundle_id for part in station.parts()} == set(said)
    engine.dispose()


def test_another_bundle_serves_and_every_row_is_of_the_one_that_judged(station: Station) -> None:
    done = station.order(OrderKind.BUNDLE, station.bundles.second)
    station.wait_for_parts()
    assert done.state is OrderState.DONE
    assert load_bundle(station.bundles.second).id in done.actual
    said = {
        load_bundle(path).id: by_hand(station.config, path) for path in (station.bundles.first, station.bundles.second)
    }
    parts = station.parts()
    assert {part.bundle_id for part in parts} == set(said)
    assert [part.trigger for part in parts] == list(range(1, len(parts) + 1))
    assert [part.sequence for part in parts] == list(range(len(parts)))
    for part in station.judged():
        assert part.defect_probability == said[part.bundle_id][part.source.rpartition("/")[2]]
    assert sum(before.bundle_id != after.bundle_id for before, after in pairwise(parts)) == 1


def test_the_run_of_a_bundle_ends_clean_when_another_has_taken_over(station: Station) -> None:
    def ended() -> bool:
        with station.engine.connect() as connection:
            first, second = runs(connection)[:2]
        return first.clean is True and second.ended_at is None

    station.wait(ended)


@pytest.mark.parametrize(
    ("bundle", "cause"),
    [
        ("altered", "model.cpu-int8.onnx has been altered"),
        ("other_classes", "classes are good, scratch; recipe flange expects good, dark"),
        ("wrong_golden", "golden self-test"),
    ],
)
def test_bundle_that_is_not_fit_is_refused_by_cause_and_what_served_goes_on(
    station: Station, bundle: str, cause: str
) -> None:
    refused = station.order(OrderKind.BUNDLE, getattr(station.bundles, bundle))
    assert refused.state is OrderState.REFUSED
    assert cause in refused.actual
    assert any(cause in message for message in station.messages("bundle refused"))
    station.wait_for_parts()
    assert station.newest().bundle_id == load_bundle(station.bundles.second).id
    assert station.newest().outcome in (Outcome.PASS, Outcome.REVIEW, Outcome.REJECT)


def test_rollback_serves_what_served_before_within_five_seconds(station: Station) -> None:
    first, began = load_bundle(station.bundles.first).id, utc_now()
    assert station.order(OrderKind.ROLLBACK).state is OrderState.DONE
    station.wait(lambda: station.newest().bundle_id == first)
    back = next(part for part in station.judged() if part.bundle_id == first and part.triggered_at > began)
    assert back.completed_at is not None
    assert (back.completed_at - began).total_seconds() < 5


def test_held_line_inspects_no_part_and_says_by_whom_until_it_runs(station: Station) -> None:
    assert station.order(OrderKind.HOLD).state is OrderState.DONE
    station.wait(lambda: station.newest().reasons == ("held: a test (ann)",))
    assert station.newest().outcome is Outcome.NOT_INSPECTED
    time.sleep(3.0)  # longer than a vision process may be silent, which has nothing to say
    assert station.messages("vision restarted") == []
    assert station.order(OrderKind.RUN).state is OrderState.DONE
    station.wait(lambda: station.newest().outcome is not Outcome.NOT_INSPECTED)


def test_change_over_names_the_recipe_of_each_part_and_mixes_none(station: Station) -> None:
    assert station.order(OrderKind.RECIPE, "bracket").state is OrderState.DONE
    station.wait(lambda: station.newest().recipe == "bracket")
    with station.engine.connect() as connection:
        by_run = {run.run_id: (run.recipe, run.bundle_id) for run in runs(connection)}
    assert all(by_run[part.run_id] == (part.recipe, part.bundle_id) for part in station.parts())
    assert "not in the configuration" in station.order(OrderKind.RECIPE, "bolt").actual
    assert station.order(OrderKind.ROLLBACK).state is OrderState.DONE
    station.wait(lambda: station.newest().recipe == "flange")


def test_self_test_that_is_ordered_and_passes_is_done(station: Station) -> None:
    assert station.order(OrderKind.SELF_TEST).actual == "3 golden samples as recorded"


def test_self_test_that_fails_on_the_schedule_holds_the_line_until_one_passes(station: Station) -> None:
    sample = station.bundles.first / "golden" / "20.png"
    right = sample.read_bytes()
    sample.write_bytes((station.bundles.first / "golden" / "220.png").read_bytes())
    try:
        station.wait(lambda: any("golden self-test failed" in words for words in station.newest().reasons))
        assert station.newest().outcome is Outcome.NOT_INSPECTED
        assert station.messages("self-test failed")
    finally:
        sample.write_bytes(right)
    station.wait(lambda: station.newest().outcome is not Outcome.NOT_INSPECTED)
    assert station.messages("self-test passes again")


def test_shadow_bundle_says_what_it_would_have_said_and_nothing_comes_of_it(station: Station) -> None:
    assert station.order(OrderKind.SHADOW, station.bundles.second).state is OrderState.DONE
    shadow, said = load_bundle(station.bundles.second).id, by_hand(station.config, station.bundles.second)

    def shaded() -> int:
        with station.engine.connect() as connection:
            return len(shadow_verdicts(connection, shadow))

    station.wait(lambda: shaded() >= 5)
    assert re.search(r"left the shadow: \d+ views judged, \d+ skipped", station.order(OrderKind.SHADOW).actual)
    by_id = {part.part_id: part for part in station.parts()}
    with station.engine.connect() as connection:
        verdicts = shadow_verdicts(connection, shadow)
    assert len(verdicts) >= 5
    for each in verdicts:
        part = by_id[each.part_id]
        assert each.verdict.defect_probability == said[part.source.rpartition("/")[2]]
        assert part.bundle_id == load_bundle(station.bundles.first).id
