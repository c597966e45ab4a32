"""The station as a whole: real processes, a real ledger, real pictures."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import cv2
import pytest

from benchmarks.peers import free_port
from db.engine import open_engine
from db.images import ImageStore
from db.queries import events, records
from inspector.bundle import load_bundle, write_bundle
from inspector.errors import ConfigError, DatabaseError, StationError, UserError
from inspector.inspection import Inspector
from inspector.overlay import sketch_pixels
from inspector.preprocess import read_image
from inspector.values import Frame, InspectionRecord, Outcome, PartTag
from station.config import StationConfig
from station.running import RunSummary, run_station
from tests.conftest import bundle_files, manifest
from tests.inspector.test_overlay import heated_network

Run = Callable[[StationConfig], RunSummary]
Rows = Callable[[RunSummary], list[InspectionRecord]]

STALL_MS = 5000
"""For so long a busy machine may stand still; what is usual is asked of the median."""


def test_every_picture_has_one_row_and_every_row_one_outcome(make_config, run: Run, rows: Rows, picture_folder):
    parts = rows(run(make_config()))
    assert [part.source for part in parts] == sorted(path.name for path in picture_folder.iterdir())
    assert [part.trigger for part in parts] == list(range(1, 13))
    assert [part.outcome for part in parts] == [Outcome.REJECT if n % 3 == 0 else Outcome.PASS for n in range(12)]


def test_station_and_direct_inspection_agree_to_the_last_digit(
    make_config, run: Run, rows: Rows, picture_folder: Path, bundle_path: Path
):
    inspector = Inspector(load_bundle(bundle_path))
    for part in rows(run(make_config())):
        image = read_image(picture_folder / part.source)
        verdict = inspector.inspect([Frame(image, "test", 0, datetime.now(UTC))]).verdict
        assert part.defect_probability == verdict.defect_probability
        assert (part.outcome, part.label, part.reasons) == (verdict.outcome, verdict.label, verdict.reasons)


def test_rejects_have_their_own_image_and_passes_none(make_config, run: Run, rows: Rows, picture_folder: Path):
    config = make_config(image_format="png")
    store = ImageStore(config.images)
    for part in rows(run(config)):
        assert (part.image_sha256 is not None) == (part.outcome is Outcome.REJECT)
        if part.image_sha256:
            stored = config.images.parent / "copy.png"
            stored.write_bytes(store.read(part.image_sha256))
            assert (read_image(stored) == read_image(picture_folder / part.source)).all()


def test_where_a_defect_was_seen_is_kept_with_the_part_that_has_it(make_config, run: Run, rows: Rows, tmp_path: Path):
    heated = manifest(output_names=("logits", "heat"))
    bundle = write_bundle(tmp_path / "heated", heated, bundle_files(heated_network()))
    parts = rows(run(make_config(bundle=str(bundle))))
    assert {part.outcome for part in parts} == {Outcome.PASS, Outcome.REJECT}
    for part in parts:
        (view,) = part.views
        assert (view.heat_png is not None) == (part.outcome is Outcome.REJECT)
        if view.heat_png is not None:
            assert sketch_pixels(view.heat_png)[:, :, 3].max() > 0


def test_unreadable_picture_is_a_part_that_was_not_inspected(make_config, run: Run, rows: Rows, picture_folder: Path):
    (picture_folder / "part-004.png").write_bytes((picture_folder / "part-004.png").read_bytes()[:200])
    (picture_folder / "part-005.png").write_bytes(b"")
    parts = rows(run(make_config()))
    assert len(parts) == 12
    assert [n for n, part in enumerate(parts) if part.outcome is Outcome.NOT_INSPECTED] == [4, 5]
    assert "truncated" in parts[4].reasons[0]


def test_timer_triggers_each_expose_one_picture(make_config, run: Run, rows: Rows):
    config = make_config(trigger={"kind": "timer", "rate_hz": 200, "count": 8})
    parts = rows(run(config))
    assert [part.source for part in parts] == [f"part-{n:03}.png" for n in range(8)]
    assert all(part.outcome in (Outcome.PASS, Outcome.REJECT) for part in parts)


def test_part_before_a_silent_camera_is_not_inspected_at_its_deadline(
    make_config, run: Run, rows: Rows, picture_folder
):
    camera = {"kind": "folder", "path": str(picture_folder), "pace_hz": 0.01, "grab_timeout_s": 0.3}
    trigger = {"kind": "timer", "rate_hz": 10, "count": 6}
    parts = rows(run(make_config(camera=camera, trigger=trigger, deadline_ms=300)))
    assert [part.outcome for part in parts[1:]] == [Outcome.NOT_INSPECTED] * 5
    assert all("no exposure" in part.reasons[0] for part in parts[1:])
    assert all(290 < part.latency_ms < 300 + STALL_MS for part in parts[1:])


@contextmanager
def running(config: StationConfig) -> Iterator[list[RunSummary]]:
    """Run a station in a thread, so that the test can hurt it; the summary is in the list after the block."""
    stop = threading.Event()
    summaries: list[RunSummary] = []
    thread = threading.Thread(target=lambda: summaries.append(run_station(config, stop)), name="station")
    thread.start()
    try:
        yield summaries
    finally:
        thread.join(60)
        stop.set()
        thread.join(30)


def vision_pid(config: StationConfig, parts: int) -> int:
    """Wait until the station has accounted for `parts` and return its vision process' id."""
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        children = multiprocessing.active_children()
        if children and _rows_written(config) >= parts:
            return int(children[0].pid or 0)
        time.sleep(0.02)
    raise AssertionError("the station did not start")


