"""What all industrial cameras share, on a device of no SDK: counting, staleness, settings, triggers, snapshots."""

from __future__ import annotations

import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import CameraLost, ConfigError, FrameLost, FrameStale, StorageFault, TriggerTimeout
from inspector.recipe import Recipe
from inspector.values import Frame
from station.cameras.clock import DeviceClock
from station.cameras.counting import MOST_LOST, SHORT_IDS, FrameCounter, PixelRepeats
from station.cameras.features import agrees, store_snapshot
from station.cameras.notes import CameraNotes
from station.cameras.pixels import pixel_format, to_image
from station.cameras.sdk import choose, require
from station.messages import CameraNote
from tests.station.cameras import FakeDevice, FakeFeatures, delivery, grabbed, opened


def test_each_exposure_that_never_came_is_a_lost_frame_with_its_own_number_before_the_next_picture() -> None:
    with opened(FakeDevice([delivery(7), delivery(11)]), start=20) as camera:
        told = grabbed(camera, 5)
    assert [type(each) for each in told] == [Frame, FrameLost, FrameLost, FrameLost, Frame]
    assert [each.sequence for each in told if isinstance(each, (Frame, FrameLost))] == [20, 21, 22, 23, 24]
    assert str(told[1]) == "camera 'camera-1' lost 3 frames before its frame 11"
    assert (told[0].source, told[4].source) == ("frame 7", "frame 11")


def test_a_frame_delivered_twice_or_after_its_successor_is_no_part() -> None:
    with opened(FakeDevice([delivery(5), delivery(5), delivery(7), delivery(6), delivery(8)])) as camera:
        told = grabbed(camera, 6)
    assert [type(each) for each in told] == [Frame, FrameStale, FrameLost, Frame, FrameStale, Frame]
    assert [each.sequence for each in told if isinstance(each, Frame)] == [0, 2, 3]
    assert "delivered frame 6 after frame 7" in str(told[4])


def test_a_truncated_frame_is_a_part_without_a_picture_and_counts() -> None:
    with opened(FakeDevice([delivery(1), delivery(2, fault="did not arrive whole"), delivery(3)])) as camera:
        told = grabbed(camera, 3)
    assert [type(each) for each in told] == [Frame, FrameLost, Frame]
    assert str(told[1]) == "camera 'camera-1': frame 2 did not arrive whole"


@pytest.mark.parametrize("leap", [MOST_LOST + 2, -5_000])
def test_a_counter_that_leaps_is_a_device_that_began_anew(leap: int) -> None:
    counter = FrameCounter("c")
    counter.step(10_000)
    with pytest.raises(CameraLost, match="frame counter went from 10000"):
        counter.step(10_000 + leap)


def test_short_numbers_begin_again_at_one_without_a_gap() -> None:
    counter = FrameCounter("c", SHORT_IDS)
    assert [counter.step(number) for number in (65534, 65535, 1, 2, 4)] == [0, 0, 0, 0, 1]
    with pytest.raises(FrameStale):
        counter.step(65535)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=50), st.integers(1, SHORT_IDS))
def test_frames_seen_and_frames_missing_make_all_exposures(steps: list[int], first: int) -> None:
    counter = FrameCounter("c", SHORT_IDS)
    counter.step(first)
    numbers = [(first - 1 + sum(steps[: n + 1])) % SHORT_IDS + 1 for n in range(len(steps))]
    assert sum(counter.step(number) + 1 for number in numbers) == sum(steps)


def test_pixels_that_repeat_are_counted_while_the_counter_goes_on() -> None:
    repeats = PixelRepeats()
    still, other = np.zeros((32, 32), np.uint8), np.ones((32, 32), np.uint8)
    assert [repeats.count(image) for image in (still, still, still, other)] == [0, 1, 2, 0]


def test_a_frame_that_comes_late_is_as_old_as_it_is() -> None:
    clock = DeviceClock()
    assert clock.exposed_ns(1_000, 501_000) == 501_000
    assert clock.exposed_ns(2_000, 902_000) == 502_000
    assert clock.exposed_ns(None, 77) == 77


