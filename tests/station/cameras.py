"""A device of no SDK, for tests of what all industrial cameras share, and real peers started for a test."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from inspector.errors import CameraError, CameraLost, ConfigError
from inspector.values import Frame
from station.cameras.base import Camera
from station.cameras.device import Delivery, DeviceCamera
from station.cameras.features import Value
from station.cameras.settings import DeviceSettings

FAKE_GIGE = "arv-fake-gv-camera-0.8"


class FakeFeatures:
    """Features in memory: those in `fixed` never change, others take what they are given."""

    def __init__(self, values: dict[str, Value], fixed: frozenset[str] = frozenset()) -> None:
        self.values = values
        self.written: list[str] = []
        self._fixed = fixed

    def names(self) -> Sequence[str]:
        return tuple(self.values)

    def read(self, name: str) -> Value | None:
        return self.values.get(name)

    def write(self, name: str, value: Value) -> None:
        self.written.append(name)
        if name not in self.values:
            raise ConfigError("there is none")
        if name in self._fixed:
            raise ConfigError("it is fixed")
        self.values[name] = value


class FakeDevice:
    """Delivers what it was given, in order; then nothing. `lost` lets the next fetch find the device gone."""

    def __init__(self, deliveries: Sequence[Delivery] = (), features: FakeFeatures | None = None) -> None:
        self.features = features or FakeFeatures({})
        self.largest_id: int | None = None
        self.waiting = list(deliveries)
        self.triggers = 0
        self.on_trigger: Callable[[], None] = lambda: None
        self.closed = False
        self.lost = False

    def start(self) -> None:
        self.started = True

    def trigger(self) -> None:
        self.triggers += 1
        self.on_trigger()

    def fetch(self, timeout_s: float) -> Delivery | None:
        if self.lost:
            raise CameraLost("unplugged")
        return self.waiting.pop(0) if self.waiting else None

    def close(self) -> None:
        self.closed = True


def delivery(frame_id: int | None, device_ns: int | None = None, fault: str = "") -> Delivery:
    level = 0 if frame_id is None else frame_id % 250
    return Delivery(frame_id, device_ns, None if fault else np.full((8, 8), level, np.uint8), fault)


def opened(device: FakeDevice, start: int = 0, **fields: object) -> DeviceCamera:
    settings = DeviceSettings.model_validate({"kind": "fake", "grab_timeout_s": 0.05, **fields})
    return DeviceCamera(settings, lambda _: device, start)


def grabbed(camera: Camera, count: int, timeout_s: float = 2.0) -> list[Frame | CameraError]:
    """Grab so often, or until the camera is lost, and return frames and errors in the order in which they came."""
    told: list[Frame | CameraError] = []
    for _ in range(count):
        try:
            told.append(camera.grab(timeout_s))
        except CameraError as error:
            told.append(error)
            if isinstance(error, CameraLost):
                break
    return told


@contextmanager
def fake_gige(serial: str = "T1", lost_packets_per_thousand: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """Run Aravis' fake GigE Vision camera on loopback."""
    words = [FAKE_GIGE, "-i", "127.0.0.1", "-s", serial, "-r", str(lost_packets_per_thousand)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        yield process
    finally:
        process.kill()
        process.wait()
