"""The synthetic camera keeps the Camera contract, and its truth can be had again from a source name."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from inspector.errors import CameraEnded, CameraLost, FrameLost, TriggerTimeout, UserError
from station.cameras import camera_factory, camera_settings
from station.cameras.synthetic import SyntheticCamera, SyntheticSettings, source_of, truth_of
from station.demo.plan import plan_part

SEED = 11


def settings(**fields: object) -> SyntheticSettings:
    return SyntheticSettings.model_validate({"kind": "synthetic", "seed": SEED, "count": 4} | fields)


def test_is_found_by_its_kind() -> None:
    block = camera_settings({"kind": "synthetic", "count": 3}, "station.toml")
    assert isinstance(block, SyntheticSettings)
    assert camera_factory("synthetic") is SyntheticCamera


def test_counts_its_frames_and_then_has_ended() -> None:
    with SyntheticCamera(settings()) as camera:
        frames = [camera.grab(1.0) for _ in range(4)]
        with pytest.raises(CameraEnded, match="all 4 parts shown"):
            camera.grab(1.0)
    assert [frame.sequence for frame in frames] == [0, 1, 2, 3]
    assert all(frame.image.shape == (1024, 1280, 3) and frame.image.dtype == np.uint8 for frame in frames)
    assert all(frame.captured_at.tzinfo is not None and frame.repeats == 0 for frame in frames)


def test_start_resumes_with_that_very_part() -> None:
    with SyntheticCamera(settings()) as camera, SyntheticCamera(settings(), start=2) as resumed:
        third = [camera.grab(1.0) for _ in range(3)][2]
        first = resumed.grab(1.0)
    assert first.sequence == third.sequence == 2
    assert first.source == third.source
    assert np.array_equal(first.image, third.image)


@pytest.mark.parametrize("share", [0.12, 0.5, 1e-05, 1.0, 0.123456789])
def test_truth_is_had_again_from_the_source(share: float) -> None:
    truths = [truth_of(source_of(SEED, share, index)) for index in range(60)]
    assert truths == [plan_part(SEED, index, share).label for index in range(60)]


def test_source_of_a_frame_does_not_tell_its_truth() -> None:
    assert source_of(SEED, 0.12, 3) == f"synthetic/{SEED}/0.12/3"


@pytest.mark.parametrize("source", ["", "images/3.jpg", "synthetic/1/2", "synthetic/1/0.1/x"])
def test_truth_of_another_source_is_refused(source: str) -> None:
    with pytest.raises(UserError, match="expected synthetic/SEED/SHARE/INDEX"):
        truth_of(source)


def test_lost_camera_is_there_again_when_opened_anew() -> None:
    with SyntheticCamera(settings(lose_at=1)) as camera:
        camera.grab(1.0)
        with pytest.raises(CameraLost, match="before frame 1"):
            camera.grab(1.0)
    with SyntheticCamera(settings(lose_at=1), start=1) as camera:
        assert camera.grab(1.0).sequence == 1


def test_late_frame_comes_at_the_next_call() -> None:
    with SyntheticCamera(settings(miss_at=0)) as camera:
        with pytest.raises(TriggerTimeout):
            camera.grab(1.0)
        assert camera.grab(1.0).sequence == 0


def test_paced_frame_not_yet_due_is_a_timeout() -> None:
    with SyntheticCamera(settings(pace_hz=0.1)) as camera:
        camera.grab(1.0)
        with pytest.raises(TriggerTimeout):
            camera.grab(0.01)


def test_corrupt_frame_is_an_exposure_without_a_picture() -> None:
    with SyntheticCamera(settings(corrupt_at=1)) as camera:
        camera.grab(1.0)
        with pytest.raises(FrameLost) as lost:
            camera.grab(1.0)
        assert (lost.value.sequence, lost.value.source) == (1, source_of(SEED, 0.12, 1))
        assert camera.grab(1.0).sequence == 2


def test_dark_and_blurred_frames_look_so() -> None:
    with SyntheticCamera(settings(dark_at=1, blur_at=2)) as camera:
        sound, dark, blurred = (camera.grab(1.0).image for _ in range(3))
    assert dark.mean() < sound.mean() / 20
    assert _sharpness(blurred) < _sharpness(sound) / 4


def test_frozen_camera_repeats_its_picture_and_a_live_one_counts_it() -> None:
    with SyntheticCamera(settings(freeze_at=2, live=True)) as camera:
        frames = [camera.grab(1.0) for _ in range(4)]
    assert camera.live
    assert [frame.repeats for frame in frames] == [0, 0, 1, 2]
    same = [np.array_equal(a.image, b.image) for a, b in itertools.pairwise(frames)]
    assert same == [False, True, True]


def test_hanging_grab_comes_back_after_its_time() -> None:
    with SyntheticCamera(settings(hang_at=0, hang_s=0.05)) as camera:
        assert camera.grab(0.01).sequence == 0


@pytest.mark.parametrize("wrong", [{"count": 0}, {"seed": -1}, {"defect_share": 1.5}, {"drift": 9}, {"unknown": 1}])
def test_settings_out_of_bounds_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def _sharpness(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
    return float(np.abs(np.diff(image.astype(np.int16), axis=1)).mean())
