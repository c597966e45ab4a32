"""Fixtures of the station's tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db.engine import open_engine
from db.queries import records
from inspector.values import InspectionRecord
from station.config import StationConfig, station_config
from station.running import RunSummary, run_station

MakeConfig = Callable[..., StationConfig]


@pytest.fixture
def make_config(tmp_path: Path, bundle_path: Path, picture_folder: Path) -> MakeConfig:
    """Return a function that makes a configuration on the folder camera; keywords replace fields of the blocks."""

    def make(
        camera: dict[str, Any] | None = None,
        trigger: dict[str, Any] | None = None,
        output: dict[str, Any] | list[dict[str, Any]] | None = None,
        health: dict[str, Any] | None = None,
        **station: Any,
    ) -> StationConfig:
        block = {"name": "test-1", "folder": "station", "bundle": str(bundle_path), **station}
        content = {
            "station": block,
            "camera": camera or {"kind": "folder", "path": str(picture_folder)},
            "trigger": trigger or {},
            "output": output or {"kind": "log"},
            **({"health": health} if health else {}),
        }
        return station_config(content, "test.toml", tmp_path)

    return make


@pytest.fixture
def run() -> Callable[[StationConfig], RunSummary]:
    return lambda config: run_station(config, threading.Event())


@pytest.fixture
def rows() -> Callable[[RunSummary], list[InspectionRecord]]:
    """Return the records of a run, by trigger."""

    def read(summary: RunSummary) -> list[InspectionRecord]:
        engine = open_engine(summary.database)
        try:
            with engine.connect() as connection:
                return list(records(connection, summary.run_id))
        finally:
            engine.dispose()

    return read
