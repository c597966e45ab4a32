"""`inspector station check`: every fault of a configuration at once, before the line depends on it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from db.engine import name_of, open_any_version, open_engine, storage_errors
from db.forward import plant_url
from db.receiving import require_terms
from inspector.ahead import build_ahead
from inspector.bundle import load_bundle
from inspector.certificate import require_certified, standing
from inspector.errors import ConfigError, InspectorError
from inspector.inspection import Inspector
from station.access import read_token
from station.cameras import camera_factory
from station.cameras.base import CameraSettings
from station.cameras.notes import unmet
from station.config import StationConfig
from station.health.port import listen
from station.health.settings import HealthSettings
from station.measuring import standing_of
from station.outputs import act_outputs, make_teller, tell_settings
from station.outputs.base import About
from station.trust import require_trusted

logger = logging.getLogger(__name__)

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
    for name, choice in config.recipes.items():
        if name != config.recipe.name:
            yield f"recipe {name}", partial(_check_bundle, config.on(choice.bundle, choice.recipe))
    for camera in config.cameras:
        yield "camera" if len(config.cameras) == 1 else camera.name, partial(_check_camera, config, camera)
    yield "folder", lambda: _check_folder(config.station.folder)
    yield "database", lambda: _check_database(config)
    yield "outputs", lambda: _check_outputs(config)
    if config.health is not None:
        health = config.health
        yield "health", lambda: _check_health(health)
    if config.plant is not None:
        plant = config.plant.database
        yield "plant", lambda: _check_plant(plant)


def _check_bundle(config: StationConfig) -> str:
    bundle = load_bundle(config.station.bundle)
    require_trusted(bundle, config)
    build_ahead(bundle, config.recipe, config.post, logger.info)
    inspector = Inspector(bundle, config.recipe, post=config.post)
    n = inspector.self_test()
    how = inspector.describe()
    if inspector.recipe.require_certificate:
        require_certified(inspector.bundle, inspector.recipe)
    measured = standing_of(config, inspector.bundle)
    limits = standing(inspector.bundle, inspector.recipe)
    runs = f"{how['runtime']} {how['precision']}, runtimes {measured}"
    return f"{inspector.bundle.id[:16]}, {n} golden samples as recorded, {runs}; {limits}"


def _check_camera(config: StationConfig, settings: CameraSettings) -> str:
    with camera_factory(settings.kind)(settings) as camera:
        if told := "; ".join(unmet(config.recipe.cameras.get(settings.name, {}), camera)):
            raise ConfigError(f"camera {settings.name!r}: {told}")
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


def _check_outputs(config: StationConfig) -> str:
    """Make each output without opening it: its files are read, its peer is not asked."""
    act_outputs(config.outputs)
    for settings in tell_settings(config.outputs):
        make_teller(settings, About(config.station.name, config.recipe.name, ""))
    return ", ".join(f"{each.called} ({each.nature})" for each in config.outputs)


def _check_health(settings: HealthSettings) -> str:
    guarded = "with a token" if read_token(settings.token_file) else "without a token"
    with listen(settings) as listening:
        host, port = listening.getsockname()[:2]
    return f"can listen at {host}:{port}, {guarded}"


def _check_plant(url: str) -> str:
    engine = open_any_version(plant_url(url))
    try:
        with storage_errors(engine.url), engine.connect() as connection:
            require_terms(connection)
        return f"{name_of(engine.url)} takes rows of this station"
    finally:
        engine.dispose()
