"""Cameras folder and opencv, each on the real thing: files on disk and a video that OpenCV wrote."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.errors import CameraEnded, CameraLost, ConfigError, FrameLost, TriggerTimeout, UnknownPlugin
from station.cameras import camera_factory, camera_settings
from station.cameras.folder import FolderCamera, FolderSettings
from station.cameras.opencv import OpenCvCamera, OpenCvSettings


def test_folder_shows_pictures_in_name_order_and_ends(picture_folder: Path):
    with FolderCamera(FolderSettings(kind="folder", path=picture_folder)) as camera:
        names = [camera.grab(1.0).source for _ in range(12)]
        with pytest.raises(CameraEnded, match="all 12 pictures shown"):
            camera.grab(1.0)
    assert names == sorted(names)


def test_folder_started_at_n_goes_on_with_the_nth_picture(picture_folder: Path):
    with FolderCamera(FolderSettings(kind="folder", path=picture_folder), start=5) as camera:
        frame = camera.grab(1.0)
    assert (frame.sequence, frame.source) == (5, "part-005.png")


def test_folder_paced_slower_than_the_timeout_says_so_and_exposes_later(picture_folder: Path):
    with FolderCamera(FolderSettings(kind="folder", path=picture_folder, pace_hz=5)) as camera:
        camera.grab(1.0)
        with pytest.raises(TriggerTimeout):
            camera.grab(0.01)
        assert camera.grab(1.0).sequence == 1


def test_folder_picture_that_cannot_be_decoded_is_an_exposure_without_a_picture(picture_folder: Path):
    (picture_folder / "part-000.png").write_bytes(b"no picture")
    with FolderCamera(FolderSettings(kind="folder", path=picture_folder)) as camera:
        with pytest.raises(FrameLost) as lost:
            camera.grab(1.0)
        assert (lost.value.sequence, lost.value.source) == (0, "part-000.png")
        assert camera.grab(1.0).sequence == 1


def test_empty_folder_is_refused_by_name(tmp_path: Path):
    with pytest.raises(ConfigError, match="no picture in"), FolderCamera(FolderSettings(kind="folder", path=tmp_path)):
        pass


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (128, 96))
    for number in range(10):
        writer.write(np.full((96, 128, 3), 20 * number, np.uint8))
    writer.release()
    return path


def test_video_file_gives_each_frame_once_and_ends(video: Path):
    with OpenCvCamera(OpenCvSettings(kind="opencv", source=str(video))) as camera:
        levels = [camera.grab(1.0).image.mean() for _ in range(10)]
        with pytest.raises(CameraEnded):
            camera.grab(1.0)
    assert levels == pytest.approx([20 * number for number in range(10)], abs=2)


def test_video_file_started_at_n_skips_what_was_seen(video: Path):
    with OpenCvCamera(OpenCvSettings(kind="opencv", source=str(video)), start=7) as camera:
        frame = camera.grab(1.0)
    assert frame.sequence == 7
    assert frame.image.mean() == pytest.approx(140, abs=2)


def test_device_that_is_not_there_is_lost_and_named():
    with pytest.raises(CameraLost, match=r"cannot open 'nowhere\.avi'"):
        OpenCvCamera(OpenCvSettings(kind="opencv", source="nowhere.avi")).__enter__()


def test_setting_that_the_source_does_not_take_is_a_fault_not_a_surprise(video: Path):
    with pytest.raises(ConfigError, match=r"width_px \(FRAME_WIDTH\): 4000 was asked for, the device gives 128"):
        OpenCvCamera(OpenCvSettings(kind="opencv", source=str(video), width_px=4000)).__enter__()


def test_unknown_camera_names_the_known_ones():
    with pytest.raises(UnknownPlugin, match="folder, genicam, gige, opencv, pylon, synthetic"):
        camera_factory("periscope")


def test_camera_block_names_every_wrong_field():
    with pytest.raises(ConfigError) as fault:
        camera_settings({"kind": "folder", "pace_hz": -1, "shutter": 3}, "station.toml")
    for words in ("station.toml: camera", "path: missing", "pace_hz", "shutter: unknown field"):
        assert words in str(fault.value)
