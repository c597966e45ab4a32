"""What an SDK that is not installed, or a device that cannot be named, is called; the same words for every kind."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from inspector.errors import CameraLost, ConfigError


def require(module: str, kind: str, how: str) -> ModuleType:
    """Import an SDK; raise ConfigError saying how to get it where it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(f"camera kind {kind!r} needs {module}, which is not installed ({error}): {how}") from error


def choose(camera: str, wanted: str | None, found: Sequence[Sequence[str]]) -> int:
    """Return which device is meant; each of `found` is the names that one device goes by.

    Raises:
        CameraLost: none there answers to `wanted`, or none is there at all; one may come back.
        ConfigError: several are there, and none was named.
    """
    there = ", ".join(names[0] for names in found) or "none"
    if wanted is None:
        if len(found) > 1:
            raise ConfigError(f"camera {camera!r}: device: {len(found)} are there, name one of {there}")
        if not found:
            raise CameraLost(f"camera {camera!r}: no device found")
        return 0
    meant = [number for number, names in enumerate(found) if wanted in names]
    if not meant:
        raise CameraLost(f"camera {camera!r}: device {wanted!r} is not there; found: {there}")
    if len(meant) > 1:
        raise ConfigError(f"camera {camera!r}: device: {wanted!r} is the name of {len(meant)} devices; use an address")
    return meant[0]
