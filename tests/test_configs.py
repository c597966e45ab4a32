"""The example configurations are documentation: they load, they name every field, and they tell the truth."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from db.retention import RetentionPolicy
from inspector.drift import DriftSettings
from inspector.gate_settings import GateSettings
from inspector.preprocess import Roi
from inspector.quality import QualityLimits
from inspector.recipe import Recipe, load_recipe
from inspector.release.settings import ReleaseSettings, ReleaseStation, ShadowSettings, WatchSettings
from inspector.rules import Rule
from inspector.runtimes import RuntimeSettings
from inspector.shifts import ShiftSettings
from inspector.verdict import Policy
from station.cameras import CAMERAS, camera_factory
from station.config import (
    PlantSettings,
    RecipeBlock,
    RetentionBlock,
    SelfTestSettings,
    StationBlock,
    load_station_config,
    station_config,
)
from station.health.settings import HealthSettings
from station.outputs import OUTPUTS, output_factory
from station.triggers import BY_CAMERA, TRIGGERS, trigger_settings
from station.triggers.base import TriggerSettings

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
RECIPE = CONFIGS / "recipe.example.toml"
STATION = CONFIGS / "station.example.toml"
CHOSEN = {
    "shadow",
    "watch",
    "station",
    "database",
    "name",
    "folder",
    "bundle",
    "path",
    "source",
    "roi",
    "kind",
    "rules",
    "host",
    "topic",
    "url",
    "node",
}
"""Fields whose example is a choice and not the default."""


def blocks(path: Path) -> list[str]:
    """Return the file as it stands, then each block behind `#:`."""
    text = path.read_text()
    return [
        text,
        *re.split(r"(?=^\[)", "".join(re.findall(r"^#: ?(.*\n)", text, re.MULTILINE)), flags=re.MULTILINE)[1:],
    ]


def uncommented(text: str) -> str:
    """Return a block with the optional fields in force."""
    return re.sub(r"^# (?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE)


def shown(table: str) -> dict[str, dict[str, Any]]:
    """Return the example's tables of one name (camera, trigger, output) by kind, the optional fields in force."""
    found = [tomllib.loads(uncommented(block)).get(table) for block in blocks(STATION)]
    tables = [each[0] if isinstance(each, list) else each for each in found if each is not None]
    return {each["kind"]: each for each in tables}


def test_the_examples_load_as_they_stand() -> None:
    assert load_recipe(RECIPE) == Recipe(name="flange-12")
    assert load_station_config(STATION).camera.kind == "synthetic"


def test_every_camera_of_the_product_has_its_block() -> None:
    assert set(shown("camera")) == set(CAMERAS)


def test_every_output_of_the_product_has_its_block() -> None:
    assert set(shown("output")) == set(OUTPUTS)


def test_every_trigger_of_the_product_has_its_block_and_loads() -> None:
    assert set(shown("trigger")) == {*TRIGGERS, *BY_CAMERA}
    assert {trigger_settings(block, "example").kind for block in shown("trigger").values()} == set(shown("trigger"))


@pytest.mark.parametrize("kind", CAMERAS)
def test_the_station_example_loads_with_every_optional_field_and_each_camera(kind: str) -> None:
    content = tomllib.loads(uncommented(STATION.read_text()))
    content["camera"] = shown("camera")[kind]
    config = station_config(content, "example", CONFIGS)
    assert config.recipe.name == "flange-12"
    assert config.camera.kind == kind


def test_the_station_example_loads_with_all_its_outputs_at_once() -> None:
    content = tomllib.loads(uncommented(STATION.read_text()))
    content["output"] = list(shown("output").values())
    assert [output.kind for output in station_config(content, "example", CONFIGS).outputs] == list(shown("output"))


def tables() -> list[tuple[type[BaseModel], dict[str, Any]]]:
    station = tomllib.loads(uncommented(STATION.read_text()))
    recipe = tomllib.loads(uncommented(RECIPE.read_text()))
    return [
        (StationBlock, station["station"]),
        (TriggerSettings, station["trigger"]),
        *[(type(trigger_settings(table, "example")), table) for table in shown("trigger").values()],
        (PlantSettings, station["plant"]),
        (RetentionBlock, station["retention"]),
        (SelfTestSettings, station["self_test"]),
        (RecipeBlock, station["recipe"][0]),
        (ShiftSettings, station["shifts"]),
        (HealthSettings, station["health"]),
        *[(output_factory(kind).Settings, table) for kind, table in shown("output").items()],
        *[(camera_factory(kind).Settings, table) for kind, table in shown("camera").items()],
        (RetentionPolicy, tomllib.loads(uncommented((CONFIGS / "retention.example.toml").read_text()))),
        *release_tables(),
        (Recipe, recipe),
        (QualityLimits, recipe["quality"]),
        (RuntimeSettings, recipe["runtime"]),
        (DriftSettings, recipe["drift"]),
        (GateSettings, recipe["gate"]),
        (Policy, recipe["policy"]),
        (Roi, recipe["roi"]),
        (Rule, recipe["rules"][0]),
    ]


def release_tables() -> list[tuple[type[BaseModel], dict[str, Any]]]:
    release = tomllib.loads((CONFIGS / "release.example.toml").read_text())
    return [
        (ReleaseSettings, release),
        (ShadowSettings, release["shadow"]),
        (WatchSettings, release["watch"]),
        (ReleaseStation, release["station"][0]),
    ]


@pytest.mark.parametrize(("model", "table"), tables(), ids=lambda value: getattr(value, "__name__", ""))
def test_every_field_is_shown_and_what_is_written_out_is_the_default(
    model: type[BaseModel], table: dict[str, Any]
) -> None:
    assert set(table) == set(model.model_fields)
    for name, field in model.model_fields.items():
        optional = field.default is None or field.default is PydanticUndefined
        if not optional and name not in CHOSEN and model is not Policy:
            assert table[name] == field.default, f"{model.__name__}.{name}"


def test_every_training_recipe_of_the_repository_loads() -> None:
    """Those of classify lie in configs/training itself, those of another task in a folder of its name."""
    command = pytest.importorskip("training.train_command", reason="the training extra")
    paths = sorted((CONFIGS / "training").rglob("*.toml"))
    assert paths
    for path in paths:
        task = path.parent.name if path.parent.name in command.TASKS else "classify"
        command.read_recipe(path, task)


def test_the_retraining_example_shows_every_field_and_the_defaults() -> None:
    rules = pytest.importorskip("training.retrain.rules", reason="the training extra")
    content = tomllib.loads(uncommented((CONFIGS / "retrain.example.toml").read_text()))
    (table,) = content["recipe"]
    assert set(table) == set(rules.RecipeRules.model_fields)
    left_out = {"name", "minutes", "training"}
    assert rules.RulesSettings.model_validate(content)
    for name in set(table) - left_out:
        assert table[name] == rules.RecipeRules.model_fields[name].default, name
