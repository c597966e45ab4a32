"""Verdicts as log lines: for commissioning, and for a line that has no gate yet."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import ClassVar, Self

from station.outputs.base import JudgedPart, LineState, OutputSettings, OutputState, TriggeredPart, diverts

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

    def expect(self, part: TriggeredPart) -> None:
        return None

    def act(self, judged: JudgedPart) -> None:
        part, verdict = judged.part, judged.verdict
        gate = "divert" if diverts(verdict) else "let go"
        fields = {
            "part_id": part.part_id,
            "trigger": part.trigger,
            "outcome": verdict.outcome,
            "reasons": verdict.reasons,
            "lot": part.lot,
            "serial": part.serial,
        }
        reasons = "; ".join(verdict.reasons)
        logger.info("part %d %s: %s %s", part.trigger, verdict.outcome, gate, reasons, extra=fields)

    def pulse(self, line: LineState) -> Sequence[OutputState]:
        return ()
