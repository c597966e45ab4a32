"""Several cameras, one part: views of one trigger become one row, whatever happens to one of them."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import pytest

from db.images import ImageStore
from inspector.errors import ConfigError
from inspector.values import InspectionRecord, Outcome
from station.config import StationConfig, station_config
from station.running import RunSummary, run_station

Rows = Callable[[RunSummary], list[InspectionRecord]]
Make = Callable[..., StationConfig]


@pytest.fixture
def make_two(tmp_path: Path, bundle_path: Path, picture_folder: Path, part_image) -> Make:
    """Return a function that makes a station with two views of every part: `top`, and `side`, whose parts are bright.

    `top` rejects every third part; `side` none.
    """
    side = tmp_path / "side"
    side.mkdir()
    for number, path in enumerate(sorted(picture_folder.iterdir())):
        cv2.imwrite(str(side / path.name), part_image(215, 100 + number))

    def make(
        groups: tuple[str, str] = ("one", "one"),
        trigger: dict[str, Any] | None = None,
        side_camera: dict[str, Any] | None = None,
        top_camera: dict[str, Any] | None = None,
        **station: Any,
    ) -> StationConfig:
        top = {"kind": "folder", "name": "top", "group": groups[0], "path": str(picture_folder), **(top_camera or {})}
        beside = {"kind": "folder", "name": "side", "group": groups[1], "path": str(side), **(side_camera or {})}
        block = {"name": "two", "folder": "station", "bundle": str(bundle_path), "keep_images": "all", **station}
        content = {"station": block, "camera": [top, beside], "trigger": trigger or {}}
        return station_config(content, "test.toml", tmp_path)

    return make


def run(config: StationConfig) -> RunSummary:
    return run_station(config, threading.Event())


@pytest.mark.parametrize("groups", [("one", "one"), ("left", "right")], ids=["one process", "a process each"])
def test_two_views_of_a_part_become_one_row_with_both_findings_and_both_images(make_two: Make, rows: Rows, groups):
    config = make_two(groups=groups, deadline_ms=10_000)
    parts = rows(run(config))
    assert [part.trigger for part in parts] == list(range(1, 13))
    assert [part.outcome for part in parts] == [Outcome.REJECT if n % 3 == 0 else Outcome.PASS for n in range(12)]
    assert all([view.camera for view in part.views] == ["top", "side"] for part in parts)
    assert all(view.source == part.source for part in parts for view in part.views)
    store = ImageStore(config.images)
    assert all(store.read(view.image_sha256) for part in parts for view in part.views)
    assert all(part.image_sha256 == part.views[0].image_sha256 for part in parts)
    assert all(part.reasons[0].startswith('view "top": ') for part in parts if part.outcome is Outcome.REJECT)


def test_timer_exposes_every_view(make_two: Make, rows: Rows):
    trigger = {"kind": "timer", "rate_hz": 50, "count": 8}
    parts = rows(run(make_two(groups=("left", "right"), trigger=trigger, deadline_ms=10_000)))
    assert [[view.source for view in part.views] for part in parts] == [[f"part-{n:03}.png"] * 2 for n in range(8)]


def test_view_that_cannot_be_read_leaves_the_part_uninspected_unless_another_rejects(
    make_two: Make, rows: Rows, tmp_path: Path
):
    for number in (3, 4):
        (tmp_path / "side" / f"part-{number:03}.png").write_bytes(b"no picture")
    parts = rows(run(make_two(deadline_ms=10_000)))
    assert parts[3].outcome is Outcome.REJECT
    assert parts[4].outcome is Outcome.NOT_INSPECTED
    assert parts[4].reasons[0].startswith('view "side": no picture')
    assert [view.camera for view in parts[4].views] == ["top"]


def test_view_that_is_late_leaves_the_part_uninspected_at_its_deadline(make_two: Make, rows: Rows):
    slow = {"pace_hz": 0.05, "grab_timeout_s": 60}
    config = make_two(side_camera=slow, top_camera={"pace_hz": 20}, deadline_ms=300)
    parts = rows(run(config))[1:]
    passed_by_top = [part for n, part in enumerate(parts, start=1) if n % 3]
    assert len(parts) == 11
    assert all(part.outcome is Outcome.NOT_INSPECTED for part in passed_by_top)
    assert all('view "side": ' in part.reasons[0] for part in passed_by_top)
    assert median(part.latency_ms for part in parts if part.latency_ms is not None) < 600


def test_process_of_one_view_killed_costs_only_the_parts_it_owed_and_views_stay_together(
    make_two: Make, rows: Rows, tmp_path: Path
):
    pace = {"pace_hz": 25, "loops": 10}
    config = make_two(groups=("left", "right"), top_camera=pace, side_camera={"loops": 10}, deadline_ms=400)
    summaries: list[RunSummary] = []
    thread = threading.Thread(target=lambda: summaries.append(run(config)))
    thread.start()
    try:
        os.kill(_process("right", config), signal.SIGKILL)
    finally:
        thread.join(90)
    parts = rows(summaries[0])
    assert [part.sequence for part in parts] == list(range(120))
    assert summaries[0].status.restarts == 1
    assert all(view.source == part.source for part in parts for view in part.views)
    whole = [part for part in parts if len(part.views) == 2]
    assert parts[-1] in whole
    assert all(part.outcome in (Outcome.REJECT, Outcome.NOT_INSPECTED) for part in parts if part not in whole)


def _process(group: str, config: StationConfig) -> int:
    """Wait until images are stored and return the process of a camera group."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        found = [child for child in multiprocessing.active_children() if child.name == group]
        if found and config.images.is_dir() and len(list(config.images.rglob("*.jpg"))) > 8:
            return int(found[0].pid or 0)
        time.sleep(0.02)
    raise AssertionError("the station did not start")


def test_two_cameras_of_one_name_are_refused(make_two: Make):
    with pytest.raises(ConfigError, match=r"'top' is the name of two cameras"):
        make_two(side_camera={"name": "top"})


def test_cameras_without_names_are_numbered(tmp_path: Path, bundle_path: Path, picture_folder: Path):
    shutil.copytree(picture_folder, tmp_path / "b")
    camera = {"kind": "folder", "path": str(picture_folder)}
    station = {"name": "x", "folder": "s", "bundle": str(bundle_path)}
    config = station_config({"station": station, "camera": [camera, camera]}, "test.toml", tmp_path)
    assert [each.name for each in config.cameras] == ["camera-1", "camera-2"]
    assert config.groups == {"vision": ("camera-1", "camera-2")}
