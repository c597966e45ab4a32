"""The comparison of two bundles, without a screen: which two, what both said, and whose parts are open."""

from __future__ import annotations

from collections.abc import Callable

from db.history.pairing import Basis, Compared, Pair, PairedPart, PairedParts, Pairing
from gui.models.desk import PairsDesk
from gui.worker import Ask
from inspector.errors import InspectorError
from inspector.values import InspectionRecord


class PairsController:
    """`changed` is called on the GUI thread after every change."""

    def __init__(self, desk: PairsDesk, ask: Ask, changed: Callable[[], None]) -> None:
        self._desk, self._ask, self._changed = desk, ask, changed
        self.compared: Compared | None = None
        self.counted: Pairing | None = None
        """Of `compared`, once it is there."""
        self.busy = False
        self.error = ""
        self.is_open = False
        self.opened: Pair | None = None
        """The pair of outcomes whose parts are shown; None: all flips."""
        self.parts: PairedParts | None = None
        self.record: InspectionRecord | None = None

    def compare(self, first: str, second: str, basis: Basis) -> None:
        """Compare two bundles; one with itself says nothing."""
        compared = None if first == second else Compared(first, second, basis)
        if compared != self.compared:
            self.compared = compared
            self.refresh()

    def refresh(self) -> None:
        self.close()
        self.counted, self.error, compared = None, "", self.compared
        self.busy = compared is not None
        self._changed()
        if compared is not None:
            self._ask("pairing", lambda: self._desk.pairing(compared), self._counted, self._failed)

    def open(self, wanted: Pair | None) -> None:
        """Show the parts of a pair of outcomes, or all flips."""
        counted = self.counted
        if counted is None or not (counted.flips if wanted is None else counted.cells.get(wanted, 0)):
            return
        self.is_open, self.opened, self.parts, self.record = True, wanted, None, None
        self._changed()
        self._ask("paired parts", lambda: self._desk.parts(counted, wanted), self._listed, self._failed)

    def look(self, part: PairedPart) -> None:
        self._ask("paired part", lambda: self._desk.record(part.part_id), self._looked, self._failed)

    def close(self) -> None:
        """Back to the counts."""
        self.is_open, self.opened, self.parts, self.record = False, None, None, None
        self._changed()

    def _counted(self, counted: Pairing) -> None:
        if counted.compared == self.compared:
            self.busy, self.counted = False, counted
            self._changed()

    def _listed(self, parts: PairedParts) -> None:
        if not self.is_open:
            return
        self.parts = parts
        self._changed()
        if parts.parts:
            self.look(parts.parts[0])

    def _looked(self, record: InspectionRecord) -> None:
        if self.is_open:
            self.record = record
            self._changed()

    def _failed(self, error: InspectorError) -> None:
        self.busy, self.error = False, str(error)
        self._changed()
