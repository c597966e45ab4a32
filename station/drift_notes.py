"""What drift watches say, into the ledger and onto the screen."""

from __future__ import annotations

from db.records import Severity
from station.journal import Journal
from station.messages import Drifted, DriftPoint, DriftStatus, FromWatch, Relearning
from station.status import Tally


class DriftNotes:
    """Only the loop's thread calls it."""

    def __init__(self, journal: Journal, tally: Tally, *, several: bool) -> None:
        self._journal, self._tally, self._several = journal, tally, several
        self._states: dict[str, str] = {}

    def note(self, message: FromWatch) -> None:
        match message:
            case Drifted(camera, alarm):
                kind = "drift_alarm" if alarm.severity == "ALARM" else "drift_warning"
                since = f" (since part {alarm.since_part} of {alarm.part})"
                self._journal.note(Severity(alarm.severity), kind, f"camera {camera}: {alarm.text}{since}", camera)
            case DriftStatus(camera, words, well):
                self._note_state(camera, words)
                if not well:
                    self._journal.note(Severity.WARNING, "drift_fault", words, camera)
            case Relearning(camera, by, why, ended):
                said = ", ".join(f"{alarm.figure} since part {alarm.since_part}" for alarm in ended) or "none"
                words = f"camera {camera}: by {by}: {why}; alarms ended: {said}"
                self._journal.note(Severity.INFO, "drift_relearn", words, camera)
            case DriftPoint(point):
                self._journal.record(Severity.INFO, "drift_figures", point.model_dump_json())

    def _note_state(self, camera: str, words: str) -> None:
        self._states[camera] = words
        states = self._states.items()
        self._tally.drift = "; ".join(f"{name}: {words}" if self._several else words for name, words in states)
