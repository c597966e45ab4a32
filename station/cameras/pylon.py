"""Basler cameras through pypylon. With PYLON_CAMEMU=N in the environment, N emulated ones are there too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from inspector.errors import CameraLost, ConfigError
from inspector.values import Image
from station.cameras.counting import SHORT_IDS
from station.cameras.device import Delivery, DeviceCameras
from station.cameras.features import Features, Value
from station.cameras.pixels import PixelFormat, pixel_format, to_image
from station.cameras.sdk import choose, require
from station.cameras.settings import DeviceSettings

_TRIGGER_READY_MS = 1000
_NO_COUNT = 2**64 - 1
"""What pylon calls the block number of a device that has none."""


class PylonSettings(DeviceSettings):
    """`kind = "pylon"`."""


class PylonDevice:
    """One Basler camera. The newest `buffers` frames wait; older ones are dropped, and their numbers are missing."""

    largest_id: int | None = None

    def __init__(self, settings: PylonSettings, pylon: Any, genicam: Any) -> None:
        self._settings = settings
        self._pylon = pylon
        self._genicam = genicam
        self._layout: PixelFormat | None = None
        self._tick_ns = 1.0
        with self._vendor_errors():
            factory = pylon.TlFactory.GetInstance()
            devices = factory.EnumerateDevices()
            which = choose(settings.name, settings.device, [_names(device) for device in devices])
            self._camera = pylon.InstantCamera(factory.CreateDevice(devices[which]))
            self._gige = devices[which].GetDeviceClass() == "BaslerGigE"
            self._camera.Open()
        self.features: Features = PylonFeatures(settings.name, self._camera.GetNodeMap(), genicam)

    def start(self) -> None:
        with self._vendor_errors():
            self._layout = pixel_format(str(self.features.read("PixelFormat")), self._settings.name)
            if self._gige:
                extended = self.features.read("GevGVSPExtendedIDMode")
                self.largest_id = None if extended == "On" else SHORT_IDS
                frequency = self.features.read("GevTimestampTickFrequency")
                self._tick_ns = 1e9 / float(frequency) if frequency else 1.0
            self._camera.MaxNumBuffer.Value = self._settings.buffers + 4
            self._camera.OutputQueueSize.Value = self._settings.buffers
            self._camera.StartGrabbing(self._pylon.GrabStrategy_LatestImages)

    def trigger(self) -> None:
        with self._vendor_errors():
            self._camera.WaitForFrameTriggerReady(_TRIGGER_READY_MS, self._pylon.TimeoutHandling_Return)
            self._camera.TriggerSoftware.Execute()

    def fetch(self, timeout_s: float) -> Delivery | None:
        with self._vendor_errors():
            grabbed = self._camera.RetrieveResult(int(timeout_s * 1000), self._pylon.TimeoutHandling_Return)
            if self._camera.IsCameraDeviceRemoved():
                raise CameraLost(f"camera {self._settings.name!r}: the device was removed")
            if not grabbed.IsValid():
                return None
            with grabbed:
                return self._delivery(grabbed)

    def close(self) -> None:
        with suppress(self._genicam.GenericException):
            self._camera.Close()
        with suppress(self._genicam.GenericException):
            self._camera.DetachDevice()

    def _delivery(self, grabbed: Any) -> Delivery:
        block = grabbed.BlockID
        frame_id = None if block == _NO_COUNT else int(block)
        device_ns = int(grabbed.TimeStamp * self._tick_ns) or None
        if not grabbed.GrabSucceeded():
            return Delivery(frame_id, device_ns, None, f"did not arrive whole: {grabbed.ErrorDescription}".rstrip("."))
        try:
            return Delivery(frame_id, device_ns, self._image(grabbed))
        except ValueError as error:
            return Delivery(frame_id, device_ns, None, f"did not arrive whole: {error}")

    def _image(self, grabbed: Any) -> Image:
        if self._layout is None:
            raise CameraLost(f"camera {self._settings.name!r}: not started")
        _, stride = grabbed.GetStride()
        pixels = np.frombuffer(grabbed.GetBuffer(), np.uint8)
        return to_image(pixels, grabbed.Width, grabbed.Height, self._layout, stride)

    @contextmanager
    def _vendor_errors(self) -> Iterator[None]:
        try:
            yield
        except self._genicam.GenericException as error:
            raise CameraLost(f"camera {self._settings.name!r}: {_words(error)}") from error


class PylonFeatures:
    """The node map of a Basler camera."""

    def __init__(self, camera: str, nodes: Any, genicam: Any) -> None:
        self._camera = camera
        self._nodes = nodes
        self._genicam = genicam

    def names(self) -> Sequence[str]:
        with self._lost():
            nodes = [node.GetNode() for node in self._nodes.GetNodes()]
            return [node.GetName() for node in nodes if node.IsFeature()]

    def read(self, name: str) -> Value | None:
        node = self._node(name)
        try:
            value: Value | None = node.Value if self._genicam.IsReadable(node) else None
        except (self._genicam.GenericException, AttributeError):  # A category has no value.
            return None
        return value if isinstance(value, (bool, int, float, str)) else None

    def write(self, name: str, value: Value) -> None:
        node = self._node(name)
        try:
            if not self._genicam.IsWritable(node):
                raise ConfigError("it cannot be written")
            node.Value = value
        except self._genicam.GenericException as error:
            raise ConfigError(_words(error)) from error
        except TypeError as error:
            raise ConfigError(f"{type(value).__name__} is not its kind of value") from error

    def _node(self, name: str) -> Any:
        with self._lost():
            return self._nodes.GetNode(name)

    @contextmanager
    def _lost(self) -> Iterator[None]:
        try:
            yield
        except self._genicam.GenericException as error:
            raise CameraLost(f"camera {self._camera!r}: {_words(error)}") from error


def _names(device: Any) -> tuple[str, ...]:
    names = [device.GetSerialNumber(), device.GetUserDefinedName(), device.GetFullName()]
    if device.IsIpAddressAvailable():
        names.append(device.GetIpAddress())
    return tuple(name for name in names if name)


def _words(error: Exception) -> str:
    """Return what a device says, without the place in its source."""
    return str(error).partition(" : ")[0].splitlines()[0].strip().rstrip(".")


def connect(settings: DeviceSettings) -> PylonDevice:
    how = "pip install 'open-inspector[pylon]'"
    pylon, genicam = require("pypylon.pylon", "pylon", how), require("pypylon.genicam", "pylon", how)
    return PylonDevice(PylonSettings.model_validate(settings.model_dump()), pylon, genicam)


CAMERAS = DeviceCameras(PylonSettings, connect)
