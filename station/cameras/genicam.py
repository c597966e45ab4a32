"""Any camera whose maker gives a GenTL producer (a .cti file), through harvesters."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from pydantic import Field

from inspector.errors import CameraLost, ConfigError
from inspector.values import Image
from station.cameras.counting import SHORT_IDS
from station.cameras.device import Delivery, DeviceCameras
from station.cameras.features import Features, Value
from station.cameras.pixels import pixel_format, to_image
from station.cameras.sdk import choose, require
from station.cameras.settings import DeviceSettings

_SEARCH_PATH = "GENICAM_GENTL64_PATH"
_SLICE_S = 0.05
"""harvesters measures its waits on the wall clock, which may be set back; its waits are kept short, ours are not."""


class GenicamSettings(DeviceSettings):
    """`kind = "genicam"`."""

    producer: Path | None = Field(
        default=None, description="GenTL producer, a .cti file; unset: all that GENICAM_GENTL64_PATH lists"
    )


@dataclass(frozen=True, slots=True)
class Sdk:
    """The three modules in use, imported when a camera is asked for."""

    core: ModuleType
    genapi: ModuleType
    gentl: ModuleType

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        return self.genapi.GenericException, self.gentl.GenericException


class GenicamDevice:
    """One camera behind a GenTL producer. harvesters drops what arrives incomplete: its number is missing."""

    largest_id: int | None = None

    def __init__(self, settings: GenicamSettings, sdk: Sdk) -> None:
        self._settings = settings
        self._sdk = sdk
        self._acquirer: Any = None
        self._harvester = sdk.core.Harvester()
        try:
            with self._vendor_errors():
                self._acquirer = self._open(producers(settings))
                nodes = self._acquirer.remote_device.node_map
        except BaseException:
            self.close()
            raise
        self.features: Features = GenicamFeatures(settings.name, nodes, sdk)

    def _open(self, files: Sequence[Path]) -> Any:
        for file in files:
            self._harvester.add_file(str(file))
        self._harvester.update()
        devices = self._harvester.device_info_list
        which = choose(self._settings.name, self._settings.device, [_names(device, self._sdk) for device in devices])
        self._short_ids = devices[which].tl_type == "GEV"
        return self._harvester.create(which)

    def start(self) -> None:
        with self._vendor_errors():
            if self._short_ids and self.features.read("GevGVSPExtendedIDMode") != "On":
                self.largest_id = SHORT_IDS
            self._acquirer.num_buffers = max(self._settings.buffers, self._acquirer.min_num_buffers)
            self._acquirer.start()

    def trigger(self) -> None:
        with self._vendor_errors():
            self._acquirer.remote_device.node_map.TriggerSoftware.execute()

    def fetch(self, timeout_s: float) -> Delivery | None:
        until_s = time.monotonic() + timeout_s
        while True:
            left_s = until_s - time.monotonic()
            with self._vendor_errors():
                buffer = self._acquirer.try_fetch(timeout=min(_SLICE_S, max(left_s, 0.001)))
                if buffer is not None:
                    with buffer:
                        return self._delivery(buffer)
            if left_s <= 0:
                return None

    def close(self) -> None:
        with suppress(*self._sdk.errors):
            if self._acquirer is not None:
                self._acquirer.destroy()
        with suppress(*self._sdk.errors):
            self._harvester.reset()

    def _delivery(self, buffer: Any) -> Delivery:
        frame_id, device_ns = self._number(buffer), self._stamp(buffer)
        try:
            return Delivery(frame_id, device_ns, self._image(buffer))
        except ValueError as error:
            return Delivery(frame_id, device_ns, None, f"did not arrive whole: {error}")

    def _number(self, buffer: Any) -> int | None:
        try:
            return int(buffer.module.frame_id)
        except self._sdk.gentl.NotAvailableException:
            return None

    def _stamp(self, buffer: Any) -> int | None:
        try:
            return int(buffer.module.timestamp_ns) or None
        except self._sdk.gentl.GenericException:  # Many producers have no such thing, each says so in its own way.
            return None

    def _image(self, buffer: Any) -> Image:
        pictures = buffer.payload.components
        if not pictures:
            raise ValueError("no picture in it")
        picture = pictures[0]
        layout = pixel_format(picture.data_format, self._settings.name)
        pixels = np.ascontiguousarray(picture.data).view(np.uint8).ravel()
        return to_image(pixels, picture.width, picture.height, layout)

    @contextmanager
    def _vendor_errors(self) -> Iterator[None]:
        try:
            yield
        except self._sdk.errors as error:
            raise CameraLost(f"camera {self._settings.name!r}: {_words(error)}") from error


class GenicamFeatures:
    """The node map of a camera behind a GenTL producer."""

    def __init__(self, camera: str, nodes: Any, sdk: Sdk) -> None:
        self._camera = camera
        self._nodes = nodes
        self._sdk = sdk

    def names(self) -> Sequence[str]:
        return [
            node.node.name
            for node in self._nodes.nodes
            if node.node.visibility != self._sdk.genapi.EVisibility.Invisible
        ]

    def read(self, name: str) -> Value | None:
        if not self._nodes.has_node(name):
            return None
        try:
            value = getattr(self._nodes.get_node(name), "value", None)
        except self._sdk.errors:  # Not readable now.
            return None
        return value if isinstance(value, (bool, int, float, str)) else None

    def write(self, name: str, value: Value) -> None:
        if not self._nodes.has_node(name):
            raise ConfigError("there is none")
        try:
            self._nodes.get_node(name).value = value
        except self._sdk.errors as error:
            raise ConfigError(_words(error)) from error
        except TypeError as error:
            raise ConfigError(f"{type(value).__name__} is not its kind of value") from error


def producers(settings: GenicamSettings) -> tuple[Path, ...]:
    """Return the producers' files; raise ConfigError where there is none."""
    if settings.producer is not None:
        if not settings.producer.is_file():
            raise ConfigError(f"camera {settings.name!r}: producer: no file {settings.producer}")
        return (settings.producer,)
    folders = [Path(folder) for folder in os.environ.get(_SEARCH_PATH, "").split(os.pathsep) if folder]
    found = tuple(file for folder in folders for file in sorted(folder.glob("*.cti")))
    if not found:
        raise ConfigError(
            f"camera {settings.name!r}: producer: unset, and {_SEARCH_PATH} lists no .cti file; "
            "install the producer of the camera's maker, and name its .cti file"
        )
    return found


def _names(device: Any, sdk: Sdk) -> tuple[str, ...]:
    """Return the names that a producer knows for a device; it may know only some."""
    names = []
    for field in ("serial_number", "user_defined_name", "id_"):
        with suppress(sdk.gentl.NotAvailableException):
            names.append(getattr(device, field))
    return tuple(str(name) for name in names if name)


def _words(error: Exception) -> str:
    return str(error).partition(" : ")[0].splitlines()[0].strip().rstrip(".") or type(error).__name__


def connect(settings: DeviceSettings) -> GenicamDevice:
    how = "pip install 'open-inspector[genicam]'"
    sdk = Sdk(*(require(module, "genicam", how) for module in ("harvesters.core", "genicam.genapi", "genicam.gentl")))
    return GenicamDevice(GenicamSettings.model_validate(settings.model_dump()), sdk)


CAMERAS = DeviceCameras(GenicamSettings, connect)
