"""The figures, without a screen: what is asked, what was answered, and whose parts are open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from db.history.listing import Listed, Listing, Wanted
from gui.charts.model import Point
from gui.figures.export import Sheet
from gui.figures.numbers import Numbers, Question
from gui.worker import Ask
from inspector.errors import InspectorError
from inspector.values import InspectionRecord


class FiguresDesk(Protocol):
    """The questions of the controller; on a worker's thread."""

    def numbers(self, question: Question) -> Numbers: ...

    def listing(self, wanted: Wanted) -> Listing: ...

    def record(self, part: Listed) -> InspectionRecord: ...

    def write(self, sheet: Sheet, path: Path) -> None:
        """Raise UserError where the place cannot be written."""
        ...


class FiguresController:
    """`changed` is called on the GUI thread after every change."""

    def __init__(self, desk: FiguresDesk, ask: Ask, changed: Callable[[], None]) -> None:
        self._desk, self._ask, self._changed = desk, ask, changed
        self.question = Question()
        self.numbers: Numbers | None = None
        self.busy = False
        self._again = False
        self.error = ""
        self.written: Path | None = None
        self.opened: Point | None = None
        """The point whose parts are shown in place of the charts."""
        self.listing: Listing | None = None
        self.record: InspectionRecord | None = None

    def refresh(self) -> None:
        """Ask again, once the last question is answered; until then what was answered last stays."""
        if self.busy:
            self._again = True
            return
        self.busy, self.error, self.written = True, "", None
        self._again, question = False, self.question
        self._changed()
        self._ask("figures", lambda: self._desk.numbers(question), self._answered, self._unanswered)

    def ask(self, question: Question) -> None:
        if question != self.question:
            self.question = question
            self.refresh()

    def narrow(self, **scope: str | None) -> None:
        """Choose a station, a recipe, a lot or a bundle by name; None: all."""
        wanted = replace(self.question.scope, **scope)  # type: ignore[arg-type]  # only its names, not its times
        self.ask(replace(self.question, scope=wanted))

    def open(self, point: Point) -> None:
        """Show the parts of a point."""
        if point.parts is None:
            return
        wanted = point.parts
        self.opened, self.listing, self.record = point, None, None
        self._changed()
        self._ask("listing", lambda: self._desk.listing(wanted), self._listed, self._failed)

    def look(self, part: Listed) -> None:
        """Show one part of the list."""
        self._ask("listed part", lambda: self._desk.record(part), self._looked, self._failed)

    def close(self) -> None:
        """Back to the charts."""
        self.opened, self.listing, self.record = None, None, None
        self._changed()

    def export(self, sheet: Sheet, path: Path) -> None:
        def written(_: None) -> None:
            self.written = path
            self._changed()

        self.error, self.written = "", None
        self._ask("export", lambda: self._desk.write(sheet, path), written, self._failed)

    def _answered(self, numbers: Numbers) -> None:
        self.busy, self.numbers = False, numbers
        if self._again:
            self.refresh()
        else:
            self._changed()

    def _listed(self, listing: Listing) -> None:
        if self.opened is None:
            return
        self.listing = listing
        self._changed()
        if listing.parts:
            self.look(listing.parts[0])

    def _looked(self, record: InspectionRecord) -> None:
        if self.opened is not None:
            self.record = record
            self._changed()

    def _unanswered(self, error: InspectorError) -> None:
        self.busy = self._again = False
        self._failed(error)

    def _failed(self, error: InspectorError) -> None:
        self.error = str(error)
        self._changed()
