from __future__ import annotations

from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from inspector.quality import QualityLimits, assess
from inspector.values import Frame, Image


def frame(image: Image, repeats: int = 0) -> Frame:
    return Frame(image, "camera-1", 0, datetime.now(UTC), "", repeats)


def textured(level: int = 128, shape: tuple[int, ...] = (400, 600, 3)) -> Image:
    return np.clip(level + np.random.default_rng(0).normal(0, 10, shape), 0, 255).astype(np.uint8)


def test_a_textured_frame_of_middle_brightness_is_usable() -> None:
    quality = assess(frame(textured()), QualityLimits())
    assert quality.usable
    assert quality.faults == ()
    assert quality.brightness == pytest.approx(128, abs=1)


@pytest.mark.parametrize(
    ("image", "limits", "expected"),
    [
        (textured(), {"width_px": 640}, "size 600x400, expected 640x400"),
        (textured(), {"height_px": 480}, "size 600x400, expected 600x480"),
        (np.full((400, 600, 3), 128, np.uint8), {}, "focus 0.0 below 1"),
        (textured(40), {"min_brightness": 60}, " below 60"),
        (textured(200), {"max_brightness": 180}, " above 180"),
        (textured(0), {"max_dark_share": 0.1, "min_brightness": 0}, "above 0.1"),
        (textured(255), {"max_saturated_share": 0.1, "max_brightness": 255}, "above 0.1"),
    ],
    ids=["width", "height", "focus", "too dark", "too bright", "dark share", "saturated share"],
)
def test_each_limit_names_itself_alone(image: Image, limits: dict[str, float], expected: str) -> None:
    faults = assess(frame(image), QualityLimits(**limits)).faults  # type: ignore[arg-type]
    assert len(faults) == 1
    assert expected in faults[0]


def test_a_frozen_live_camera_is_noticed_after_the_repeats_allowed() -> None:
    limits = QualityLimits(max_repeats=2)
    assert assess(frame(textured(), repeats=2), limits).usable
    assert assess(frame(textured(), repeats=3), limits).faults == ("frozen: 4 identical frames",)


def test_every_broken_limit_is_named() -> None:
    faults = assess(frame(np.zeros((50, 60), np.uint8), repeats=9), QualityLimits(width_px=64)).faults
    assert [fault.split()[0] for fault in faults] == ["size", "brightness", "dark", "focus", "frozen:"]


def test_blur_lowers_the_focus() -> None:
    sharp = textured()
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 3), np.uint8)
    assert assess(frame(soft), QualityLimits()).focus < 0.1 * assess(frame(sharp), QualityLimits()).focus


def test_focus_is_the_variance_of_the_laplacian() -> None:
    image = textured(shape=(100, 120, 3))
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    assert assess(frame(image), QualityLimits()).focus == pytest.approx(float(cv2.Laplacian(grey, cv2.CV_64F).var()))


def test_shares_count_the_pixels_at_the_ends() -> None:
    image = textured()
    image[:100] = 0
    image[100:300] = 255
    quality = assess(frame(image), QualityLimits())
    assert quality.dark_share == pytest.approx(0.25)
    assert quality.saturated_share == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 1), (3, 5, 3), (1, 5000), (384, 384, 3)])
def test_a_frame_of_any_size_is_measured(shape: tuple[int, ...]) -> None:
    assert np.isfinite(assess(frame(textured(shape=shape)), QualityLimits()).focus)


def test_grey_in_any_layout_has_the_same_figures() -> None:
    grey = textured(shape=(200, 300))
    flat = assess(frame(grey), QualityLimits())
    assert assess(frame(grey[:, :, None]), QualityLimits()) == flat
    assert assess(frame(np.repeat(grey[:, :, None], 3, axis=2)), QualityLimits()) == flat
