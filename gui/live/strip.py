"""The last parts in a row: the newest at the right."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from gui.badges import paint_mark
from gui.live.figures import STRIP
from gui.palette import Theme
from gui.words import tr
from inspector.values import Outcome

Marked = tuple[int, Outcome | None]
"""A part's number and outcome."""


class Strip(QWidget):
    """A mark for each part; what is no pass stands higher, so that it is seen without its colour."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._parts: tuple[Marked, ...] = ()
        self.setFixedHeight(46)

    def show_parts(self, parts: Sequence[Marked]) -> None:
        self._parts = tuple(parts)[-STRIP:]
        diverted = sum(outcome not in (Outcome.PASS, None) for _, outcome in self._parts)
        words = tr("The last {count} parts, {diverted} of them no pass", count=len(self._parts), diverted=diverted)
        self.setAccessibleName(words)
        self.setToolTip(words)
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(600, 46)

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        pitch = self.width() / STRIP
        side = min(14.0, pitch - 3)
        for place, (_number, outcome) in enumerate(reversed(self._parts)):
            left = self.width() - (place + 1) * pitch + (pitch - side) / 2
            paint_mark(painter, outcome, QRectF(left, 20 if outcome is Outcome.PASS else 8, side, side), self._theme)
        painter.setPen(QColor(self._theme.line))
        painter.drawLine(0, 40, self.width(), 40)
