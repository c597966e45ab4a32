"""A running station and its plant: real processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from db.engine import open_engine
from db.queries import events, records, runs
from inspector.errors import ConfigError, DatabaseError
from station.checking import check_station
from station.companion import beside
from station.config import PlantSettings, StationConfig, station_config
from station.forwarding import courier, forwarding, note_rows
from station.running import run_station
from station.screen import line
from station.status import Tally


@pytest.fixture
def plant(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'plant.sqlite'}"
    open_engine(url, create=True).dispose()
    return url


@pytest.fixture
def config(make_config: Any, plant: str) -> StationConfig:
    made: StationConfig = make_config(keep_images="none", realtime=False)
    return _with_plant(made, plant)


def _with_plant(config: StationConfig, plant: str) -> StationConfig:
    return config.model_copy(update={"plant": PlantSettings(database=plant)})


def until(holds: Any) -> None:
    deadline_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline_s, "did not come to hold within thirty seconds"
        time.sleep(0.02)


def arrived(url: str) -> list[int]:
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            return [part.trigger for run in runs(connection) for part in records(connection, run.run_id)]
    finally:
        engine.dispose()


def test_a_stations_parts_are_in_the_plant_while_it_runs_and_after(config: StationConfig, plant: str) -> None:
    first = run_station(config, threading.Event())
    tally = Tally("test-1")
    with forwarding(config, tally):
        until(lambda: tally.unforwarded == 0)
        assert tally.plant == "well"
        assert "plant='well' unforwarded=0" in line(tally.snapshot())
    assert arrived(plant) == list(range(1, first.status.triggers + 1))
    engine = open_engine(plant)
    with engine.connect() as connection:
        (run,) = runs(connection)
        assert run.clean is True
        assert events(connection, 1)
    engine.dispose()


def test_a_forwarder_that_is_killed_is_started_again(
    config: StationConfig, plant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.companion._RESTART_S", 0.05)
    run_station(config.model_copy(update={"plant": None}), threading.Event())
    note_rows(config)
    tally = Tally("test-1")
    carrier = courier(config.database_url, plant, tally)
    with beside(carrier):
        until(lambda: carrier.pid is not None)
        killed = carrier.pid
        os.kill(killed or 0, signal.SIGKILL)
        until(lambda: carrier.pid != killed and tally.unforwarded == 0)
    assert arrived(plant) == list(range(1, 13))


def test_a_plant_that_is_away_holds_up_no_part(config: StationConfig, tmp_path: Path) -> None:
    away = _with_plant(config, "postgresql://nobody@127.0.0.1:1/plant")
    summary = run_station(away, threading.Event())
    assert summary.status.accounted == 12
    tally = Tally("test-1")
    with forwarding(away, tally):
        until(lambda: tally.unforwarded)
        assert "127.0.0.1" in tally.plant
    assert (tally.unforwarded or 0) >= 14


def test_without_a_plant_no_row_is_noted(make_config: Any) -> None:
    config = make_config()
    summary = run_station(config, threading.Event())
    engine = open_engine(config.database_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM dispatch").scalar_one() == 0
    engine.dispose()
    assert (summary.status.plant, summary.status.unforwarded) == ("none", None)
    assert "plant" not in line(summary.status)


def test_the_check_says_whether_the_plant_takes_rows(config: StationConfig, tmp_path: Path) -> None:
    told: list[str] = []
    assert check_station(config, told.append) == []
    assert any("plant.sqlite takes rows of this station" in words for words in told)
    (fault,) = check_station(_with_plant(config, f"sqlite:///{tmp_path / 'nowhere.sqlite'}"), told.append)
    assert "plant: database" in fault


def test_a_plant_without_a_database_and_a_ledger_that_is_no_file_are_refused(
    make_config: Any, plant: str, tmp_path: Path
) -> None:
    content = {"station": {"name": "x", "folder": "f", "bundle": "b"}, "camera": {"kind": "synthetic"}, "plant": {}}
    with pytest.raises(ConfigError, match=r"plant\.database"):
        station_config(content, "test.toml", tmp_path)
    config = _with_plant(make_config(database="postgresql://nobody@127.0.0.1:1/x"), plant)
    with pytest.raises(DatabaseError, match=r"127\.0\.0\.1"):
        note_rows(config)
