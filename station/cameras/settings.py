"""The block of an industrial camera, and how it becomes features of a device: by which names, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from station.cameras.base import CameraSettings
from station.cameras.features import Difference, Features, Value, put


class DeviceSettings(CameraSettings):
    """What a block of any industrial camera may say. What is unset stays as the device has it."""

    device: str | None = Field(
        default=None, min_length=1, description="serial number, user-given name or address; unset: the only one there"
    )
    width_px: int | None = Field(default=None, ge=1, le=65535, description="asked for, and read back")
    height_px: int | None = Field(default=None, ge=1, le=65535, description="asked for, and read back")
    offset_x_px: int | None = Field(default=None, ge=0, le=65535, description="asked for, and read back")
    offset_y_px: int | None = Field(default=None, ge=0, le=65535, description="asked for, and read back")
    pixel_format: str | None = Field(default=None, min_length=1, description="such as Mono8, BayerRG8, RGB8")
    exposure_us: float | None = Field(default=None, gt=0, le=1e8, description="automatic exposure is switched off")
    gain_db: float | None = Field(default=None, ge=-60, le=60, description="automatic gain is switched off")
    fps: float | None = Field(default=None, gt=0, le=100_000, description="frames per second, while running free")
    trigger: Literal["free", "software", "line"] = Field(
        default="free", description="free: exposes by itself; software: when asked; line: on its trigger input"
    )
    trigger_source: str = Field(default="Line1", min_length=1, description="input that triggers, for trigger = line")
    trigger_activation: str = Field(default="RisingEdge", min_length=1, description="edge that triggers")
    features: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="any other feature by the device's own name, set in this order"
    )
    on_difference: Literal["refuse", "warn"] = Field(
        default="refuse", description="a setting that the device does not take: no start, or a warning"
    )
    tolerance: float = Field(
        default=0.02, ge=0, le=1, description="share that numbers read back may differ by: devices round to their steps"
    )
    buffers: int = Field(default=8, ge=2, le=1000, description="frames that may wait; beyond, frames are lost, counted")


@dataclass(frozen=True, slots=True)
class Setting:
    """A field of the block, the names that devices give its feature (the first there counts), and what comes before."""

    field: str
    features: tuple[str, ...]
    before: tuple[tuple[str, Value], ...] = ()
    """Set first where the device has it; what it then says is its own affair."""


_SETTINGS = (
    Setting("pixel_format", ("PixelFormat",)),
    Setting("width_px", ("Width",), (("OffsetX", 0),)),
    Setting("height_px", ("Height",), (("OffsetY", 0),)),
    Setting("offset_x_px", ("OffsetX",)),
    Setting("offset_y_px", ("OffsetY",)),
    Setting("exposure_us", ("ExposureTime", "ExposureTimeAbs"), (("ExposureAuto", "Off"),)),
    Setting("gain_db", ("Gain",), (("GainAuto", "Off"),)),
    Setting("fps", ("AcquisitionFrameRate", "AcquisitionFrameRateAbs"), (("AcquisitionFrameRateEnable", True),)),
)


def apply(settings: DeviceSettings, features: Features) -> tuple[Difference, ...]:
    """Set what the block wants, read each back, and return all that the device does not have now."""
    return tuple(difference for difference in _apply(settings, features) if difference is not None)


def _apply(settings: DeviceSettings, features: Features) -> Iterator[Difference | None]:
    for setting in _SETTINGS:
        value = getattr(settings, setting.field)
        if value is None:
            continue
        for name, first in setting.before:
            if features.read(name) is not None:
                put(features, name, first, 0.0)
        yield put(features, _present(features, setting.features), value, settings.tolerance, setting.field)
    for name, value in (*_trigger(settings, features), *settings.features.items()):
        yield put(features, name, value, settings.tolerance)


def _present(features: Features, names: tuple[str, ...]) -> str:
    return next((name for name in names if features.read(name) is not None), names[0])


def _trigger(settings: DeviceSettings, features: Features) -> Iterator[tuple[str, Value]]:
    """Return the trigger's features; a device that cannot be triggered runs free as it is."""
    if features.read("TriggerMode") is None and settings.trigger == "free":
        return
    if features.read("TriggerSelector") is not None:
        yield "TriggerSelector", "FrameStart"
    if settings.trigger == "free":
        yield "TriggerMode", "Off"
        return
    yield "TriggerMode", "On"
    if settings.trigger == "software":
        yield "TriggerSource", "Software"
        return
    yield "TriggerSource", settings.trigger_source
    yield "TriggerActivation", settings.trigger_activation