def test_a_device_clock_that_leaps_makes_frames_late_and_never_early_until_it_is_forgotten() -> None:
    clock = DeviceClock()
    clock.exposed_ns(10**9, 10**9)
    ages = [arrived - clock.exposed_ns(arrived - 5 * 10**8, arrived) for arrived in range(2 * 10**9, 70 * 10**9, 10**9)]
    assert ages[0] == 5 * 10**8
    assert ages[-1] == 0


def test_a_device_that_runs_free_and_falls_silent_is_lost() -> None:
    with opened(FakeDevice([delivery(1)])) as camera:
        camera.grab(0.1)
        with pytest.raises(TriggerTimeout):
            camera.grab(0.1)
        time.sleep(0.06)
        with pytest.raises(CameraLost, match=r"delivered nothing for 0\.05 s"):
            camera.grab(0.1)


def test_a_device_that_waits_for_its_trigger_input_may_be_silent() -> None:
    features = FakeFeatures({"TriggerMode": "Off", "TriggerSource": "Line0", "TriggerActivation": "RisingEdge"})
    with opened(FakeDevice(features=features), trigger="line") as camera:
        assert features.values["TriggerMode"] == "On"
        for _ in range(3):
            with pytest.raises(TriggerTimeout):
                camera.grab(0.1)
            time.sleep(0.03)


def test_what_was_exposed_before_a_part_was_there_is_not_its_picture() -> None:
    device = FakeDevice([delivery(1), delivery(2)])
    with opened(device) as camera:
        camera.expose()
        device.waiting = [delivery(9)]
        frame = camera.grab(0.1)
    assert frame.source == "frame 9"


def test_a_picture_exposed_before_its_software_trigger_is_stale() -> None:
    features = FakeFeatures({"TriggerMode": "Off", "TriggerSource": "Line0"})
    device = FakeDevice([], features)
    with opened(device, trigger="software") as camera:
        for number in (1, 2):
            camera.expose()
            device.waiting = [delivery(number, time.monotonic_ns())]
            camera.grab(0.1)
        camera.expose()
        device.waiting = [delivery(3, time.monotonic_ns() - 10**9), delivery(4, time.monotonic_ns())]
        told = grabbed(camera, 2)
    assert [type(each) for each in told] == [FrameStale, Frame]
    assert device.triggers == 3


def test_a_trigger_whose_picture_never_came_opens_a_camera_without_time_stamps_again() -> None:
    features = FakeFeatures({"TriggerMode": "Off", "TriggerSource": "Line0"})
    with opened(FakeDevice([], features), trigger="software") as camera:
        camera.expose()
        with pytest.raises(CameraLost, match="never came"):
            camera.expose()


def test_every_setting_that_a_device_does_not_take_is_named_with_asked_and_given() -> None:
    features = FakeFeatures({"Width": 640, "ExposureTimeAbs": 100.0, "GainAuto": "On"}, frozenset({"Width"}))
    device = FakeDevice(features=features)
    with pytest.raises(ConfigError) as fault:
        opened(device, width_px=800, exposure_us=101.0, gain_db=3.0, features={"Gamma": 1.5}).__enter__()
    told = str(fault.value)
    assert "width_px (Width): 800 was asked for, the device gives 640 (it is fixed)" in told
    assert "gain_db (Gain): 3 was asked for, the device has no such feature" in told
    assert "Gamma: 1.5 was asked for, the device has no such feature" in told
    assert "exposure" not in told
    assert features.values["GainAuto"] == "Off"
    assert device.closed


def test_differences_may_be_a_warning_and_are_then_told() -> None:
    features = FakeFeatures({"Width": 640}, frozenset({"Width"}))
    with opened(FakeDevice([delivery(1)], features), width_px=800, on_difference="warn") as camera:
        assert [difference.given for difference in camera.differences()] == [640]
        assert camera.grab(0.1).sequence == 0


@pytest.mark.parametrize(
    ("asked", "given", "same"),
    [(100.0, 101, True), (100.0, 105.0, False), (0, 0.5, False), ("On", "on", True), (True, 1, True), (1, None, False)],
)
def test_numbers_agree_within_their_tolerance_and_words_exactly(asked, given, same: bool) -> None:
    assert agrees(asked, given, 0.02) is same


