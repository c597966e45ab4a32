"""A station that drops images by itself: real parts of a real run, real files, a process beside the line."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from db.check import check
from db.engine import open_engine
from db.images import ImageStore
from db.ledger import Ledger
from db.queries import events
from db.records import Event, Severity
from db.retention import RetentionPolicy
from db.tables import IMAGES, INSPECTIONS
from inspector.errors import ConfigError
from inspector.values import Outcome
from station.config import Retention, StationConfig, station_config
from station.retaining import NOT_SWEPT, SWEPT, Sweeper, retaining
from station.running import run_station
from tests.db.conftest import Line

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADROOM = RetentionPolicy(headroom_hours=230)
NEEDED = 120_000
"""Bytes that this headroom asks for, as twelve images of 1000 bytes came in 23 hours."""


@pytest.fixture
def config(make_config: Any) -> StationConfig:
    """A station that has run, with eight passes and four rejects, each with an image, all of the day before `NOW`."""
    return filled(make_config())


def filled(config: StationConfig, image_bytes: int = 1000) -> StationConfig:
    """One part an hour; the files were put long ago."""
    line, store = Line(), ImageStore(config.images)
    config.station.folder.mkdir(exist_ok=True)
    with Ledger(config.database_url) as ledger:
        run_id = ledger.start_run(line.run(station=config.station.name))
    for number in range(12):
        image = store.put(bytes([number]) * image_bytes, ".png")
        os.utime(store.root / image.path, (1e9, 1e9))
        at = NOW - timedelta(hours=23 - number)
        part = line.part(run_id, number + 1, station=config.station.name, triggered_at=at)
        verdict = {"outcome": Outcome.REJECT if number % 3 == 0 else Outcome.PASS, "image_sha256": image.sha256}
        with Ledger(config.database_url, clock=lambda at=at: at) as ledger:
            ledger.open_part(part)
            ledger.complete_part(line.judged(part, **verdict), image).result(30)
    return config


def files(config: StationConfig) -> dict[str, Path]:
    return {path.stem: path for path in config.images.glob("??/??/*.*")}


def said(config: StationConfig) -> list[Event]:
    """What the sweeper made known, oldest first."""
    engine = open_engine(config.database_url)
    with engine.connect() as connection:
        found = [event for event in events(connection, 100) if event.kind.startswith("image")]
    engine.dispose()
    return found[::-1]


def faults(config: StationConfig) -> tuple[str, ...]:
    engine = open_engine(config.database_url)
    found = check(engine, config.images).faults
    engine.dispose()
    return found


def rejects(config: StationConfig) -> set[str]:
    engine = open_engine(config.database_url)
    with engine.connect() as connection:
        query = select(INSPECTIONS.c.image_sha256).where(INSPECTIONS.c.outcome != "PASS")
        found = set(connection.execute(query).scalars())
    engine.dispose()
    return found


def sweeper(config: StationConfig, policy: RetentionPolicy, free_bytes: int, *, dry_run: bool = False) -> Sweeper:
    retention = Retention(policy=policy, every_s=1, dry_run=dry_run)
    name, database = config.station.name, config.database_url
    return Sweeper(name, database, config.images, retention, lambda _: free_bytes, lambda: NOW)


def test_a_station_sweeps_beside_its_line_and_keeps_what_is_kept(config: StationConfig) -> None:
    kept = rejects(config)
    policy = RetentionPolicy(pass_days=1)
    swept = config.model_copy(update={"retention": Retention(policy=policy, every_s=3600)})
    with retaining(swept):
        until(lambda: len(said(config)) == 1)
    assert set(files(config)) == kept
    assert len(kept) == 4
    (event,) = said(config)
    assert (event.severity, event.kind, event.station) == (Severity.INFO, SWEPT, "test-1")
    assert event.message.startswith("dropped 8 images,")
    assert faults(config) == ()


def until(holds: Callable[[], bool]) -> None:
    ready = threading.Event()
    for _ in range(600):
        if holds():
            return
        ready.wait(0.05)
    raise AssertionError("did not come to hold within thirty seconds")


def test_a_line_runs_with_a_sweeper_beside_it(make_config: Any) -> None:
    config = make_config(realtime=False, deadline_ms=60_000)
    retention = Retention(policy=RetentionPolicy(pass_days=1), every_s=1)
    summary = run_station(config.model_copy(update={"retention": retention}), threading.Event())
    assert summary.status.accounted == 12


def test_for_headroom_passes_go_oldest_first_until_there_is_enough(config: StationConfig) -> None:
    before = by_age(config)
    sweeper(config, HEADROOM, NEEDED - 1500).step()
    assert by_age(config) == [before[0], *before[3:]]
    (event,) = said(config)
    assert event.message.startswith("dropped 2 images,")
    sweeper(config, HEADROOM, NEEDED + 500).step()
    assert len(said(config)) == 1


def by_age(config: StationConfig) -> list[str]:
    """Images that are there, oldest first; of three the first is a reject's."""
    there = files(config)
    engine = open_engine(config.database_url)
    with engine.connect() as connection:
        hashes = connection.execute(select(IMAGES.c.sha256).order_by(IMAGES.c.stored_at)).scalars().all()
    engine.dispose()
    return [sha256 for sha256 in hashes if sha256 in there]


