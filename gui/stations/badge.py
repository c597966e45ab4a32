"""The state of a station by NAMUR NE 107, large: a shape, a colour and the word."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from gui.palette import Theme

_SIDE = 20.0


class StateBadge(QWidget):
    """A state that is not known has an open ring."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme, self._state, self._word = theme, "", ""
        self.setMinimumHeight(44)

    def show_state(self, state: str, word: str) -> None:
        if (state, word) != (self._state, self._word):
            self._state, self._word = state, word
            self.setAccessibleName(word)
            self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(220, 44)

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(state_colour(self._state, self._theme))
        tint = QColor(colour)
        tint.setAlphaF(0.14)
        painter.setPen(QPen(colour, 1))
        painter.setBrush(tint)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        paint_state(painter, self._state, QRectF(14, (self.height() - _SIDE) / 2, _SIDE, _SIDE), colour)
        font = self.font()
        font.setPixelSize(16)
        font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.text))
        at = QRectF(46, 0, self.width() - 54, self.height())
        words = painter.fontMetrics().elidedText(self._word, Qt.TextElideMode.ElideRight, round(at.width()))
        painter.drawText(at, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)


def state_colour(state: str, theme: Theme) -> str:
    colours = {
        "good": theme.passed,
        "maintenance_required": theme.accent,
        "out_of_specification": theme.review,
        "check_function": theme.not_inspected,
        "failure": theme.rejected,
    }
    return colours.get(state, theme.quiet)


def paint_state(painter: QPainter, state: str, at: QRectF, colour: QColor) -> None:
    """Circle: good; square: maintenance; triangle: out of specification; diamond: check; cross: failure."""
    painter.save()
    painter.setPen(QPen(colour, 3.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.setBrush(colour)
    centre = at.center()
    if state == "good":
        painter.drawEllipse(at.adjusted(2, 2, -2, -2))
    elif state == "maintenance_required":
        painter.drawRect(at.adjusted(3, 3, -3, -3))
    elif state == "out_of_specification":
        painter.drawPolygon(QPolygonF([QPointF(centre.x(), at.top() + 2), at.bottomRight(), at.bottomLeft()]))
    elif state == "check_function":
        corners = [(centre.x(), at.top()), (at.right(), centre.y()), (centre.x(), at.bottom()), (at.left(), centre.y())]
        painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
    elif state == "failure":
        inner = at.adjusted(3, 3, -3, -3)
        painter.drawLine(inner.topLeft(), inner.bottomRight())
        painter.drawLine(inner.topRight(), inner.bottomLeft())
    else:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(at.adjusted(3, 3, -3, -3))
    painter.restore()
