"""Cameras by kind. A missing SDK fails when that camera is asked for, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from inspector.documents import parse
from inspector.errors import ConfigError
from inspector.plugins import load_plugin
from station.cameras.base import Camera, CameraSettings

CAMERAS = {
    "folder": "station.cameras.folder:FolderCamera",
    "genicam": "station.cameras.genicam:CAMERAS",
    "gige": "station.cameras.gige:CAMERAS",
    "opencv": "station.cameras.opencv:OpenCvCamera",
    "pylon": "station.cameras.pylon:CAMERAS",
    "synthetic": "station.cameras.synthetic:SyntheticCamera",
}


class CameraFactory(Protocol):
    """A camera class, or what makes cameras of one SDK: settings model and constructor. See `Camera` for `start`."""

    @property
    def Settings(self) -> type[CameraSettings]: ...  # noqa: N802 - a model, and the name that plug-ins give it

    def __call__(self, settings: Any, start: int = 0) -> Camera: ...


def camera_factory(kind: str) -> CameraFactory:
    """Return the camera class of `kind`; raise UnknownPlugin."""
    factory: CameraFactory = load_plugin("inspector.cameras", kind, CAMERAS)
    return factory


def camera_settings(block: Mapping[str, Any], source: str) -> CameraSettings:
    """Validate a camera block with the settings of its kind; raise ConfigError naming `source` and every field."""
    kind = parse(f"{source}: camera", {"kind": block.get("kind")}, CameraSettings, ConfigError).kind
    return parse(f"{source}: camera", dict(block), camera_factory(kind).Settings, ConfigError)
