"""A part that comes into view is told once."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.preprocess import Roi
from inspector.values import Image
from station.detection import PartDetectionSettings, PartDetector


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def frame(part_at: int | None, seed: int = 0, light: float = 0.0) -> Image:
    """A dark belt (240, 320, 3) with noise; a bright part of 100 px width from column `part_at` on."""
    image = np.random.default_rng(seed).normal(60 + light, 6, (240, 320, 3))
    if part_at is not None:
        image[40:200, max(0, part_at) : max(0, part_at + 100)] += 120
    return np.clip(image, 0, 255).astype(np.uint8)


def seen(detector: PartDetector, clock: Clock, frames: list[Image], period_s: float = 0.02) -> list[int]:
    told = []
    for number, image in enumerate(frames):
        clock.now_s += period_s
        if detector.comes(image):
            told.append(number)
    return told


def passing(parts: int, gap: int = 12) -> list[Image]:
    """Parts that cross the view one after the other."""
    empty = [frame(None, seed) for seed in range(gap)]
    crossing = [frame(at, at + 80) for at in range(-80, 320, 20)]
    return empty + parts * (crossing + empty)


def test_each_part_that_crosses_the_view_is_told_once(clock: Clock) -> None:
    detector = PartDetector(PartDetectionSettings(kind="part-detection", share=0.1), clock)
    assert len(seen(detector, clock, passing(5))) == 5


def test_part_is_told_when_it_is_in_the_zone(clock: Clock) -> None:
    zone = Roi(x=140, y=40, width=60, height=160)
    detector = PartDetector(PartDetectionSettings(kind="part-detection", share=0.6, zone=zone), clock)
    (told,) = seen(detector, clock, passing(1))
    assert -80 + 20 * (told - 12) + 100 >= 176


def test_noise_and_light_that_wanders_are_no_part(clock: Clock) -> None:
    detector = PartDetector(PartDetectionSettings(kind="part-detection"), clock)
    assert seen(detector, clock, [frame(None, n, light=0.3 * n) for n in range(200)]) == []


def test_single_frame_that_flashes_is_no_part(clock: Clock) -> None:
    detector = PartDetector(PartDetectionSettings(kind="part-detection"), clock)
    frames = [frame(None, 1), frame(100, 2), frame(None, 3), frame(None, 4), frame(100, 5), frame(None, 6)]
    assert seen(detector, clock, frames) == []


def test_part_that_wobbles_within_the_debounce_time_is_one_part(clock: Clock) -> None:
    settings = PartDetectionSettings(kind="part-detection", frames=1, debounce_ms=500)
    frames = [frame(None, 0), frame(100, 1), frame(None, 2), frame(100, 3), frame(None, 4)]
    assert seen(PartDetector(settings, clock), clock, frames) == [1]


def test_what_stays_becomes_the_background_and_the_next_part_is_told(clock: Clock) -> None:
    detector = PartDetector(PartDetectionSettings(kind="part-detection", occupied_s=1), clock)
    left_lying = [frame(None, 0)] + [frame(0, n) for n in range(80)]
    assert len(seen(detector, clock, left_lying)) == 1
    both = [np.maximum(frame(0, n), frame(200, n)) for n in range(10)]
    assert len(seen(detector, clock, both)) == 1
