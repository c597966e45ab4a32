"""The parts of a point: a list, and the one that is chosen in the viewer of Review, where nothing can be said of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from db.history.listing import Listed
from gui.badges import OutcomeBadge, outcome_word
from gui.canvas import Canvas
from gui.figures.tiles import percent
from gui.found import seen_in
from gui.palette import Theme
from gui.picture import Pyramid
from gui.pieces import button, text
from gui.review.tools import ToneBar
from gui.words import tr
from inspector.errors import InspectorError
from inspector.values import InspectionRecord

Read = Callable[[str, Callable[[Pyramid], None], Callable[[InspectorError], None]], None]
"""Reads a picture by its hash, and calls one of the two with what came."""


class PartList(Protocol):
    """The newest parts, and how many there are."""

    @property
    def parts(self) -> Sequence[Any]: ...

    @property
    def of(self) -> int: ...


class PartsPage(QWidget):
    """In place of what was clicked. `closed` asks for that again, `looked` for the record of a part.

    `back` is what the way back is called, `line` what the list says of a part.
    """

    closed = Signal()
    looked = Signal(object)

    def __init__(self, theme: Theme, read: Read, back: str, line: Callable[[Any], str]) -> None:
        super().__init__()
        self._read, self._line = read, line
        self._listing: PartList | None = None
        self._record: InspectionRecord | None = None
        self.said, self.count = text("", "big", wraps=True), text("", "quiet", wraps=True)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Parts"))
        self.list.currentRowChanged.connect(self._chosen)
        self.canvas, self.badge = Canvas(theme), OutcomeBadge(theme)
        self.tones = ToneBar(self.canvas)
        self.about = text("", "quiet", wraps=True)
        self.back = button(back, self.closed.emit, key="Esc")
        self._lay_out()

    def show_parts(self, said: str, listing: PartList | None, record: InspectionRecord | None) -> None:
        self.said.setText(said)
        if listing is not self._listing:
            self._fill(listing)
        if record is not self._record:
            self._show_record(record)

    def set_theme(self, theme: Theme) -> None:
        self.canvas.set_theme(theme)
        self.badge.set_theme(theme)

    def _fill(self, listing: PartList | None) -> None:
        self._listing = None  # while rows go, the list chooses others
        self.list.clear()
        self._listing = listing
        if listing is None:
            self.count.setText(tr("Reading ..."))
            return
        self.count.setText(tr("{shown} of {n} parts, the newest first", shown=len(listing.parts), n=listing.of))
        for part in listing.parts:
            self.list.addItem(QListWidgetItem(self._line(part)))
        if listing.parts:
            self.list.setCurrentRow(0)
            self.list.setFocus()

    def _chosen(self, row: int) -> None:
        if self._listing is not None and 0 <= row < len(self._listing.parts):
            self.looked.emit(self._listing.parts[row])

    def _show_record(self, record: InspectionRecord | None) -> None:
        self._record = record
        self.tones.reset()
        self.canvas.show_findings(())
        self.canvas.show_picture(None, "" if record is None else tr("Reading the picture ..."))
        self.badge.setVisible(record is not None)
        self.about.setText("" if record is None else "; ".join(record.reasons))
        if record is None:
            return
        self.badge.show_outcome(record.outcome)
        if record.image_sha256 is None:
            self.canvas.show_picture(None, tr("No picture of this part was kept."))
            return
        self._read(record.image_sha256, lambda picture: self._show_picture(record, picture), self._missing)

    def _show_picture(self, record: InspectionRecord, picture: Pyramid) -> None:
        if record is self._record:
            self.canvas.show_picture(picture)
            self.canvas.show_findings(*seen_in(record))

    def _missing(self, error: InspectorError) -> None:
        self.canvas.show_picture(None, tr("The picture cannot be shown: {error}", error=error))

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.setSpacing(8)
        for widget in (self.said, self.count):
            left.addWidget(widget)
        left.addWidget(self.list, 1)
        left.addWidget(self.back, 0, Qt.AlignmentFlag.AlignLeft)
        right = QVBoxLayout()
        right.setSpacing(8)
        head = QHBoxLayout()
        head.addWidget(self.badge)
        head.addWidget(self.about, 1)
        right.addLayout(head)
        right.addWidget(self.canvas, 1)
        right.addWidget(self.tones)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        row.addLayout(left, 2)
        row.addLayout(right, 3)


def listed_line(part: Listed) -> str:
    said = outcome_word(part.outcome) + ("" if part.label is None else f", {part.label}")
    chance = "" if part.defect_probability is None else f"  ·  {percent(part.defect_probability)}"
    named = tr("Part {number}", number=part.trigger)
    return f"{part.triggered_at.astimezone():%Y-%m-%d %H:%M:%S}  ·  {part.station}  ·  {named}  ·  {said}{chance}"
