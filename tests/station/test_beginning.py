"""What a station begins with: what was ordered last, unless it cannot be had."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from db.engine import open_engine
from db.ledger import Ledger
from db.orders import Order, OrderKind, give
from db.servings import Served
from inspector.bundle import load_bundle
from station.beginning import beginning_of
from station.config import StationConfig
from station.ordering import run_value


@pytest.fixture
def config(make_config) -> StationConfig:
    made: StationConfig = make_config()
    made.station.folder.mkdir()
    return made


@pytest.fixture
def ordered(config: StationConfig, bundle_path: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that an order made serve."""
    path = tmp_path / "ordered" / bundle_path.name
    shutil.copytree(bundle_path, path)
    engine = open_engine(config.database_url, create=True)
    with engine.begin() as connection:
        number = give(connection, Order("test-1", OrderKind.BUNDLE, "ann", "why", str(path)))
    engine.dispose()
    with Ledger(config.database_url) as ledger:
        ledger.start_run(run_value(config, load_bundle(path), None), Served(path, number))
    return path


def test_what_was_ordered_holds_over_the_configuration(config: StationConfig, ordered: Path) -> None:
    beginning = beginning_of(config)
    assert (beginning.served, beginning.fault) == (Served(ordered, 1), None)
    assert beginning.config.station.bundle == ordered


def test_ordered_bundle_that_was_altered_leaves_the_configurations_own(
    config: StationConfig, ordered: Path, bundle_path: Path
) -> None:
    (ordered / "card.md").write_text("changed")
    beginning = beginning_of(config)
    assert (beginning.served.bundle_path, beginning.served.order) == (bundle_path, None)
    assert "card.md has been altered" in str(beginning.fault)


def test_station_that_was_never_ordered_anything_begins_with_its_configuration(
    config: StationConfig, bundle_path: Path
) -> None:
    open_engine(config.database_url, create=True).dispose()
    assert beginning_of(config).served == Served(bundle_path)
