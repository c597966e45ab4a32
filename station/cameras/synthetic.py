"""Rendered machined parts as a camera: endless test material of known truth, with faults on order."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar, Self

import cv2
import numpy as np
from pydantic import Field

from inspector.errors import CameraEnded, CameraLost, FrameLost, TriggerTimeout, UserError
from inspector.values import Frame, Image
from station.cameras.base import CameraSettings, Pace
from station.demo.plan import DEFAULT_DEFECT_SHARE, truth_label
from station.demo.render import render
from station.demo.surface import build_plant

_SOURCE = re.compile(r"synthetic/(\d+)/(\d+(?:\.\d+)?(?:e-\d+)?)/(\d+)")
_NEVER: int | None = None


class SyntheticSettings(CameraSettings):
    """`kind = "synthetic"`. Faults are named by the number of the frame that they befall; unset: none."""

    count: int = Field(default=600, ge=1, le=100_000_000, description="parts until the camera ends")
    pace_hz: float = Field(default=0.0, ge=0, le=10_000, description="parts per second; 0: as fast as wanted")
    seed: int = Field(default=2024, ge=0, lt=2**31, description="another seed is another line of parts")
    defect_share: float = Field(default=DEFAULT_DEFECT_SHARE, ge=0, le=1, description="share of defective parts")
    drift: float = Field(default=1.0, ge=0, le=3, description="how far the light wanders; 0: steady")
    live: bool = Field(default=False, description="claim to be a sensor, so that a frozen picture is noticed")
    lose_at: int | None = Field(default=_NEVER, ge=1, description="CameraLost before this frame, until opened again")
    miss_at: int | None = Field(default=_NEVER, ge=0, description="one TriggerTimeout before this frame")
    corrupt_at: int | None = Field(default=_NEVER, ge=0, description="this frame is exposed, its picture is lost")
    hang_at: int | None = Field(default=_NEVER, ge=0, description="grab does not return for hang_s before this frame")
    hang_s: float = Field(default=3600.0, gt=0, le=86_400, description="how long a hanging grab hangs")
    dark_at: int | None = Field(default=_NEVER, ge=0, description="this frame is nearly black, as with the lamp off")
    blur_at: int | None = Field(default=_NEVER, ge=0, description="this frame is out of focus")
    freeze_at: int | None = Field(default=_NEVER, ge=1, description="from this frame on, the one before is repeated")


class SyntheticCamera:
    """Renders part after part. `Frame.source` names the part, so that its truth can be asked for afterwards.

    The truth is not in the name, nor anywhere else where a network could see it: `truth_of` draws it again.
    """

    Settings: ClassVar[type[SyntheticSettings]] = SyntheticSettings

    def __init__(self, settings: SyntheticSettings, start: int = 0) -> None:
        self.live = settings.live
        self._settings = settings
        self._start = start
        self._next = start
        self._missed = False
        self._closed = threading.Event()
        self._pace = Pace(settings.pace_hz)

    def __enter__(self) -> Self:
        build_plant(self._settings.seed)
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed.set()

    def grab(self, timeout_s: float) -> Frame:
        settings, sequence = self._settings, self._next
        if sequence >= settings.count:
            raise CameraEnded(f"camera {settings.name!r}: all {settings.count} parts shown")
        self._befall(sequence)
        self._pace.wait(timeout_s)
        self._next += 1
        source = source_of(settings.seed, settings.defect_share, sequence)
        if sequence == settings.corrupt_at:
            raise FrameLost(f"camera {settings.name!r}: frame {sequence} arrived truncated", sequence, source)
        frame = Frame(self._picture(sequence), settings.name, sequence, datetime.now(UTC), source)
        return replace(frame, repeats=self._repeats(sequence))

    def _befall(self, sequence: int) -> None:
        """Suffer the faults that come before a frame."""
        settings = self._settings
        if sequence == settings.lose_at and sequence != self._start:
            raise CameraLost(f"camera {settings.name!r}: lost before frame {sequence}")
        if sequence == settings.hang_at:
            self._closed.wait(settings.hang_s)
        if sequence == settings.miss_at and not self._missed:
            self._missed = True
            raise TriggerTimeout(f"camera {settings.name!r}: frame {sequence} is late")

    def _picture(self, sequence: int) -> Image:
        settings = self._settings
        shown = sequence if settings.freeze_at is None else min(sequence, settings.freeze_at - 1)
        image = render(settings.seed, shown, settings.defect_share, settings.drift).image
        if sequence == settings.dark_at:
            return np.asarray(image // 32, np.uint8)
        if sequence == settings.blur_at:
            return np.asarray(cv2.GaussianBlur(image, (0, 0), 12), np.uint8)
        return image

    def _repeats(self, sequence: int) -> int:
        freeze_at = self._settings.freeze_at
        return max(0, sequence - freeze_at + 1) if self.live and freeze_at is not None else 0


def source_of(seed: int, defect_share: float, index: int) -> str:
    """Name a part: what its truth depends on, and nothing that tells it."""
    return f"synthetic/{seed}/{float(defect_share)!r}/{index}"


def truth_of(source: str) -> str:
    """Return the true label of the part that a synthetic camera called `source`; raise UserError for other names."""
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise UserError(f"source {source!r}: no part of a synthetic camera; expected synthetic/SEED/SHARE/INDEX")
    return truth_label(int(match[1]), int(match[3]), float(match[2]))
