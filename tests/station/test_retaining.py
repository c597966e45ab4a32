"""A station that drops images by itself: real parts of a real run, real files, a process beside the line."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from db.check import check
from db.engine import open_engine, writing
from db.images import ImageStore
from db.queries import events
from db.records import Event, Severity
from db.retention import RetentionPolicy
from db.tables import IMAGES, INSPECTIONS
from inspector.errors import ConfigError
from station.config import Retention, StationConfig, station_config
from station.retaining import NOT_SWEPT, SWEPT, Sweeper, retaining
from station.running import run_station

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADROOM = RetentionPolicy(headroom_hours=100)
"""At the pace of `old`, in which a day brings all images there are, it asks for four times their size."""


@pytest.fixture
def config(make_config: Any) -> StationConfig:
    """A station that has run: eight passes and four rejects, each with its image, all of the day before `NOW`."""
    made: StationConfig = make_config(keep_images="all", realtime=False)
    run_station(made, threading.Event())
    old(made)
    return made


def old(config: StationConfig) -> None:
    """All images come from the day before `NOW`, one an hour; their files were put long ago."""
    engine = open_engine(config.database_url)
    with writing(engine) as connection:
        hashes = list(connection.execute(select(IMAGES.c.sha256).order_by(IMAGES.c.sha256)).scalars())
        for hour, sha256 in enumerate(hashes):
            at = NOW - timedelta(hours=23 - hour)
            connection.execute(update(IMAGES).where(IMAGES.c.sha256 == sha256).values(stored_at=at))
    engine.dispose()
    for path in files(config).values():
        os.utime(path, (1e9, 1e9))


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


def size(config: StationConfig) -> int:
    return sum(path.stat().st_size for path in files(config).values())


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


def test_a_run_with_retention_inspects_every_part(make_config: Any) -> None:
    config = make_config(keep_images="all", realtime=False)
    retention = Retention(policy=RetentionPolicy(pass_days=1), every_s=1)
    summary = run_station(config.model_copy(update={"retention": retention}), threading.Event())
    assert summary.status.accounted == 12
    assert len(files(config)) == 12


def test_for_headroom_passes_go_oldest_first_until_there_is_enough(config: StationConfig) -> None:
    needed = int(100 * 3600 * size(config) / 86400)
    before, kept = files(config), rejects(config)
    sizes = {sha256: path.stat().st_size for sha256, path in before.items()}
    passes = sorted(set(before) - kept)
    sweeper(config, HEADROOM, needed - sizes[passes[0]] - 1).step()
    assert set(files(config)) == set(before) - set(passes[:2])
    (event,) = said(config)
    assert event.message.startswith("dropped 2 images,")
    sweeper(config, HEADROOM, needed).step()
    assert len(said(config)) == 1


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
    config = make_config(keep_images="all", realtime=False, folder=str(small_disk / "station"), image_format="png")
    run_station(config, threading.Event())
    old(config)
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    filler, size_bytes = small_disk / "filler", size(config)
    filler.write_bytes(bytes(free - 200_000))  # of other programs: the headroom is far away
    hours = 24 * 400_000 / size_bytes
    retention = Retention(policy=RetentionPolicy(headroom_hours=hours), every_s=1)
    Sweeper("test-1", config.database_url, config.images, retention, clock=lambda: NOW).step()
    left = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    assert rejects(config) < set(files(config)) or set(files(config)) == rejects(config)
    assert len(files(config)) < 12
    assert left > 200_000
    assert faults(config) == ()


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
