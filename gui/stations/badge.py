"""The state of a station by NAMUR NE 107, large: a shape, a colour and the word."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from gui.badges import Badge
from gui.palette import Theme


class StateBadge(Badge):
    """A state that is not known has an open ring."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._state = ""

    def show_state(self, state: str, word: str) -> None:
        if (state, word) != (self._state, self._word):
            self._state = state
            self._say(word)

    def colour(self) -> str:
        return state_colour(self._state, self._theme)

    def paint_shape(self, painter: QPainter, at: QRectF) -> None:
        paint_state(painter, self._state, at, QColor(self.colour()))


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
