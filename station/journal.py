"""What happens at a station and is no part: into the log and into the ledger."""

from __future__ import annotations

import logging
from concurrent.futures import Future

from db.ledger import Ledger
from db.records import Event, Severity

logger = logging.getLogger(__name__)


class Journal:
    """Writes events. Any thread may call it; nobody waits for the disk."""

    def __init__(self, ledger: Ledger, station: str) -> None:
        self._ledger = ledger
        self._station = station

    def note(self, severity: Severity, kind: str, message: str, camera: str | None = None) -> None:
        """Log the event and record it; `camera` is the one that it is about."""
        level = logging.INFO if severity is Severity.INFO else logging.WARNING
        fields = {"event": kind, "severity": severity.value, "camera": camera}
        logger.log(level, "%s: %s", kind, message, extra=fields)
        self.record(severity, kind, message)

    def record(self, severity: Severity, kind: str, message: str) -> None:
        """Record the event, which is none for the log."""
        self._ledger.record_event(Event(self._station, severity, kind, message)).add_done_callback(log_refusal)


def log_refusal(future: Future[None]) -> None:
    """Say what the ledger did not take; for futures that nobody waits for."""
    if (refusal := future.exception()) is not None:
        logger.error("ledger: %s", refusal)
