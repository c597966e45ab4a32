"""How the program logs: lines for a person, or one JSON object a line for whoever collects them.

INSPECTOR_LOG is the level (warning where unset), INSPECTOR_LOG_FORMAT is `text` or `json`. Where the journal of systemd
reads, each line begins with its priority, which the journal takes off again. docs/health.md has the fields.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from inspector.errors import UserError

FORMATS = ("text", "json")
FIELDS = ("event", "severity", "part_id", "trigger", "camera", "outcome", "reasons", "lot", "serial")
"""What a line may carry beside its message: attributes of the record, given by `extra`."""
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""syslog(3), by level."""


def configure(environment: Mapping[str, str] = os.environ) -> None:
    """Log to stderr as the environment says; raise UserError for a level or a format that is none."""
    level = environment.get("INSPECTOR_LOG", "WARNING").upper()
    if level not in _LEVELS:
        raise UserError(f"INSPECTOR_LOG={level}: expected one of {', '.join(_LEVELS)}")
    handler = logging.StreamHandler()
    formatter: logging.Formatter = JsonLines() if is_structured(environment) else Lines()
    handler.setFormatter(WithPriority(formatter) if _journal_reads(environment) else formatter)
    logging.basicConfig(level=level, handlers=[handler])


def is_structured(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether lines are JSON; raise UserError for a format that is none."""
    wanted = environment.get("INSPECTOR_LOG_FORMAT", FORMATS[0])
    if wanted not in FORMATS:
        raise UserError(f"INSPECTOR_LOG_FORMAT={wanted}: expected one of {', '.join(FORMATS)}")
    return wanted == "json"


def name_run(station: str, run_id: str) -> None:
    """Have every further line of this process name the station and its run."""
    JsonLines.run = {"station": station, "run_id": run_id}


class Lines(logging.Formatter):
    """For a person."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(message)s")


class JsonLines(logging.Formatter):
    """One JSON object a line: nothing in a message can make two of it."""

    run: Mapping[str, str] = {}

    def format(self, record: logging.LogRecord) -> str:
        own = {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "process": multiprocessing.current_process().name,
            "thread": record.threadName,
            **self.run,
            **own,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class WithPriority(logging.Formatter):
    """Puts the priority before each line of what another formatter says."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        priority = f"<{_PRIORITIES.get(record.levelname, 5)}>"
        return "\n".join(priority + line for line in self._formatter.format(record).splitlines())


def _journal_reads(environment: Mapping[str, str]) -> bool:
    """Whether stderr goes to the journal: it then says which device and inode it is."""
    try:
        told = os.fstat(sys.stderr.fileno())
    except (OSError, AttributeError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{told.st_dev}:{told.st_ino}"
