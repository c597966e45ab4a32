"""Cameras, outputs and runtimes by name: built-ins from a literal table, others by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from inspector.errors import UnknownPlugin


def load_plugin(group: str, kind: str, builtin: Mapping[str, str]) -> Any:
    """Return what `kind` names; built-ins ("module:attribute") are imported only when asked for."""
    if target := builtin.get(kind):
        module, _, attribute = target.partition(":")
        return getattr(import_module(module), attribute)
    found = {point.name: point for point in entry_points(group=group)}
    if kind not in found:
        known = ", ".join(sorted({*builtin, *found}))
        raise UnknownPlugin(f"no {group} plug-in called {kind!r}; known: {known}")
    return found[kind].load()
