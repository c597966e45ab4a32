"""Verdicts as log lines: for commissioning, and for a line that has no gate yet."""

from __future__ import annotations

import logging
from typing import ClassVar, Self
from uuid import UUID

from inspector.values import Verdict
from station.outputs.base import OutputSettings, diverts

logger = logging.getLogger("station.verdicts")


class LogSettings(OutputSettings):
    """`kind = "log"`."""


class LogOutput:
    """One line per part at level INFO on the logger `station.verdicts`."""

    Settings: ClassVar[type[LogSettings]] = LogSettings

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def act(self, part_id: UUID, trigger: int, verdict: Verdict) -> None:
        gate = "divert" if diverts(verdict) else "let go"
        logger.info("part %d %s: %s %s", trigger, verdict.outcome, gate, "; ".join(verdict.reasons))
