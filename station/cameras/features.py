"""Features of a device: set, read back, listed, and compared with what was wanted."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from inspector.errors import ConfigError, StorageFault

Value = bool | int | float | str


class Features(Protocol):
    """The features of an open device, by the names that the device gives them. Used by the acquire thread only."""

    def names(self) -> Sequence[str]:
        """Return what can be read now; commands are left out."""
        ...

    def read(self, name: str) -> Value | None:
        """Return a value; None where the device has no such feature, or lets nobody read it now."""
        ...

    def write(self, name: str, value: Value) -> None:
        """Set a value; raise ConfigError with the device's words where it is refused, CameraLost where it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """A feature that is not as it was wanted."""

    feature: str
    asked: Value
    given: Value | None
    why: str = ""
    """The device's words, where it refused."""

    def text(self) -> str:
        given = "has no such feature" if self.given is None else f"gives {shown(self.given)}"
        return f"{self.feature}: {shown(self.asked)} was asked for, the device {given}" + (
            f" ({self.why})" if self.why else ""
        )


def shown(value: Value) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def put(features: Features, feature: str, value: Value, tolerance: float, field: str = "") -> Difference | None:
    """Set a feature and read it back; None where the device now has it. `field` names it in the difference."""
    why = ""
    try:
        features.write(feature, value)
    except ConfigError as error:
        why = str(error)
    given = features.read(feature)
    if agrees(value, given, tolerance):
        return None
    name = feature if field in ("", feature) else f"{field} ({feature})"
    return Difference(name, value, given, why)


def agrees(asked: Value, given: Value | None, tolerance: float) -> bool:
    """Tell whether a device has what was asked for; numbers may differ by the share `tolerance` of what was asked."""
    if given is None:
        return False
    if isinstance(asked, (str, bool)) or isinstance(given, str):
        return str(asked).lower() == str(given).lower() or (isinstance(asked, bool) and given == asked)
    return abs(given - asked) <= tolerance * abs(asked) + 1e-9


def compare(wanted: Mapping[str, Value], features: Mapping[str, Value], tolerance: float) -> tuple[Difference, ...]:
    """Return what of `wanted` a snapshot does not have."""
    return tuple(
        Difference(name, value, features.get(name))
        for name, value in wanted.items()
        if not agrees(value, features.get(name), tolerance)
    )


def snapshot(features: Features) -> dict[str, Value]:
    """Return every feature with its value now."""
    values = {name: features.read(name) for name in features.names()}
    return {name: value for name, value in sorted(values.items()) if value is not None}


def store_snapshot(folder: Path, camera: str, features: Mapping[str, Value]) -> Path:
    """Write a snapshot under the hash of its content, unless it is there; raise StorageFault where the disk refuses."""
    content = json.dumps({"camera": camera, "features": dict(features)}, indent=1, sort_keys=True).encode()
    name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in camera)
    path = folder / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.json"
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError as error:
        raise StorageFault(f"{path}: cannot be written ({error.strerror})") from error
    return path