def _rows_written(config: StationConfig) -> int:
    if not (config.station.folder / "ledger.sqlite").exists():
        return 0
    engine = open_engine(config.database_url)
    try:
        with engine.connect() as connection:
            return connection.exec_driver_sql("select count(*) from inspections where outcome is not null").scalar_one()
    finally:
        engine.dispose()


def paced(folder: Path, hz: float = 40, loops: int = 5) -> dict[str, object]:
    return {"kind": "folder", "path": str(folder), "pace_hz": hz, "loops": loops}


def test_killed_vision_process_is_replaced_and_no_part_is_lost_or_doubled(make_config, rows: Rows, picture_folder):
    config = make_config(camera=paced(picture_folder))
    with running(config) as summaries:
        os.kill(vision_pid(config, 10), signal.SIGKILL)
    parts = rows(summaries[0])
    assert [part.sequence for part in parts] == list(range(60))
    assert summaries[0].status.restarts == 1
    lost = [part for part in parts if part.outcome is Outcome.NOT_INSPECTED]
    assert len(lost) <= 3
    assert all("signal 9" in part.reasons[0] for part in lost)


def test_hung_vision_process_is_replaced_and_late_parts_are_not_inspected(make_config, rows: Rows, picture_folder):
    config = make_config(camera=paced(picture_folder), deadline_ms=200, hang_s=1.0)
    with running(config) as summaries:
        os.kill(vision_pid(config, 10), signal.SIGSTOP)
    parts = rows(summaries[0])
    assert [part.sequence for part in parts] == list(range(60))
    assert summaries[0].status.restarts == 1
    late = [part for part in parts if part.outcome is Outcome.NOT_INSPECTED]
    assert all("deadline of 200 ms passed" in part.reasons[0] for part in late)


def test_parts_that_wait_for_a_hung_process_are_answered_at_their_deadline(make_config, rows: Rows, picture_folder):
    trigger = {"kind": "timer", "rate_hz": 20, "count": 60}
    config = make_config(camera=paced(picture_folder, hz=0), trigger=trigger, deadline_ms=200, hang_s=1.0)
    with running(config) as summaries:
        os.kill(vision_pid(config, 10), signal.SIGSTOP)
    parts = rows(summaries[0])
    late = [part for part in parts if part.outcome is Outcome.NOT_INSPECTED]
    assert len(parts) == 60
    assert len(late) >= 10
    assert median(part.latency_ms for part in late) < 400
    assert max(part.latency_ms for part in late) < 200 + STALL_MS


