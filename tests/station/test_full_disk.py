"""A disk that fills up in mid-run: nothing is lost, nothing is passed for it, and the line goes on."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from db.engine import open_engine
from db.images import ImageStore
from db.queries import events
from inspector.errors import UserError
from station.running import RunSummary, run_station


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 24 MB; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            return filler


def test_full_disk_loses_no_part_and_the_line_goes_on(make_config, rows, small_disk: Path, tmp_path: Path, part_image):
    pictures = tmp_path / "many"
    pictures.mkdir()
    for number in range(240):
        cv2.imwrite(str(pictures / f"{number:03}.bmp"), part_image(215 if number % 2 else 40, number))
    camera = {"kind": "folder", "path": str(pictures), "pace_hz": 60}
    config = make_config(camera=camera, folder=str(small_disk / "station"), deadline_ms=300, keep_images="all")
    summaries: list[RunSummary] = []
    thread = threading.Thread(target=lambda: summaries.append(run_station(config, threading.Event())))
    thread.start()
    while not (small_disk / "station" / "images").is_dir():
        time.sleep(0.02)
    filler = fill(small_disk)
    time.sleep(1.5)
    filler.unlink()
    thread.join(60)
    parts = rows(summaries[0])
    assert [part.sequence for part in parts] == list(range(240))
    assert all(part.outcome is not None for part in parts)
    engine = open_engine(config.database_url)
    with engine.connect() as connection:
        messages = [event.message for event in events(connection, 1000)]
    engine.dispose()
    reasons = [reason for part in parts for reason in part.reasons]
    assert any("No space left" in text or "not durable" in text for text in (*messages, *reasons)), messages
    stored = [part.image_sha256 for part in parts if part.image_sha256]
    assert all(hashlib.sha256(ImageStore(config.images).read(sha256)).hexdigest() == sha256 for sha256 in stored)
    assert 0 < len(stored) < 240


def test_disk_that_is_full_from_the_start_is_one_clear_line(make_config, small_disk: Path):
    config = make_config(folder=str(small_disk / "station"))
    fill(small_disk)
    with pytest.raises(UserError) as caught:
        run_station(config, threading.Event())
    assert "\n" not in str(caught.value)
    assert "full" in str(caught.value) or "No space" in str(caught.value)