def test_no_room_is_an_alarm_once_until_there_was_room_again(config: StationConfig) -> None:
    kept = rejects(config)
    free = iter((0, 0, 10**12, 0))
    one = sweeper(config, HEADROOM, 0)
    one._free_bytes = lambda _: next(free)
    one.step()
    assert set(files(config)) == kept
    one.step()
    assert [(event.severity, event.kind) for event in said(config)] == [
        (Severity.INFO, SWEPT),
        (Severity.ALARM, "image headroom"),
    ]
    one.step()
    one.step()
    assert [event.kind for event in said(config)] == [SWEPT, "image headroom", "image headroom"]
    assert set(files(config)) == kept


def test_a_dry_run_says_once_what_would_go_and_drops_nothing(config: StationConfig) -> None:
    one = sweeper(config, RetentionPolicy(pass_days=0.5), 10**12, dry_run=True)
    one.step()
    one.step()
    (event,) = said(config)
    assert event.message.startswith("would drop")
    assert len(files(config)) == 12


def test_what_hinders_a_sweep_is_said_once_and_the_next_one_tries_again(config: StationConfig) -> None:
    one = sweeper(config, RetentionPolicy(pass_days=0.01), 10**12)
    with ImageStore(config.images).sweeping():
        one.step()
        one.step()
    (event,) = said(config)
    assert (event.severity, event.kind) == (Severity.WARNING, NOT_SWEPT)
    assert "another sweep is at work" in event.message
    one.step()
    assert said(config)[-1].kind == SWEPT
    assert set(files(config)) == rejects(config)


def test_a_station_that_stored_nothing_has_nothing_to_sweep(make_config: Any) -> None:
    sweeper(make_config(), HEADROOM, 0).step()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 8 MB large. Needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk of 8 MB needs the right to mount one")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_was_nearly_full_has_room_again(make_config: Any, small_disk: Path) -> None:
    config = filled(make_config(folder=str(small_disk / "station")), 100_000)
    filler = small_disk / "filler"  # of other programs
    filler.write_bytes(bytes(free(small_disk) - 300_000))
    policy = RetentionPolicy(headroom_hours=23 * 700_000 / 1_200_000)
    retention = Retention(policy=policy, every_s=1)
    Sweeper("test-1", config.database_url, config.images, retention, clock=lambda: NOW).step()
    assert rejects(config) < set(files(config))
    assert len(files(config)) < 9
    assert free(small_disk) > 600_000
    assert faults(config) == ()


def free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"policy": "nowhere.toml"}, "nowhere.toml"),
        ({"policy": "bad.toml"}, "pass_days"),
        ({}, "retention.policy"),
        ({"policy": "good.toml", "every_s": 0}, "retention.every_s"),
        ({"policy": "good.toml", "often": 1}, "retention.often"),
    ],
)
def test_a_retention_that_cannot_be_is_named(
    tmp_path: Path, bundle_path: Path, picture_folder: Path, table: dict[str, Any], named: str
) -> None:
    (tmp_path / "bad.toml").write_text("pass_days = -1\n")
    (tmp_path / "good.toml").write_text("pass_days = 1\n")
    blocks = {
        "station": {"name": "test-1", "folder": "station", "bundle": str(bundle_path)},
        "camera": {"kind": "folder", "path": str(picture_folder)},
        "retention": table,
    }
    with pytest.raises(ConfigError, match=named):
        station_config(blocks, "test.toml", tmp_path)
