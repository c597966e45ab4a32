"""`inspector station check`: every fault of a configuration at once, before the line depends on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from db.engine import open_engine
from inspector.bundle import load_bundle
from inspector.certificate import require_certified, standing
from inspector.errors import ConfigError, InspectorError
from inspector.inspection import Inspector
from station.cameras import camera_factory
from station.cameras.base import CameraSettings
from station.config import StationConfig

Report = Callable[[str], None]


def check_station(config: StationConfig, report: Report) -> list[str]:
    """Try everything that a run needs, tell `report` what is well, and return all faults."""
    faults: list[str] = []
    for name, check in _checks(config):
        try:
            report(f"ok   {name}: {check()}")
        except InspectorError as error:
            faults.append(f"{name}: {error}")
    return faults


def _checks(config: StationConfig) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "bundle", lambda: _check_bundle(config)
    for camera in config.cameras:
        yield "camera" if len(config.cameras) == 1 else camera.name, partial(_check_camera, camera)
    yield "folder", lambda: _check_folder(config.station.folder)
    yield "database", lambda: _check_database(config)


def _check_bundle(config: StationConfig) -> str:
    inspector = Inspector(load_bundle(config.station.bundle), config.recipe)
    n = inspector.self_test()
    how = inspector.describe()
    if inspector.recipe.require_certificate:
        require_certified(inspector.bundle, inspector.recipe)
    limits = standing(inspector.bundle, inspector.recipe)
    return f"{inspector.bundle.id[:16]}, {n} golden samples as recorded, {how['runtime']} {how['precision']}; {limits}"


def _check_camera(settings: CameraSettings) -> str:
    with camera_factory(settings.kind)(settings) as camera:
        frame = camera.grab(settings.grab_timeout_s)
    rows, columns = frame.image.shape[:2]
    return f"{settings.name} ({settings.kind}) gives {columns}x{rows} px"


def _check_folder(folder: Path) -> str:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ConfigError(f"{existing}: cannot be written")
    space = os.statvfs(existing)
    free_gb = space.f_bavail * space.f_frsize / 1e9
    return f"{folder}, {free_gb:.1f} GB free"


def _check_database(config: StationConfig) -> str:
    if config.station.database is None and not (config.station.folder / "ledger.sqlite").exists():
        return "will be made at the first run"
    open_engine(config.database_url).dispose()
    return f"{config.database_url}, schema as expected"