def test_restart_budget_spent_ends_the_run_with_every_part_accounted_for(make_config, picture_folder: Path):
    config = make_config(camera=paced(picture_folder), restarts=0)
    failures: list[StationError] = []

    def serve() -> None:
        try:
            run_station(config, threading.Event())
        except StationError as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    os.kill(vision_pid(config, 5), signal.SIGKILL)
    thread.join(30)
    assert "0 restarts" in str(failures[0])
    engine = open_engine(config.database_url)
    with engine.connect() as connection:
        open_rows = connection.exec_driver_sql("select count(*) from inspections where outcome is null").scalar_one()
    engine.dispose()
    assert open_rows == 0


def test_stop_ends_cleanly_after_the_parts_that_were_triggered(make_config, rows: Rows, picture_folder: Path):
    config = make_config(camera=paced(picture_folder, hz=50, loops=1000))
    stop = threading.Event()
    summaries: list[RunSummary] = []
    thread = threading.Thread(target=lambda: summaries.append(run_station(config, stop)))
    thread.start()
    vision_pid(config, 5)
    stop.set()
    thread.join(20)
    parts = rows(summaries[0])
    assert all(part.outcome in (Outcome.PASS, Outcome.REJECT) for part in parts)
    assert summaries[0].status.triggers == len(parts)


def test_camera_folder_that_disappears_is_an_alarm_and_comes_back(make_config, rows: Rows, picture_folder: Path):
    config = make_config(camera=paced(picture_folder, hz=50))
    hidden = picture_folder.with_name("hidden")
    with running(config) as summaries:
        vision_pid(config, 10)
        picture_folder.rename(hidden)
        time.sleep(0.6)
        hidden.rename(picture_folder)
    assert [part.sequence for part in rows(summaries[0])] == list(range(60))
    engine = open_engine(config.database_url)
    with engine.connect() as connection:
        kinds = [event.kind for event in events(connection, 100)]
    engine.dispose()
    assert "camera lost" in kinds
    assert "camera back" in kinds


def test_second_run_begins_anew_after_a_clean_end(make_config, run: Run, rows: Rows):
    config = make_config()
    first, second = run(config), run(config)
    assert len(rows(first)) == len(rows(second)) == 12
    assert second.recovered == 0


@pytest.mark.parametrize(
    ("station", "camera", "words"),
    [
        ({"bundle": "nowhere"}, None, "no such bundle"),
        ({}, {"kind": "folder", "path": "nowhere"}, "no folder"),
        ({}, {"kind": "opencv", "source": "nowhere.avi"}, "cannot open"),
    ],
)
def test_what_cannot_run_says_so_in_one_line(make_config, run: Run, station, camera, words):
    config = make_config(camera=camera, restarts=0, **station)
    if camera and camera["kind"] == "opencv":
        assert _camera_alarm(config).count("cannot open") == 1
        return
    with pytest.raises(UserError, match=words) as caught:
        run(config)
    assert "\n" not in str(caught.value)


def _camera_alarm(config: StationConfig) -> str:
    """Run until the camera's alarm is in the ledger and return its message: a device may come back, so nothing ends."""
    stop = threading.Event()
    thread = threading.Thread(target=run_station, args=(config, stop))
    thread.start()
    try:
        deadline_s = time.monotonic() + 20
        while time.monotonic() < deadline_s:
            if alarms := _alarms(config):
                return alarms[0]
            time.sleep(0.1)
        raise AssertionError("no alarm")
    finally:
        stop.set()
        thread.join(20)


def _alarms(config: StationConfig) -> list[str]:
    try:
        engine = open_engine(config.database_url)
    except DatabaseError:  # not made yet, or its tables are not
        return []
    try:
        with engine.connect() as connection:
            return [event.message for event in events(connection, 100) if event.kind == "camera lost"]
    finally:
        engine.dispose()


def test_unwritable_station_folder_is_one_clear_line(make_config, run: Run, tmp_path: Path):
    (tmp_path / "blocked").write_text("a file, not a folder")
    with pytest.raises(ConfigError, match=r"blocked.*station\.folder cannot be made"):
        run(make_config(folder="blocked/below"))


