"""The one seam to what says that a part is here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic_ns
from typing import Protocol, Self

from pydantic import Field

from inspector.documents import Document
from inspector.values import NO_TAG, PartTag


class TriggerSettings(Document):
    """What every trigger's block may say; each kind adds its own fields."""

    kind: str = Field(
        default="camera",
        description="camera, part-detection, timer, http, modbus, opcua, mqtt, or one installed as a plug-in",
    )
    debounce_ms: float = Field(
        default=0.0, ge=0, le=60_000, description="a trigger so soon after the one before is the same part"
    )
    expose_within_ms: float = Field(
        default=500.0, ge=1, le=600_000, description="an exposure later than so after its trigger shows another part"
    )


@dataclass(frozen=True, slots=True)
class Pulse:
    """A part is here, as its source says."""

    tag: PartTag = NO_TAG
    count: int | None = None
    """The source's own count of its triggers, where it has one."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    at_ns: int = field(default_factory=monotonic_ns)


@dataclass(frozen=True, slots=True)
class SourceState:
    """The source was lost, or is back."""

    well: bool
    why: str


@dataclass(frozen=True, slots=True)
class SourceEnded:
    """A finite source has no further trigger."""

    why: str


@dataclass(frozen=True, slots=True)
class CountBegins:
    """The source's own count before its first trigger: what it counts from here on are parts."""

    count: int


Told = Pulse | CountBegins | SourceState | SourceEnded
Tell = Callable[[Told], None]


class TriggerSource(Protocol):
    """Says that a part is here. A factory is called as `factory(settings, tell)`.

    The loop's thread opens it when the station is first ready, and closes it at the end; the source calls `tell` from
    threads of its own. It keeps its connection up by itself, without limit and backing off, and tells when it is lost.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...
