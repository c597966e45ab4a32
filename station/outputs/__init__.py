"""Outputs by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from inspector.documents import parse
from inspector.errors import ConfigError
from inspector.plugins import load_plugin
from station.outputs.base import Output, OutputSettings

OUTPUTS = {"log": "station.outputs.log:LogOutput"}


class OutputFactory(Protocol):
    """An output class: its settings model and its constructor."""

    Settings: type[OutputSettings]

    def __call__(self, settings: Any) -> Output: ...


def output_factory(kind: str) -> OutputFactory:
    """Return the output class of `kind`; raise UnknownPlugin."""
    factory: OutputFactory = load_plugin("inspector.outputs", kind, OUTPUTS)
    return factory


def output_settings(block: Mapping[str, Any], source: str) -> OutputSettings:
    """Validate an output block with the settings of its kind; raise ConfigError naming `source` and every field."""
    kind = parse(f"{source}: output", {"kind": block.get("kind", "log")}, OutputSettings, ConfigError).kind
    return parse(f"{source}: output", dict(block), output_factory(kind).Settings, ConfigError)
