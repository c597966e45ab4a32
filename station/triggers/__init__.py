"""Triggers by kind. A missing library fails when that trigger is asked for, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from inspector.documents import parse
from inspector.errors import ConfigError, UnknownPlugin
from inspector.plugins import load_plugin
from station.triggers.base import Tell, TriggerSettings, TriggerSource

TRIGGERS = {
    "timer": "station.triggers.timer:TimerTrigger",
    "http": "station.triggers.http:HttpTrigger",
    "modbus": "station.triggers.modbus:ModbusTrigger",
    "opcua": "station.triggers.opcua:OpcUaTrigger",
    "mqtt": "station.triggers.mqtt:MqttTrigger",
}
BY_CAMERA = {
    "camera": "station.triggers.base:TriggerSettings",
    "part-detection": "station.detection:PartDetectionSettings",
}
"""Kinds that need no source: the first camera's exposures are the parts."""


class TriggerFactory(Protocol):
    """A trigger class: its settings model and its constructor."""

    Settings: type[TriggerSettings]

    def __call__(self, settings: Any, tell: Tell) -> TriggerSource: ...


def trigger_factory(kind: str) -> TriggerFactory:
    """Return the trigger class of `kind`; raise UnknownPlugin."""
    try:
        factory: TriggerFactory = load_plugin("inspector.triggers", kind, TRIGGERS)
    except ModuleNotFoundError as error:
        advice = "pip install 'open-inspector[industrial]'"
        raise UnknownPlugin(f"trigger {kind!r} needs {error.name}: {advice}") from error
    return factory


def trigger_settings(block: Mapping[str, Any], source: str) -> TriggerSettings:
    """Validate a trigger block with the settings of its kind; raise ConfigError naming `source` and every field."""
    where = f"{source}: trigger"
    kind = parse(where, {"kind": block.get("kind", "camera")}, TriggerSettings, ConfigError).kind
    by_camera = kind in BY_CAMERA
    settings = load_plugin("", kind, BY_CAMERA) if by_camera else trigger_factory(kind).Settings
    checked: TriggerSettings = parse(where, dict(block), settings, ConfigError)
    return checked


def is_by_camera(settings: TriggerSettings) -> bool:
    """Whether the first camera's exposures are the triggers, and no other source is needed."""
    return settings.kind in BY_CAMERA