def test_second_station_in_the_same_folder_is_refused(make_config, run: Run, picture_folder: Path):
    config = make_config(camera=paced(picture_folder))
    with running(config) as summaries:
        vision_pid(config, 3)
        with pytest.raises(ConfigError, match="another station process runs in this folder"):
            run(config)
    assert summaries[0].status.outcomes[Outcome.NOT_INSPECTED] == 0


def test_records_of_a_run_are_of_that_run_only(make_config, run: Run):
    config = make_config()
    first, second = run(config), run(config)
    engine = open_engine(config.database_url)
    with engine.connect() as connection:
        assert {part.run_id for part in records(connection, first.run_id)} == {first.run_id}
        assert {part.run_id for part in records(connection, second.run_id)} == {second.run_id}
    engine.dispose()


@pytest.fixture
def preloaded(picture_folder: Path) -> Callable[[], dict[str, object]]:
    return lambda: {"kind": "folder", "path": str(picture_folder), "loops": 1_000_000, "preload": True}


def test_more_parts_than_can_be_inspected_are_in_time_or_told_at_their_deadline(
    make_config, run: Run, rows: Rows, preloaded
):
    trigger = {"kind": "timer", "rate_hz": 3000, "count": 900}
    summary = run(make_config(trigger=trigger, camera=preloaded(), deadline_ms=100))
    parts = rows(summary)
    shed = [part for part in parts if part.outcome is Outcome.NOT_INSPECTED]
    assert [part.trigger for part in parts] == list(range(1, 901))
    assert summary.status.triggers == summary.status.accounted == 900
    assert 0 < len(shed) < 900
    assert sum("overload" in part.reasons[0] for part in shed) > 0.9 * len(shed)
    inspected = [part for part in parts if part.outcome is not Outcome.NOT_INSPECTED]
    assert all(99 < part.latency_ms < 100 + STALL_MS for part in shed)
    assert median(part.latency_ms for part in shed) < 300
    assert sum(part.latency_ms > 101 for part in inspected) <= 0.02 * len(inspected)


def test_parts_that_come_into_view_are_triggers_and_an_empty_belt_is_none(
    make_config, run: Run, rows: Rows, picture_folder: Path, part_image
):
    belt = picture_folder.parent / "belt"
    belt.mkdir()
    for number in range(24):
        level = 215 if number % 8 in (4, 5, 6) else 90
        cv2.imwrite(str(belt / f"{number:03}.png"), part_image(level, number))
    camera = {"kind": "folder", "path": str(belt)}
    parts = rows(run(make_config(camera=camera, trigger={"kind": "part-detection", "frames": 2})))
    assert [part.source for part in parts] == ["005.png", "013.png", "021.png"]
    assert [part.outcome for part in parts] == [Outcome.PASS] * 3


def test_lot_and_serial_come_with_the_trigger_and_stand_in_the_row(make_config, rows: Rows, preloaded):
    port = free_port()
    config = make_config(camera=preloaded(), trigger={"kind": "http", "port": port})
    stop = threading.Event()
    summaries: list[RunSummary] = []
    thread = threading.Thread(target=lambda: summaries.append(run_station(config, stop)))
    thread.start()
    try:
        for number in range(3):
            _announce(port, {"part_id": f"A-{number}", "lot": "L4", "serial": f"S{number}", "count": number + 1})
        while _rows_written(config) < 3:
            time.sleep(0.02)
    finally:
        stop.set()
        thread.join(30)
    parts = rows(summaries[0])
    assert [part.tag for part in parts] == [PartTag(f"A-{number}", "L4", f"S{number}") for number in range(3)]
    assert all(part.outcome in (Outcome.PASS, Outcome.REJECT) for part in parts)


def _announce(port: int, words: dict[str, object]) -> None:
    """Trigger a part, as soon as the station takes triggers."""
    until_s = time.monotonic() + 30
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("POST", "/trigger", json.dumps(words))
            assert connection.getresponse().read()
        except ConnectionRefusedError:
            assert time.monotonic() < until_s
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
