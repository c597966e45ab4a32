"""kill -9 of either process at random moments: the whole campaign of fifty is `python -m benchmarks.faults`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.faults import figures, kill_campaign


@pytest.mark.parametrize(("cameras", "kills"), [(1, 8), (2, 4)])
def test_station_killed_at_random_moments_has_one_row_per_picture(
    tmp_path: Path, bundle_path: Path, cameras: int, kills: int
):
    campaign = kill_campaign(tmp_path, bundle_path, kills=kills, seed=7, cameras=cameras)
    counted = figures(campaign)
    assert campaign.kills.total() >= kills
    assert counted["rows"] == counted["pictures"]
    for name in ("pictures_without_a_row", "pictures_with_two_rows", "open_rows", "images_missing_or_wrong"):
        assert counted[name] == 0, counted
    for name in ("views_of_another_picture", "view_images_missing_or_wrong", "passed_without_every_view"):
        assert counted[name] == 0, counted
    assert counted["rows_without_reason"] == 0
    assert counted["images_stored"] > 0


def test_vision_process_that_hangs_does_not_outlive_a_killed_line_process(
    tmp_path: Path, bundle_path: Path, picture_folder: Path
):
    config = tmp_path / "station.toml"
    config.write_text(
        f'[station]\nname = "hang"\nfolder = "station"\nbundle = "{bundle_path}"\n'
        f'[camera]\nkind = "folder"\npath = "{picture_folder}"\npace_hz = 20\nloops = 1000\n'
    )
    line = subprocess.Popen([sys.executable, "-m", "inspector.cli", "station", "run", str(config)])
    vision = vision_at_work(line, tmp_path / "station" / "images")
    vision.send_signal(signal.SIGSTOP)
    os.kill(line.pid, signal.SIGKILL)
    line.wait()
    try:
        vision.wait(5)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            vision.kill()
    assert not vision.is_running()


def vision_at_work(line: subprocess.Popen[bytes], images: Path) -> psutil.Process:
    """Return the vision process once it has stored an image."""
    deadline_s = time.monotonic() + 60
    while not images.is_dir() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return next(child for child in psutil.Process(line.pid).children() if "spawn_main" in " ".join(child.cmdline()))
