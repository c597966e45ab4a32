"""The small pictures of outcomes: a shape in a colour, with a word beside it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from gui.palette import MARKS, Mark, Theme
from gui.words import tr
from inspector.values import Outcome


def outcome_word(outcome: Outcome | None) -> str:
    words = {
        Outcome.PASS: tr("Pass"),
        Outcome.REJECT: tr("Reject"),
        Outcome.REVIEW: tr("Review"),
        Outcome.NOT_INSPECTED: tr("Not inspected"),
    }
    return tr("In work") if outcome is None else words[outcome]


def paint_mark(painter: QPainter, outcome: Outcome | None, at: QRectF, theme: Theme) -> None:
    """Fill `at` with the outcome's shape; a part without one has an open ring."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    colour = QColor(theme.outcome(outcome))
    if outcome is None:
        painter.setPen(QPen(colour, 1.5))
        painter.drawEllipse(at.adjusted(1, 1, -1, -1))
    elif MARKS[outcome] is Mark.CROSS:
        painter.setPen(QPen(colour, max(2.0, at.width() / 4.5), Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        inner = at.adjusted(*(at.width() / 6 * sign for sign in (1, 1, -1, -1)))
        painter.drawLine(inner.topLeft(), inner.bottomRight())
        painter.drawLine(inner.topRight(), inner.bottomLeft())
    else:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        _fill(painter, MARKS[outcome], at)
    painter.restore()


def _fill(painter: QPainter, mark: Mark, at: QRectF) -> None:
    if mark is Mark.CIRCLE:
        painter.drawEllipse(at)
    elif mark is Mark.SQUARE:
        inset = at.width() * 0.07
        painter.drawRect(at.adjusted(inset, inset, -inset, -inset))
    else:
        top = QPointF(at.center().x(), at.top())
        painter.drawPolygon(QPolygonF([top, at.bottomRight(), at.bottomLeft()]))


class Badge(QWidget):
    """A shape, a colour and a word, large, on a plate in that colour."""

    SIDE = 20.0
    """Of the shape, px."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._word = theme, ""
        self.setMinimumHeight(44)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(220, 44)

    def colour(self) -> str:
        raise NotImplementedError

    def paint_shape(self, painter: QPainter, at: QRectF) -> None:
        raise NotImplementedError

    def _say(self, word: str) -> None:
        self._word = word
        self.setAccessibleName(word)
        self.update()

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(self.colour())
        tint = QColor(colour)
        tint.setAlphaF(0.14)
        painter.setPen(QPen(colour, 1))
        painter.setBrush(tint)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        self.paint_shape(painter, QRectF(14, (self.height() - self.SIDE) / 2, self.SIDE, self.SIDE))
        font = self.font()
        font.setPixelSize(17)
        font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.text))
        at = QRectF(46, 0, self.width() - 54, self.height())
        words = painter.fontMetrics().elidedText(self._word, Qt.TextElideMode.ElideRight, round(at.width()))
        painter.drawText(at, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)


class OutcomeBadge(Badge):
    """An outcome."""

    SIDE = 18.0

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._outcome: Outcome | None = None

    def show_outcome(self, outcome: Outcome | None, word: str | None = None) -> None:
        self._outcome = outcome
        self._say(outcome_word(outcome) if word is None else word)

    def colour(self) -> str:
        return self._theme.outcome(self._outcome)

    def paint_shape(self, painter: QPainter, at: QRectF) -> None:
        paint_mark(painter, self._outcome, at, self._theme)