def test_the_features_of_an_opening_are_stored_and_held_against_the_recipe(tmp_path: Path) -> None:
    notes: list[CameraNote] = []
    recipe = Recipe(cameras={"camera-1": {"ExposureTime": 5000.0, "Gamma": 1.0}})
    features = FakeFeatures({"ExposureTime": 9000.0, "Gamma": 1.0})
    with opened(FakeDevice(features=features)) as camera:
        settings = camera._settings
        CameraNotes(settings, recipe, tmp_path, notes.append).opened(camera)
        CameraNotes(settings, recipe, tmp_path, notes.append).opened(camera)
    assert [(note.kind, note.warning) for note in notes[:2]] == [("camera opened", False), ("camera differs", True)]
    assert "the recipe wants: ExposureTime: 5000 was asked for, the device gives 9000" in notes[1].message
    (stored,) = tmp_path.iterdir()
    assert stored.name in notes[0].message
    assert json.loads(stored.read_text())["features"] == {"ExposureTime": 9000.0, "Gamma": 1.0}


def test_a_snapshot_that_cannot_be_written_is_a_fault_of_the_storage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFault):
        store_snapshot(tmp_path / "file", "camera-1", {})


def test_stale_frames_are_told_at_once_and_then_at_most_every_ten_seconds(tmp_path: Path) -> None:
    notes: list[CameraNote] = []
    camera = CameraNotes(opened(FakeDevice())._settings, Recipe(), tmp_path, notes.append)
    for now_s in (0.0, 1.0, 9.0, 11.0):
        camera.stale("again", now_s)
    assert [note.message for note in notes] == ["again (1 since the start)", "again (4 since the start)"]


def test_pixels_become_grey_or_bgr_of_eight_bits() -> None:
    grey = np.arange(12, dtype=np.uint8)
    assert (to_image(grey, 4, 3, pixel_format("Mono8", "c")) == grey.reshape(3, 4)).all()
    deep = (grey.astype("<u2") << 4).view(np.uint8)
    assert (to_image(deep, 4, 3, pixel_format("Mono12", "c")) == grey.reshape(3, 4)).all()
    red = np.tile(np.array([255, 0, 0], np.uint8), 6)
    assert to_image(red, 3, 2, pixel_format("RGB8", "c"))[0, 0].tolist() == [0, 0, 255]
    padded = np.arange(20, dtype=np.uint8)
    assert to_image(padded, 4, 4, pixel_format("Mono8", "c"), stride=5)[1].tolist() == [5, 6, 7, 8]


def test_a_red_scene_is_red_through_every_bayer_pattern() -> None:
    for name, row, column in (("RG", 0, 0), ("GR", 0, 1), ("GB", 1, 0), ("BG", 1, 1)):
        mosaic = np.zeros((8, 8), np.uint8)
        mosaic[row::2, column::2] = 200
        picture = to_image(mosaic.ravel(), 8, 8, pixel_format(f"Bayer{name}8", "c"))
        blue, _, red = cv2.mean(picture[2:6, 2:6])[:3]
        assert red > 150 > 10 > blue, name


def test_fewer_bytes_than_a_picture_has_are_refused_and_unknown_formats_named() -> None:
    with pytest.raises(ValueError, match="11 bytes are no 4x3 px"):
        to_image(np.zeros(11, np.uint8), 4, 3, pixel_format("Mono8", "c"))
    with pytest.raises(ConfigError, match="Mono12p is not understood; expected one of BGR8"):
        pixel_format("Mono12p", "c")


def test_a_device_is_chosen_by_any_of_its_names_and_never_guessed() -> None:
    found = [("1", "left"), ("2", "right")]
    assert choose("c", "right", found) == 1
    assert choose("c", None, found[:1]) == 0
    with pytest.raises(ConfigError, match="2 are there, name one of 1, 2"):
        choose("c", None, found)
    with pytest.raises(CameraLost, match="'3' is not there; found: 1, 2"):
        choose("c", "3", found)


def test_a_missing_sdk_says_how_to_get_it() -> None:
    with pytest.raises(ConfigError, match=r"needs no_such_sdk, which is not installed .*: buy it"):
        require("no_such_sdk", "fake", "buy it")
