"""GigE Vision cameras through Aravis, by GObject introspection: no vendor SDK."""

from __future__ import annotations

import threading
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

HOW = (
    "apt-get install gir1.2-aravis-0.8 libgirepository1.0-dev libcairo2-dev pkg-config gcc, "
    "then pip install 'open-inspector[gige]'"
)
_US = 1_000_000


class GigeSettings(DeviceSettings):
    """`kind = "gige"`. An address as `device` is asked directly; a serial number is looked for on every network."""


class GigeDevice:
    """One GigE Vision camera. Its stream has `buffers` buffers; while all are full, frames are lost, and counted."""

    largest_id: int | None = SHORT_IDS

    def __init__(self, settings: GigeSettings, aravis: Any, glib: Any) -> None:
        self._settings = settings
        self._aravis = aravis
        self._glib = glib
        self._lost = threading.Event()
        self._layout: PixelFormat | None = None
        self._stream: Any = None
        with self._vendor_errors():
            self._camera = aravis.Camera.new(_address(settings, aravis))
            self._device = self._camera.get_device()
        self._device.connect("control-lost", lambda *_: self._lost.set())
        self.features: Features = AravisFeatures(settings.name, self._device, aravis, glib)

    def start(self) -> None:
        self._layout = pixel_format(str(self.features.read("PixelFormat")), self._settings.name)
        with self._vendor_errors():
            self._stream = self._camera.create_stream(None, None)
            size = self._camera.get_payload()
            for _ in range(self._settings.buffers):
                self._stream.push_buffer(self._aravis.Buffer.new_allocate(size))
            self._camera.start_acquisition()
        if self.features.read("GevGVSPExtendedIDMode") == "On":
            self.largest_id = None

    def trigger(self) -> None:
        with self._vendor_errors():
            self._camera.software_trigger()

    def fetch(self, timeout_s: float) -> Delivery | None:
        if self._lost.is_set():
            raise CameraLost(f"camera {self._settings.name!r}: it no longer answers, or another program controls it")
        buffer = self._stream.timeout_pop_buffer(int(timeout_s * _US))
        if buffer is None:
            return None
        try:
            return self._delivery(buffer)
        finally:
            self._stream.push_buffer(buffer)

    def close(self) -> None:
        if not self._lost.is_set():
            with suppress(self._glib.Error):
                self._camera.stop_acquisition()
        self._stream = self._camera = self._device = None

    def _delivery(self, buffer: Any) -> Delivery:
        status = buffer.get_status()
        frame_id, device_ns = buffer.get_frame_id(), buffer.get_timestamp() or None
        if status != self._aravis.BufferStatus.SUCCESS:
            return Delivery(frame_id, device_ns, None, f"did not arrive whole: {status.value_nick}")
        try:
            return Delivery(frame_id, device_ns, self._image(buffer))
        except ValueError as error:
            return Delivery(frame_id, device_ns, None, f"did not arrive whole: {error}")

    def _image(self, buffer: Any) -> Image:
        if self._layout is None:
            raise CameraLost(f"camera {self._settings.name!r}: not started")
        pixels = np.frombuffer(buffer.get_data(), np.uint8)
        return to_image(pixels, buffer.get_image_width(), buffer.get_image_height(), self._layout)

    @contextmanager
    def _vendor_errors(self) -> Iterator[None]:
        try:
            yield
        except self._glib.Error as error:
            raise CameraLost(f"camera {self._settings.name!r}: {error.message}") from error


class AravisFeatures:
    """The feature tree of a GigE Vision camera."""

    def __init__(self, camera: str, device: Any, aravis: Any, glib: Any) -> None:
        self._camera = camera
        self._device = device
        self._aravis = aravis
        self._glib = glib
        self._tree = device.get_genicam()

    def names(self) -> Sequence[str]:
        return tuple(dict.fromkeys(self._below("Root")))

    def _below(self, name: str) -> Iterator[str]:
        node = self._tree.get_node(name)
        if isinstance(node, self._aravis.GcCategory):
            for feature in node.get_features():
                yield from self._below(feature)
        elif node is not None:
            yield name

    def read(self, name: str) -> Value | None:
        node = self._tree.get_node(name)
        kind = self._kind(node)
        if kind == "":
            return None
        try:
            if not node.is_available():
                return None
            value: Value = getattr(self._device, f"get_{kind}_feature_value")(name)
        except self._glib.Error as error:
            if self._device_is_gone(error):
                raise CameraLost(f"camera {self._camera!r}: {error.message}") from error
            return None
        return value

    def write(self, name: str, value: Value) -> None:
        node = self._tree.get_node(name)
        kind = self._kind(node)
        if kind == "":
            raise ConfigError("there is none")
        try:
            getattr(self._device, f"set_{kind}_feature_value")(name, _KINDS[kind](value))
        except self._glib.Error as error:
            if self._device_is_gone(error):
                raise CameraLost(f"camera {self._camera!r}: {error.message}") from error
            raise ConfigError(error.message) from error
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(str(error)) from error

    def _kind(self, node: Any) -> str:
        """Return how Aravis calls the kind of a feature; empty for what has no value: commands, categories, none."""
        aravis = self._aravis
        kinds = (
            (aravis.GcEnumeration, "string"),
            (aravis.GcBoolean, "boolean"),
            (aravis.GcString, "string"),
            (aravis.GcFloat, "float"),
            (aravis.GcInteger, "integer"),
        )
        if isinstance(node, aravis.GcCommand):
            return ""
        return next((kind for interface, kind in kinds if isinstance(node, interface)), "")

    def _device_is_gone(self, error: Any) -> bool:
        return bool(error.matches(self._aravis.device_error_quark(), self._aravis.DeviceError.TIMEOUT))


_KINDS = {"string": str, "boolean": bool, "float": float, "integer": int}


def _address(settings: GigeSettings, aravis: Any) -> str | None:
    """Return what Aravis opens: an address is asked directly; other names are looked for on every network."""
    if settings.device is not None and settings.device.count(".") == 3:
        return settings.device
    aravis.update_device_list()
    found = [tuple(filter(None, (ask(number) for ask in _asks(aravis)))) for number in range(aravis.get_n_devices())]
    return str(aravis.get_device_id(choose(settings.name, settings.device, found)))


def _asks(aravis: Any) -> tuple[Any, ...]:
    return aravis.get_device_serial_nbr, aravis.get_device_address, aravis.get_device_id


def connect(settings: DeviceSettings) -> GigeDevice:
    gi = require("gi", "gige", HOW)
    try:
        gi.require_version("Aravis", "0.8")
    except ValueError as error:
        raise ConfigError(f"camera kind 'gige' needs Aravis 0.8 ({error}): {HOW}") from error
    repository = require("gi.repository.Aravis", "gige", HOW), require("gi.repository.GLib", "gige", HOW)
    return GigeDevice(GigeSettings.model_validate(settings.model_dump()), *repository)


CAMERAS = DeviceCameras(GigeSettings, connect)
