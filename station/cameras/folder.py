"""A folder of pictures as a camera: in name order, paced or as fast as they are wanted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field

from inspector.errors import CameraEnded, CameraLost, ConfigError, FrameLost, UnreadableImage
from inspector.preprocess import read_image
from inspector.values import Frame, Image
from station.cameras.base import CameraSettings, Pace

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})


class FolderSettings(CameraSettings):
    """`kind = "folder"`."""

    path: Path = Field(description="folder of JPEG, PNG, BMP or TIFF pictures")
    names: Path | None = Field(default=None, description="text file, one picture a line; unset: all, in name order")
    pace_hz: float = Field(default=0.0, ge=0, le=10_000, description="pictures per second; 0: as fast as wanted")
    loops: int = Field(default=1, ge=1, le=1_000_000, description="how many times the folder is shown")
    preload: bool = Field(default=False, description="decode every picture first and serve them from memory")


class FolderCamera:
    """Serves each picture once per loop; `Frame.source` is its name below the folder.

    A picture that cannot be decoded is an exposure without a picture (FrameLost): the part gets its verdict.
    """

    Settings: ClassVar[type[FolderSettings]] = FolderSettings
    live = False

    def __init__(self, settings: FolderSettings, start: int = 0) -> None:
        self._settings = settings
        self._next = start
        self._names: tuple[str, ...] = ()
        self._loaded: dict[str, Image] = {}
        self._pace = Pace(settings.pace_hz)

    def __enter__(self) -> Self:
        self._names = picture_names(self._settings)
        if self._settings.preload:
            self._loaded = {name: read_image(self._settings.path / name) for name in self._names}
        return self

    def __exit__(self, *exc: object) -> None:
        self._loaded = {}

    def grab(self, timeout_s: float) -> Frame:
        if self._next >= len(self._names) * self._settings.loops:
            raise CameraEnded(f"camera {self._settings.name!r}: all {len(self._names)} pictures shown")
        self._pace.wait(timeout_s)
        sequence, self._next = self._next, self._next + 1
        name = self._names[sequence % len(self._names)]
        return Frame(self._image(name, sequence), self._settings.name, sequence, datetime.now(UTC), name)

    def _image(self, name: str, sequence: int) -> Image:
        if name in self._loaded:
            return self._loaded[name]
        if not self._settings.path.is_dir():
            self._next = sequence
            raise CameraLost(f"camera {self._settings.name!r}: folder {self._settings.path} is gone")
        try:
            return read_image(self._settings.path / name)
        except UnreadableImage as error:
            raise FrameLost(str(error), sequence, name) from error


def picture_names(settings: FolderSettings) -> tuple[str, ...]:
    """Return the pictures' names in the order shown; raise ConfigError for a missing or empty folder."""
    if not settings.path.is_dir():
        raise ConfigError(f"camera {settings.name!r}: path: no folder {settings.path}")
    if settings.names is not None:
        return _listed(settings.names)
    names = sorted(path.name for path in settings.path.iterdir() if path.suffix.lower() in SUFFIXES)
    if not names:
        raise ConfigError(
            f"camera {settings.name!r}: path: no picture in {settings.path}; expected JPEG, PNG, BMP or TIFF"
        )
    return tuple(names)


def _listed(names: Path) -> tuple[str, ...]:
    try:
        listed = tuple(line.strip() for line in names.read_text().splitlines() if line.strip())
    except OSError as error:
        raise ConfigError(f"{names}: cannot be read ({error.strerror})") from error
    if not listed:
        raise ConfigError(f"{names}: names no picture; expected one a line")
    return listed
